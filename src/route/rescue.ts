/**
 * What becomes of a spooled record that the bus refuses for good, when its sender has long been told that it is safe: cut
 * at item boundaries when it is too large, else the dead letters. When neither topic takes it, it stays in the spool.
 */
import type { Bus, BusRecord } from '../bus/bus.ts'
import { type GuidepostError, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { SpoolBooks } from './spool-books.ts'

export interface RescueOptions {
  /** The bus itself: its spool would put the parts behind everything else. */
  readonly bus: Bus
  readonly books: SpoolBooks
  /** As `Destination.cut`. */
  readonly cut: (record: BusRecord, bytesMax: number) => { value: Buffer; items: number }[]
  readonly deadLettered: (record: BusRecord, reason: string) => void
}

/** Undefined: taken care of, and in the books. Otherwise nothing is known of any part of it, and all is to be repeated. */
export async function rescue(
  options: RescueOptions,
  record: BusRecord,
  refusal: GuidepostError,
): Promise<GuidepostError | undefined> {
  const parts = refusal.code === 'GP_RECORD_TOO_LARGE' ? partsOf(options, record) : []
  if (parts.length < 2) return deadLetter(options, record, refusal)
  // Into the books only when all of it has found its place: a repeat would count the parts once more.
  const letters: BusRecord[] = []
  for (const part of parts) {
    const [outcome] = await options.bus.append([part])
    if (outcome === undefined) continue
    const failure = outcome.canRetry ? outcome : await send(options, part, outcome)
    if (failure !== undefined) return failure
    letters.push(part)
  }
  for (const part of parts) {
    if (letters.includes(part)) options.books.deadLettered(part)
    else options.books.delivered(part)
  }
  return undefined
}

/** A repeat makes the same parts under the same ids, unless the bus takes another size by then. */
function partsOf({ bus, cut }: RescueOptions, record: BusRecord): BusRecord[] {
  const bytesMax = Math.min(bus.recordBytesMax, record.value.length >> 1)
  try {
    return cut(record, bytesMax).map((part, index) => ({
      ...record,
      ...part,
      batchId: `${record.batchId}-${bytesMax}-${index}`,
    }))
  } catch {
    return []
  }
}

async function deadLetter(
  options: RescueOptions,
  record: BusRecord,
  refusal: GuidepostError,
): Promise<GuidepostError | undefined> {
  const failure = await send(options, record, refusal)
  if (failure === undefined) options.books.deadLettered(record)
  return failure
}

async function send(
  { bus, deadLettered }: RescueOptions,
  record: BusRecord,
  refusal: GuidepostError,
): Promise<GuidepostError | undefined> {
  const letter: BusRecord = {
    ...record,
    topic: 'dead_letters',
    value: record.value.subarray(0, Math.min(limits.deadLetterBytesMax, bus.recordBytesMax)),
    headers: { reason: refusal.code, topic: record.topic, bytes: String(record.value.length) },
  }
  const [outcome] = await bus.append([letter])
  if (outcome !== undefined) {
    return retryable('GP_BUS_UNAVAILABLE', `the dead letters cannot be written: ${outcome.message}`, outcome)
  }
  deadLettered(record, refusal.message)
  return undefined
}
