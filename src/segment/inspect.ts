/** What a folder of segments holds, and everything wrong with it. Reads all of it, changes nothing, takes no lock. */
import { join } from 'node:path'
import { limits } from '../limits.ts'
import type { SegmentEvent } from './events.ts'
import { type FileSystem, fileErrorCode, type SegmentFile } from './file-system.ts'
import {
  fileHeaderBytes,
  type ParsedRecord,
  parseFileHeader,
  parseSegmentName,
  quarantineFolder,
  recordHeadBytes,
  segmentName,
  whyForeign,
} from './format.ts'
import { findCopy } from './quarantine.ts'
import { SegmentScanner } from './scanner.ts'

export interface Counts {
  records: number
  items: number
  /** Of records with their heads; for a topic and a segment, of the files. */
  bytes: number
}

export interface SegmentReport extends Counts {
  readonly kind: 'segment'
  readonly topic: string
  readonly file: string
  readonly firstOffset: number
  /** Undefined when it holds no record. */
  readonly lastOffset: number | undefined
  /** Unix milliseconds, undefined without records. */
  readonly oldestMs: number | undefined
  readonly newestMs: number | undefined
  readonly badRecords: number
}

export interface TopicReport extends Counts {
  readonly kind: 'topic'
  readonly topic: string
  readonly segments: number
  readonly firstOffset: number | undefined
  readonly lastOffset: number | undefined
  readonly oldestMs: number | undefined
  readonly newestMs: number | undefined
  readonly badRecords: number
  /** By guid; when there are more than `limits.guidsCachedMax`, the rest is under the empty string. */
  readonly guids: ReadonlyMap<string, Readonly<Counts>>
}

export type Inspected =
  | SegmentReport
  /** Comes last of its topic. */
  | TopicReport
  /**
   * A damaged record, a torn tail, an unreadable segment. Comes before the report of its segment. Of a damaged record of
   * which the quarantine has a copy, `quarantine` names it.
   */
  | { readonly kind: 'finding'; readonly topic: string; readonly event: SegmentEvent }
  /** Offsets from `first` to `last` are in no segment: appends that failed, or a file that is missing. */
  | { readonly kind: 'gap'; readonly topic: string; readonly first: number; readonly last: number }
  /** The file begins with offsets that an earlier one holds too: one of them is of another log. */
  | {
      readonly kind: 'overlap'
      readonly topic: string
      readonly file: string
      readonly first: number
      readonly last: number
    }
  | { readonly kind: 'quarantined'; readonly topic: string; readonly file: string; readonly bytes: number }
  /** What a dying program did not finish and nobody needs. */
  | { readonly kind: 'leftover'; readonly topic: string; readonly file: string }
  /** A file that is not a part of the log. */
  | { readonly kind: 'stray'; readonly topic: string; readonly file: string }

/** What an inspection may add to that of a folder of segments. */
export interface InspectSettings {
  /** Told of every record; its value is valid until it returns. `bytes` are those of the whole record. */
  readonly onRecord?: (record: ParsedRecord, bytes: number) => void
  /** Names in the folder, besides segments and quarantine, that belong there. */
  readonly isKnown?: (name: string) => boolean
}

interface Totals extends Counts {
  segments: number
  firstOffset: number | undefined
  lastOffset: number | undefined
  oldestMs: number | undefined
  newestMs: number | undefined
  badRecords: number
  guids: Map<string, Counts>
  /** The offset that comes next when none is missing. */
  nextOffset: number | undefined
  /** How many offsets may be hidden in damage since then. */
  hiddenMax: number
}

function emptyTotals(): Totals {
  const unknown = { firstOffset: undefined, lastOffset: undefined, oldestMs: undefined, newestMs: undefined }
  const counts = { records: 0, items: 0, bytes: 0, segments: 0, badRecords: 0, hiddenMax: 0 }
  return { ...counts, guids: new Map(), nextOffset: undefined, ...unknown }
}

/**
 * Inspects one folder of segments; `topic` is what it is called in what is yielded. Holds one record at a time, and the
 * counts. A folder that holds neither segments nor a quarantine yields no `topic`. What is wrong is a finding.
 */
export async function* inspectSegments(
  topic: string,
  directory: string,
  fs: FileSystem,
  settings: InspectSettings = {},
): AsyncGenerator<Inspected> {
  const totals = emptyTotals()
  const entries = await fs.list(directory).catch((error: unknown) => fileErrorCode(error))
  if (typeof entries === 'string') {
    yield {
      kind: 'finding',
      topic,
      event: unreadable(directory, 0, `the folder cannot be listed: ${entries}`),
    }
    return
  }
  const segments: number[] = []
  for (const { name, kind } of entries) {
    const firstOffset = kind === 'file' ? parseSegmentName(name) : undefined
    if (firstOffset !== undefined) segments.push(firstOffset)
    else if (name !== quarantineFolder && settings.isKnown?.(name) !== true)
      yield { kind: 'stray', topic, file: join(directory, name) }
  }
  // A folder without a segment and a quarantine is no topic.
  if (segments.length === 0 && !entries.some((entry) => entry.name === quarantineFolder)) return
  segments.sort((a, b) => a - b)
  for (const firstOffset of segments) {
    const missing = gapBefore(topic, firstOffset, totals)
    if (missing !== undefined) yield missing
    yield* inspectSegment({ topic, directory, firstOffset, fs, settings }, totals)
  }
  yield* inspectQuarantine(topic, join(directory, quarantineFolder), fs)
  const { nextOffset: _, hiddenMax: __, ...counts } = totals
  yield { kind: 'topic', topic, ...counts }
}

/** What is missing before `offset`, unless damage hides it. */
function gapBefore(topic: string, offset: number, totals: Totals): Inspected | undefined {
  const { nextOffset = offset, hiddenMax } = totals
  if (offset < nextOffset) return undefined
  totals.nextOffset = offset
  totals.hiddenMax = 0
  return offset - nextOffset <= hiddenMax
    ? undefined
    : { kind: 'gap', topic, first: nextOffset, last: offset - 1 }
}

interface SegmentPlace {
  readonly topic: string
  readonly directory: string
  readonly firstOffset: number
  readonly fs: FileSystem
  readonly settings: InspectSettings
}

async function* inspectSegment(place: SegmentPlace, totals: Totals): AsyncGenerator<Inspected> {
  const { topic, directory, firstOffset, fs } = place
  const path = join(directory, segmentName(firstOffset))
  const own = emptyTotals()
  try {
    const file = await fs.open(path, 'read')
    try {
      own.bytes = await file.bytes()
      const bytes = Buffer.alloc(fileHeaderBytes)
      const header = parseFileHeader(bytes.subarray(0, await file.read(bytes, 0)))
      const reason = typeof header === 'string' ? header : whyForeign(header, firstOffset)
      if (typeof header === 'string' || reason !== undefined) {
        totals.hiddenMax += hiddenIn(own.bytes)
        yield { kind: 'finding', topic, event: unreadable(path, own.bytes, reason ?? '') }
      } else {
        const last = (totals.nextOffset ?? 0) - 1
        if (firstOffset <= last) yield { kind: 'overlap', topic, file: path, first: firstOffset, last }
        yield* inspectRecords(new SegmentScanner(file, header), { ...place, file, path }, own, totals)
      }
    } finally {
      await file.close()
    }
  } catch (error) {
    totals.hiddenMax += hiddenIn(own.bytes)
    yield { kind: 'finding', topic, event: unreadable(path, own.bytes, fileErrorCode(error)) }
  }
  addSegment(totals, own, firstOffset)
  const { records, items, bytes, lastOffset, oldestMs, newestMs, badRecords } = own
  const counts = { records, items, bytes, lastOffset, oldestMs, newestMs, badRecords }
  yield { kind: 'segment', topic, file: path, firstOffset, ...counts }
}

/** The most records that so many bytes can hold. */
function hiddenIn(bytes: number): number {
  return Math.ceil(bytes / recordHeadBytes)
}

/** Counts the records of a segment and tells of what is wrong between them. */
async function* inspectRecords(
  scanner: SegmentScanner,
  place: SegmentPlace & { readonly file: SegmentFile; readonly path: string },
  own: Totals,
  totals: Totals,
): AsyncGenerator<Inspected> {
  const { topic, path, settings } = place
  for (;;) {
    const scanned = await scanner.next()
    const { position, bytes } = scanned
    if (scanned.kind === 'end') {
      if (bytes === 0) return
      if (!scanned.isDamaged) {
        yield { kind: 'finding', topic, event: { kind: 'torn_tail', file: path, position, bytes } }
        return
      }
    }
    if (scanned.kind === 'record') {
      const { record } = scanned
      const missing = gapBefore(topic, record.offset, totals)
      if (missing !== undefined) yield missing
      totals.nextOffset = Math.max(totals.nextOffset ?? 0, record.offset + 1)
      countRecord(record, bytes, own, totals)
      settings.onRecord?.(record, bytes)
      continue
    }
    own.badRecords += 1
    const isEnd = scanned.kind === 'end'
    const offset = isEnd ? undefined : scanned.offset
    const reason = isEnd ? 'the head of a record is damaged and none follows it' : scanned.reason
    if (offset === undefined) totals.hiddenMax += hiddenIn(bytes)
    else if (offset >= (totals.nextOffset ?? 0)) {
      const missing = gapBefore(topic, offset, totals)
      if (missing !== undefined) yield missing
      totals.nextOffset = offset + 1
    }
    const range = { file: place.file, firstOffset: place.firstOffset, position, bytes }
    const quarantine = await findCopy(place.fs, place.directory, range).catch(() => undefined)
    const event = { kind: 'bad_record', file: path, position, bytes, offset, reason, quarantine } as const
    yield { kind: 'finding', topic, event }
    if (isEnd) return
  }
}

function countRecord(record: ParsedRecord, bytes: number, own: Totals, totals: Totals): void {
  const { guid, items, offset, receivedAtMs } = record
  const known = totals.guids.get(guid)
  const isRest = known === undefined && totals.guids.size >= limits.guidsCachedMax
  addGuid(totals.guids, isRest ? '' : guid, items, bytes)
  own.records += 1
  own.items += items
  own.lastOffset = offset
  own.oldestMs = Math.min(own.oldestMs ?? receivedAtMs, receivedAtMs)
  own.newestMs = Math.max(own.newestMs ?? receivedAtMs, receivedAtMs)
}

function addGuid(guids: Map<string, Counts>, guid: string, items: number, bytes: number): void {
  const counts = guids.get(guid)
  if (counts === undefined) {
    guids.set(guid, { records: 1, items, bytes })
  } else {
    counts.records += 1
    counts.items += items
    counts.bytes += bytes
  }
}

function addSegment(totals: Totals, own: Totals, firstOffset: number): void {
  totals.segments += 1
  totals.records += own.records
  totals.items += own.items
  totals.bytes += own.bytes
  totals.badRecords += own.badRecords
  totals.firstOffset ??= firstOffset
  totals.lastOffset = own.lastOffset ?? totals.lastOffset
  totals.oldestMs = minDefined(totals.oldestMs, own.oldestMs)
  totals.newestMs =
    own.newestMs === undefined ? totals.newestMs : Math.max(own.newestMs, totals.newestMs ?? 0)
}

function minDefined(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b)
}

async function* inspectQuarantine(topic: string, folder: string, fs: FileSystem): AsyncGenerator<Inspected> {
  const entries = await fs.list(folder).catch(() => [])
  for (const { name } of entries) {
    const file = join(folder, name)
    const bytes = await fs.stat(file).then(
      (stats) => stats.bytes,
      () => 0,
    )
    yield name.endsWith('.tmp')
      ? { kind: 'leftover', topic, file }
      : { kind: 'quarantined', topic, file, bytes }
  }
}

function unreadable(file: string, bytes: number, reason: string): SegmentEvent {
  return { kind: 'segment_unreadable', file, bytes, reason, quarantine: undefined }
}
