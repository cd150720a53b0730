/** `guidepost inspect`: what a folder of segments holds, and everything that is wrong with it. */
import { resolve } from 'node:path'
import { type Inspected, inspectDirectory, type TopicReport } from '../segment/inspect.ts'
import { readableBytes } from '../segment/readable-bytes.ts'
import { describeEvent } from './describe-event.ts'
import { exitCodes, type Io, Output } from './io.ts'

export interface InspectOptions {
  readonly directory: string
  readonly json: boolean
}

/** How many guids of a topic the table names. */
const guidsShown = 10

export async function inspect({ directory, json }: InspectOptions, io: Io): Promise<number> {
  const output = new Output(io.stdout)
  const stop = AbortSignal.any([io.interrupt(), output.closed])
  const progress = new Progress(io)
  const found: Inspected[] = []
  try {
    for await (const each of inspectDirectory(resolve(io.cwd, directory))) {
      if (stop.aborted) break
      progress.show(each)
      // Segments are many and only needed as JSON; the table has their sums.
      if (json || each.kind !== 'segment') found.push(each)
    }
  } catch (error) {
    progress.clear()
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    const reason = error instanceof Error ? error.message : String(error)
    io.stderr.write(`guidepost inspect: ${isMissing ? `there is no folder ${directory}` : reason}\n`)
    return exitCodes.failed
  }
  progress.clear()
  // Half an answer would be taken for a whole one.
  if (stop.aborted) return exitCodes.failed
  if (json) await output.line(JSON.stringify(toDocument(directory, found), undefined, 2))
  else for (const line of toLines(directory, found)) await output.line(line)
  return found.some(isDamage) ? exitCodes.failed : exitCodes.ok
}

/** A torn tail is what a crash leaves behind, and then costs nothing that was acknowledged; the rest is damage. */
function isDamage(each: Inspected): boolean {
  return (
    each.kind === 'quarantined' ||
    each.kind === 'overlap' ||
    (each.kind === 'finding' && each.event.kind !== 'torn_tail')
  )
}

/** One line on a terminal that says how far it is, redrawn a few times a second. */
class Progress {
  readonly #io: Io
  #records = 0
  #bytes = 0
  #shownMs = Number.NEGATIVE_INFINITY

  constructor(io: Io) {
    this.#io = io
  }

  show(each: Inspected): void {
    if (each.kind !== 'segment' || this.#io.stderr.isTTY !== true) return
    this.#records += each.records
    this.#bytes += each.bytes
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < 200) return
    this.#shownMs = nowMs
    const size = (this.#bytes / 1024 ** 2).toFixed(0)
    this.#io.stderr.write(`\r\u001b[K${each.topic}: ${size} MiB, ${this.#records} records`)
  }

  clear(): void {
    if (this.#shownMs > 0) this.#io.stderr.write('\r\u001b[K')
  }
}

function toDocument(directory: string, found: readonly Inspected[]): object {
  const topics = found
    .filter((each) => each.kind === 'topic')
    .map(({ kind: _, guids, ...topic }) => ({
      ...topic,
      guids: Object.fromEntries(guids),
      segments: found.filter((each) => each.kind === 'segment' && each.topic === topic.topic),
    }))
  const findings = found
    .filter((each) => each.kind === 'finding')
    .map(({ topic, event }) => ({ topic, ...event, text: describeEvent(event) }))
  const rest = (kind: Inspected['kind']) => found.filter((each) => each.kind === kind)
  const damaged = found.some(isDamage)
  return {
    directory,
    damaged,
    topics,
    findings,
    gaps: rest('gap'),
    overlaps: rest('overlap'),
    quarantined: rest('quarantined'),
    strays: rest('stray'),
  }
}

function toLines(directory: string, found: readonly Inspected[]): string[] {
  const topics = found.filter((each) => each.kind === 'topic')
  if (topics.length === 0)
    return [`${directory} holds no segments.`, ...found.map(describe).filter((line) => line !== '')]
  const head = ['TOPIC', 'SEGMENTS', 'RECORDS', 'ITEMS', 'BYTES', 'OFFSETS', 'OLDEST', 'NEWEST', 'BAD']
  const lines = align([head, ...topics.map(toRow)])
  for (const topic of topics) lines.push('', ...guidLines(topic))
  const wrong = found.map(describe).filter((line) => line !== '')
  return wrong.length === 0 ? lines : [...lines, '', ...wrong]
}

function toRow(topic: TopicReport): string[] {
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
  const more =
    guids.length > guidsShown ? [`… and ${guids.length - guidsShown} more; --json has them all`] : []
  return [...align([[`GUIDS OF ${topic.topic}`, 'RECORDS', 'ITEMS', 'BYTES'], ...rows]), ...more]
}

function describe(each: Inspected): string {
  switch (each.kind) {
    case 'finding':
      return describeEvent(each.event)
    case 'gap':
      return `${each.topic}: offsets ${each.first} to ${each.last} are in no segment`
    case 'overlap':
      return `${each.file}: offsets ${each.first} to ${each.last} are in an earlier segment too; one of them is of another log`
    case 'quarantined':
      return `${each.file}: ${each.bytes} bytes set aside earlier as damaged`
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
