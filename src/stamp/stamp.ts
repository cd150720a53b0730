/**
 * Stamps a request: one record for each guid, in the order of its items. The bytes are walked and spliced by the kernel;
 * here it is decided whose each distinct set of source values is.
 */
import { limits } from '../limits.ts'
import {
  type Format,
  type Kernel,
  type KernelProblem,
  kernelCodes,
  type RefusalReason,
  refusalReasons,
} from '../wire/kernel.ts'
import type { Guid } from './guid.ts'
import type { GuidRules, RequestGuid } from './guid-rules.ts'

/** How the guid is written into one kind of message. */
export interface Stamping {
  readonly format: Format
  /** The bytes that the format's records get for this guid. */
  stampOf(guid: Guid): Buffer
}

/** Keeps what `make` made for each guid, for as long as the guid is in use. */
export function once(make: (guid: Guid) => Buffer): (guid: Guid) => Buffer {
  const made = new WeakMap<Guid, Buffer>()
  return (guid) => {
    let bytes = made.get(guid)
    if (bytes === undefined) {
      bytes = make(guid)
      made.set(guid, bytes)
    }
    return bytes
  }
}

/** What became of a request. The records' bytes stay in the kernel until its next request begins. */
export interface Stamped {
  /** Items met, those that are refused too. */
  readonly items: number
  /** Guids by slot; each record names its slot. */
  readonly guids: readonly Guid[]
  readonly recordCount: number
  readonly refused: readonly { readonly reason: RefusalReason; readonly count: number }[]
}

let requests = 0

/**
 * Walks the payload that `kernel` holds and writes its records, none larger than `recordBytesMax` unless a single item
 * is. Returns why the whole request is refused when it is not well-formed.
 */
export function stamp(
  kernel: Kernel,
  stamping: Stamping,
  rules: GuidRules,
  request: RequestGuid,
  recordBytesMax: number,
): Stamped | KernelProblem {
  kernel.useRules(rules.kernel)
  const code = kernel.walk(stamping.format, {
    active: request.active,
    opaque: rules.opaque,
    wantExisting: rules.wantExisting,
    deep: rules.deep,
  })
  if (code < 0) return kernelCodes[code as keyof typeof kernelCodes]
  const guids = assign(kernel, stamping, rules, request)
  if (guids === 'too_large') return guids
  const recordCount = guids === undefined ? -1 : kernel.plan(recordBytesMax)
  if (guids === undefined || recordCount < 0) return kernelCodes[recordCount as keyof typeof kernelCodes]
  // Of OTLP the plan itself ends there; the other formats do not count records.
  if (recordCount > limits.requestRecordsMax) return 'too_large'
  const written = kernel.write()
  if (written < 0) return kernelCodes[written as keyof typeof kernelCodes]
  return { items: kernel.itemCount, guids, recordCount, refused: refusals(kernel) }
}

/**
 * Gives each tuple its slot or its refusal, each slot its stamp. Undefined when there is no memory for it. It ends with one
 * guid too many: what is prepared for a guid costs more than all else of a small item.
 */
function assign(
  kernel: Kernel,
  stamping: Stamping,
  rules: GuidRules,
  request: RequestGuid,
): Guid[] | 'too_large' | undefined {
  const number = ++requests
  const count = kernel.tupleCount
  // Not pushed to: most requests have one guid, and a list that grows begins with room for seventeen.
  const guids = new Array<Guid>(Math.min(count, limits.requestRecordsMax + 1))
  const verdicts = new Array<number>(count)
  let slots = 0
  for (let i = 0; i < count; i++) {
    const verdict = rules.judge(kernel, i, request)
    if (typeof verdict === 'number') {
      verdicts[i] = verdict
      continue
    }
    if (verdict.slotRequest !== number) {
      verdict.slotRequest = number
      verdict.slot = slots
      // One tuple is that of items without any source, of which there may be none.
      if (slots > limits.requestRecordsMax) return 'too_large'
      guids[slots++] = verdict
    }
    verdicts[i] = verdict.slot
  }
  guids.length = slots
  const stamps = guids.map((guid) => stamping.stampOf(guid))
  return kernel.setVerdicts(verdicts) && kernel.setSlots(stamps) ? guids : undefined
}

const none: Stamped['refused'] = []

function refusals(kernel: Kernel): Stamped['refused'] {
  if (!kernel.hasRefused) return none
  const refused: { reason: RefusalReason; count: number }[] = []
  for (const reason of refusalReasons) {
    if (reason === '') continue
    const count = kernel.refusedCount(reason)
    if (count > 0) refused.push({ reason, count })
  }
  return refused
}

/** For a record that was stamped before: nothing is sought in it. */
const asItIs = { active: 0, opaque: 0, wantExisting: false, deep: false }

/**
 * Cuts a record of ours into smaller ones of at most `bytesMax` bytes where its items allow it: it is stamped once more
 * with the guid that it carries, which changes nothing else. For the rare record that the bus finds too large.
 */
export function cutRecord(
  kernel: Kernel,
  stamping: Stamping,
  guid: Guid,
  value: Buffer,
  bytesMax: number,
): { value: Buffer; items: number }[] {
  kernel.begin()
  if (kernel.putPlain([value], value.length) < 0) return []
  kernel.useRules({ names: [Buffer.from(guid.name)] })
  if (kernel.walk(stamping.format, asItIs) < 0) return []
  if (!kernel.setVerdicts(new Array<number>(kernel.tupleCount).fill(0))) return []
  if (!kernel.setSlots([stamping.stampOf(guid)])) return []
  const count = kernel.plan(bytesMax)
  if (count < 0 || kernel.write() < 0) return []
  const cut: { value: Buffer; items: number }[] = []
  for (let i = 0; i < count; i++) {
    const { bytes, items } = kernel.part(i)
    const part = Buffer.allocUnsafeSlow(bytes)
    kernel.copyPart(i, part, 0)
    cut.push({ value: part, items })
  }
  return cut
}
