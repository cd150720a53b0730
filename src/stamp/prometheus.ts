/**
 * Stamps a remote write request, 1.0 or 2.0: one record for each guid, in the order of its series. The bytes are walked
 * and spliced by the kernel; here it is decided whose each distinct set of label values is.
 */
import {
  type Kernel,
  type KernelProblem,
  kernelCodes,
  type RefusalReason,
  refusalReasons,
  type Version,
} from '../wire/kernel.ts'
import type { Guid } from './guid.ts'
import type { GuidRules, RequestGuid } from './guid-rules.ts'

/** What became of a request. The records' bytes stay in the kernel until its next request begins. */
export interface Stamped {
  /** Items met: series and metadata entries. */
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
  version: Version,
  rules: GuidRules,
  request: RequestGuid,
  recordBytesMax: number,
): Stamped | KernelProblem {
  kernel.useRules(rules.kernel)
  const code = kernel.walk(version, request.active, rules.opaque, rules.wantExisting)
  if (code < 0) return kernelCodes[code as keyof typeof kernelCodes]
  // Fields of a later version next to items pass; a message of nothing else is something else.
  if (kernel.itemCount === 0 && kernel.rowCount > 0) return 'protobuf'
  const guids = assign(kernel, version, rules, request)
  const recordCount = guids === undefined ? -1 : kernel.plan(recordBytesMax)
  if (guids === undefined || recordCount < 0) return kernelCodes[recordCount as keyof typeof kernelCodes]
  const written = kernel.write()
  if (written < 0) return kernelCodes[written as keyof typeof kernelCodes]
  return { items: kernel.itemCount, guids, recordCount, refused: refusals(kernel) }
}

/** Gives each tuple its slot or its refusal, each slot its stamp. Undefined when there is no memory for it. */
function assign(
  kernel: Kernel,
  version: Version,
  rules: GuidRules,
  request: RequestGuid,
): Guid[] | undefined {
  const number = ++requests
  const guids: Guid[] = []
  const verdicts: number[] = []
  const count = kernel.tupleCount
  for (let i = 0; i < count; i++) {
    const verdict = rules.judge(kernel.tupleMask(i), (nth) => kernel.tupleValue(i, nth), request)
    if (typeof verdict === 'number') {
      verdicts.push(verdict)
      continue
    }
    if (verdict.slotRequest !== number) {
      verdict.slotRequest = number
      verdict.slot = guids.length
      guids.push(verdict)
    }
    verdicts.push(verdict.slot)
  }
  const stamps = guids.map((guid) => (version === 1 ? guid.label : guid.bytes))
  return kernel.setVerdicts(verdicts) && kernel.setSlots(stamps) ? guids : undefined
}

function refusals(kernel: Kernel): { reason: RefusalReason; count: number }[] {
  const refused: { reason: RefusalReason; count: number }[] = []
  for (const reason of refusalReasons) {
    if (reason === '') continue
    const count = kernel.refusedCount(reason)
    if (count > 0) refused.push({ reason, count })
  }
  return refused
}

/**
 * Cuts a record of ours into smaller ones of at most `bytesMax` bytes where its items allow it: it is stamped once more
 * with the guid that it carries, which changes nothing else. For the rare record that the bus finds too large.
 */
export function cutRecord(
  kernel: Kernel,
  version: Version,
  guid: Guid,
  value: Buffer,
  bytesMax: number,
): { value: Buffer; items: number }[] {
  kernel.begin()
  if (kernel.putPlain([value], value.length) < 0) return []
  kernel.useRules({ names: [Buffer.from(guid.name)] })
  if (kernel.walk(version, 0, 0, false) < 0) return []
  if (!kernel.setVerdicts(new Array<number>(kernel.tupleCount).fill(0))) return []
  if (!kernel.setSlots([version === 1 ? guid.label : guid.bytes])) return []
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
