/** What a spool's folder holds: what is delivered, what is still to be, and everything wrong with it. Changes nothing. */
import { join } from 'node:path'
import { limits } from '../limits.ts'
import { lockName } from '../segment/directory-lock.ts'
import type { FileSystem } from '../segment/file-system.ts'
import type { ParsedRecord } from '../segment/format.ts'
import { type Counts, type Inspected, inspectSegments, type TopicReport } from '../segment/inspect.ts'
import { cursorName, readCursor, unfinishedCursorName } from './cursor.ts'

export type CursorSeen =
  /** There is none: nothing was delivered yet. */
  | { readonly state: 'absent' }
  | { readonly state: 'intact'; readonly offset: number }
  /** Everything in the spool is delivered once more. */
  | {
      readonly state: 'unreadable'
      readonly file: string
      readonly reason: string
      /** Nothing below it is still to be delivered. */
      readonly safeOffset: number
    }

/** Records of one topic, guid and receiver that are to be delivered. */
export interface Backlog extends Readonly<Counts> {
  readonly topic: string
  /** Empty for those beyond `limits.guidsCachedMax` of all three together. */
  readonly guid: string
  /** Empty when it is not known. */
  readonly receiver: string
}

/** Comes last of its spool. */
export interface SpoolReport extends Omit<TopicReport, 'kind'> {
  readonly kind: 'spool'
  readonly directory: string
  readonly cursor: CursorSeen
  /** Behind the cursor; they are still in a file of which a part is not delivered. */
  readonly delivered: Readonly<Counts>
  readonly undelivered: Readonly<Counts>
  readonly backlog: readonly Backlog[]
}

export interface SpooledPlace {
  readonly topic: string
  readonly receiver: string
}

export interface SpoolInspectSettings {
  readonly name: string
  readonly directory: string
  readonly fs: FileSystem
  /** For whom a record is, and who took it in; undefined when no spool wrote it. */
  readonly placeOf: (record: ParsedRecord) => SpooledPlace | undefined
  /** Names in the folder that are not looked at, such as those of spools within this one. */
  readonly isKnown?: (name: string) => boolean
}

/** Yields what `inspectSegments` does, with a `spool` in place of the `topic`, also for a spool without segments. */
export async function* inspectSpool(settings: SpoolInspectSettings): AsyncGenerator<Inspected | SpoolReport> {
  const { name, directory, fs } = settings
  const tally = new Tally()
  const cursor = await lookAtCursor(fs, directory)
  const from = cursor.state === 'intact' ? cursor.offset : 0
  let report: TopicReport | undefined
  const found = inspectSegments(name, directory, fs, {
    isKnown: (entry) => ownNames.has(entry) || settings.isKnown?.(entry) === true,
    onRecord: (record, bytes) => {
      if (record.offset < from) add(tally.delivered, record.items, bytes)
      else tally.addUndelivered(record, bytes, settings.placeOf(record) ?? unknownPlace)
    },
  })
  for await (const each of found) {
    if (each.kind === 'topic') report = each
    else yield each
  }
  const unfinished = join(directory, unfinishedCursorName)
  if (await isThere(fs, unfinished)) yield { kind: 'leftover', topic: name, file: unfinished }
  const { delivered, undelivered, backlog } = tally
  yield {
    ...(report ?? emptyReport(name)),
    kind: 'spool',
    directory,
    cursor: await withSafeOffset(cursor, fs, directory, report?.firstOffset),
    delivered,
    undelivered,
    backlog: [...backlog.values()],
  }
}

const unknownPlace: SpooledPlace = { topic: 'of no known kind', receiver: '' }

const ownNames = new Set([cursorName, unfinishedCursorName, lockName])

class Tally {
  readonly delivered: Counts = { records: 0, items: 0, bytes: 0 }
  readonly undelivered: Counts = { records: 0, items: 0, bytes: 0 }
  readonly backlog = new Map<string, Counts & SpooledPlace & { guid: string }>()

  addUndelivered({ guid, items }: ParsedRecord, bytes: number, place: SpooledPlace): void {
    add(this.undelivered, items, bytes)
    const { topic, receiver } = place
    const full = `${topic}\0${receiver}\0${guid}`
    const isRest = this.backlog.size >= limits.guidsCachedMax && !this.backlog.has(full)
    const key = isRest ? `${topic}\0${receiver}\0` : full
    const counts = this.backlog.get(key) ?? {
      ...{ topic, receiver, guid: isRest ? '' : guid },
      ...{ records: 0, items: 0, bytes: 0 },
    }
    this.backlog.set(key, counts)
    add(counts, items, bytes)
  }
}

function add(counts: Counts, items: number, bytes: number): void {
  counts.records += 1
  counts.items += items
  counts.bytes += bytes
}

async function lookAtCursor(fs: FileSystem, directory: string): Promise<CursorSeen> {
  const file = join(directory, cursorName)
  const found = await readCursor(fs, directory)
  if (typeof found === 'string') return { state: 'unreadable', file, reason: found, safeOffset: 0 }
  if (found === 0 && !(await isThere(fs, file))) return { state: 'absent' }
  return { state: 'intact', offset: found }
}

/**
 * A segment is removed only behind a durable cursor, so that nothing below the first that is left is still to be
 * delivered; nor is anything below a new cursor that was written and not yet renamed.
 */
async function withSafeOffset(
  cursor: CursorSeen,
  fs: FileSystem,
  directory: string,
  firstOffset = 0,
): Promise<CursorSeen> {
  if (cursor.state !== 'unreadable') return cursor
  const unfinished = await readCursor(fs, directory, unfinishedCursorName)
  const safeOffset = typeof unfinished === 'number' ? Math.max(unfinished, firstOffset) : firstOffset
  return { ...cursor, safeOffset }
}

function isThere(fs: FileSystem, path: string): Promise<boolean> {
  return fs.stat(path).then(
    () => true,
    () => false,
  )
}

function emptyReport(topic: string): Omit<TopicReport, 'kind'> {
  const counts = { records: 0, items: 0, bytes: 0, segments: 0, badRecords: 0 }
  const unknown = { firstOffset: undefined, lastOffset: undefined, oldestMs: undefined, newestMs: undefined }
  return { topic, ...counts, ...unknown, guids: new Map() }
}
