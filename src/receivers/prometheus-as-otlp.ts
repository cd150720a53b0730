/**
 * Remote write as OTLP metrics (`encoding: otlp_proto`): the stamped records of a request are translated one guid after the
 * other, then stamped once more, as OTLP. Items are data points from here on (see `translate/prometheus/translated.ts`).
 */
import { limits } from '../limits.ts'
import type { Guid } from '../stamp/guid.ts'
import { otlpStampings } from '../stamp/otlp.ts'
import { cutRecord, type Stamped } from '../stamp/stamp.ts'
import { toOtlp } from '../translate/prometheus/to-otlp.ts'
import type { SkipReason } from '../translate/prometheus/translated.ts'
import type { Version } from '../wire/formats/prometheus.ts'
import type { Kernel } from '../wire/kernel.ts'
import type { RefusedItems, StampedSource } from './intake.ts'

/** The records of a request in OTLP; they are copies. */
export class OtlpRecords implements StampedSource {
  readonly records: { readonly owner: Guid; readonly bytes: number; readonly items: number }[] = []
  readonly refused: RefusedItems[]
  /** What had no form in OTLP, in data points. */
  readonly skipped = new Map<SkipReason, number>()
  readonly #values: Buffer[] = []

  constructor(stamped: Stamped) {
    this.refused = [...stamped.refused]
  }

  copy(i: number, target: Buffer, targetAt: number): void {
    this.#values[i]!.copy(target, targetAt)
  }

  add(owner: Guid, value: Buffer, items: number): void {
    this.records.push({ owner, bytes: value.length, items })
    this.#values.push(value)
  }

  skip(owner: Guid, reason: SkipReason, count: number): void {
    this.refused.push({ owner, reason, count })
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + count)
  }
}

/**
 * Translates what the kernel has written, one part for each guid; the kernel's memory is used anew for the result.
 * `too_large`: it would become more than `limits.expandedBytesMax`.
 */
export function asOtlp(
  kernel: Kernel,
  version: Version,
  stamped: Stamped,
  recordBytesMax: number,
): OtlpRecords | 'too_large' {
  const records = new OtlpRecords(stamped)
  const parts = copies(kernel, stamped)
  let bytesLeft: number = limits.expandedBytesMax
  for (const { owner, message } of parts) {
    const translated = toOtlp({ version, message, guidName: owner.name, outputBytesMax: bytesLeft })
    if ('problem' in translated) return translated.problem
    for (const [reason, count] of translated.skipped) records.skip(owner, reason, count)
    if (translated.points === 0) continue
    bytesLeft -= translated.message.length
    const cut = cutRecord(kernel, otlpStampings.metrics, owner, translated.message, recordBytesMax)
    if (cut.length === 0) return 'too_large'
    for (const { value, items } of cut) records.add(owner, value, items)
  }
  return records
}

function copies(kernel: Kernel, { recordCount, guids }: Stamped): { owner: Guid; message: Buffer }[] {
  const copied: { owner: Guid; message: Buffer }[] = []
  for (let i = 0; i < recordCount; i++) {
    const { slot, bytes } = kernel.part(i)
    const message = Buffer.allocUnsafeSlow(bytes)
    kernel.copyPart(i, message, 0)
    copied.push({ owner: guids[slot]!, message })
  }
  return copied
}
