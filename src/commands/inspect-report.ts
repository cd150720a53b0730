/** What `inspect` says: a table for people, a document for programs. */
import type { TopicReport } from '../segment/inspect.ts'
import { readableBytes } from '../segment/readable-bytes.ts'
import type { SpoolReport } from '../spool/inspect.ts'
import { describeEvent } from './describe-event.ts'
import type { Found } from './inspect-folder.ts'

/** How many guids of a topic the table names. */
const guidsShown = 10

/**
 * True of what somebody has to look after. A torn tail is what a crash leaves behind, and then costs nothing that was
 * acknowledged; of what is in the quarantine a copy is kept, and it is passed over.
 */
export function isDamage(each: Found): boolean {
  switch (each.kind) {
    case 'overlap':
      return true
    case 'finding':
      return (
        each.event.kind !== 'torn_tail' &&
        !(each.event.kind === 'bad_record' && each.event.quarantine !== undefined)
      )
    case 'spool':
      return each.cursor.state === 'unreadable'
    default:
      return false
  }
}

export function toDocument(directory: string, found: readonly Found[]): object {
  const segmentsOf = (name: string) => found.filter((each) => each.kind === 'segment' && each.topic === name)
  const topics = found
    .filter((each) => each.kind === 'topic')
    .map(({ kind: _, guids, ...topic }) => ({
      ...topic,
      guids: Object.fromEntries(guids),
      segments: segmentsOf(topic.topic),
    }))
  const spools = found
    .filter((each) => each.kind === 'spool')
    .map(({ kind: _, topic: spool, guids: __, ...rest }) => ({ spool, ...rest, segments: segmentsOf(spool) }))
  const findings = found
    .filter((each) => each.kind === 'finding')
    .map(({ topic, event }) => ({ topic, ...event, text: describeEvent(event) }))
  const rest = (kind: Found['kind']) => found.filter((each) => each.kind === kind)
  return {
    directory,
    damaged: found.some(isDamage),
    topics,
    spools,
    locks: rest('lock'),
    findings,
    gaps: rest('gap'),
    overlaps: rest('overlap'),
    quarantined: rest('quarantined'),
    leftovers: rest('leftover'),
    strays: rest('stray'),
  }
}

export function toLines(directory: string, found: readonly Found[]): string[] {
  const topics = found.filter((each) => each.kind === 'topic')
  const spools = found.filter((each) => each.kind === 'spool')
  const blocks: string[][] = []
  if (topics.length + spools.length === 0) blocks.push([`${directory} holds no segments.`])
  if (topics.length > 0) blocks.push(align([['TOPIC', ...columns], ...topics.map(toRow)]))
  for (const topic of topics) blocks.push(guidLines(topic))
  if (spools.length > 0) blocks.push(align([['SPOOL', ...columns], ...spools.map(toRow)]))
  for (const spool of spools) blocks.push(spoolLines(spool))
  const notes = found.map(describeFound).filter((line) => line !== '')
  if (notes.length > 0 && topics.length + spools.length === 0) blocks[0]?.push(...notes)
  else if (notes.length > 0) blocks.push(notes)
  return blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block]))
}

const columns = ['SEGMENTS', 'RECORDS', 'ITEMS', 'BYTES', 'OFFSETS', 'OLDEST', 'NEWEST', 'BAD']

function toRow(topic: TopicReport | SpoolReport): string[] {
  const time = (ms: number | undefined) => (ms === undefined ? '-' : new Date(ms).toISOString())
  const { firstOffset, lastOffset } = topic
  const offsets = lastOffset === undefined ? '-' : `${firstOffset}-${lastOffset}`
  const counts = [topic.segments, topic.records, topic.items].map(String)
  const { bytes, badRecords } = topic
  return [
    topic.topic,
    ...counts,
    readableBytes(bytes),
    offsets,
    time(topic.oldestMs),
    time(topic.newestMs),
    String(badRecords),
  ]
}

function guidLines(topic: TopicReport): string[] {
  const guids = [...topic.guids].toSorted(([, a], [, b]) => b.items - a.items)
  const rows = guids
    .slice(0, guidsShown)
    .map(([guid, { records, items, bytes }]) => [
      guid || '(others)',
      String(records),
      String(items),
      readableBytes(bytes),
    ])
  return [
    ...align([[`GUIDS OF ${topic.topic}`, 'RECORDS', 'ITEMS', 'BYTES'], ...rows]),
    ...moreThan(guids.length),
  ]
}

function spoolLines(spool: SpoolReport): string[] {
  const { topic: name, delivered, undelivered } = spool
  const lines = [`${name}: ${describeCursor(spool)}`]
  if (delivered.records > 0) {
    lines.push(
      `${name}: ${delivered.records} records of it are delivered and go when all of their segment is`,
    )
  }
  if (undelivered.records === 0) return [...lines, `${name}: nothing is waiting to be delivered`]
  const backlog = spool.backlog.toSorted((a, b) => b.items - a.items)
  const rows = backlog
    .slice(0, guidsShown)
    .map(({ topic, guid, receiver, records, items, bytes }) => [
      topic,
      guid || '(others)',
      receiver || '-',
      String(records),
      String(items),
      readableBytes(bytes),
    ])
  const sum = ['all', '', '', String(undelivered.records), String(undelivered.items)]
  const head = [`TO DELIVER FROM ${name}`, 'GUID', 'RECEIVER', 'RECORDS', 'ITEMS', 'BYTES']
  const table = align([head, ...rows, [...sum, readableBytes(undelivered.bytes)]])
  return [...lines, ...table, ...moreThan(backlog.length)]
}

function moreThan(count: number): string[] {
  return count > guidsShown ? [`… and ${count - guidsShown} more; --json has them all`] : []
}

function describeCursor({ cursor }: SpoolReport): string {
  switch (cursor.state) {
    case 'absent':
      return 'it has no cursor: nothing was delivered from it yet'
    case 'intact':
      return `everything below offset ${cursor.offset} is delivered`
    case 'unreadable':
      return `${cursor.reason}: what is delivered is not known, and everything in it is delivered once more`
  }
}

/** A line for people; empty for what the tables show. */
export function describeFound(each: Found): string {
  switch (each.kind) {
    case 'lock':
      return each.isHeld
        ? `${each.path}: held by ${each.owner}`
        : `${each.path}: left behind by ${each.owner}; the next start takes it over`
    case 'finding': {
      const { event } = each
      const text = describeEvent(event)
      const isCopied = event.kind === 'bad_record' && event.quarantine !== undefined
      return isCopied ? `${text}; passed over, a copy is ${event.quarantine}` : text
    }
    case 'gap':
      return `${each.topic}: offsets ${each.first} to ${each.last} are in no segment`
    case 'overlap':
      return `${each.file}: offsets ${each.first} to ${each.last} are in an earlier segment too; one of them is of another log`
    case 'quarantined':
      return `${each.file}: ${each.bytes} bytes set aside earlier as damaged`
    case 'leftover':
      return `${each.file}: was not finished, and nobody needs it`
    case 'stray':
      return `${each.file}: is no part of the log`
    default:
      return ''
  }
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
