/**
 * The texts of refusals: which series, and why, so that the sender's operator finds it. Cold: called only when something
 * is refused.
 */
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Stamped } from '../stamp/stamp.ts'
import type { Version } from '../wire/formats/prometheus.ts'
import type { Kernel, KernelProblem, RefusalReason } from '../wire/kernel.ts'
import { fields } from '../wire/protobuf.ts'

const reasonTexts: Readonly<Record<RefusalReason, string>> = {
  labels_unsorted: 'its labels are not sorted by name (byte order)',
  label_repeated: 'a label name comes twice',
  label_name_empty: 'a label has an empty name',
  label_not_utf8: 'a label is not UTF-8',
  refs_odd: 'it has an odd number of label refs',
  ref_out_of_range: 'a ref points outside of the symbols',
  guid_missing: 'no source of guid.from yields a guid',
  metadata_guid_missing: 'metadata cannot carry a guid',
  guid_dropped: 'no source of guid.from yields a guid',
  guid_not_allowed: 'its guid is not in guid.allow',
  guid_conflict: 'it already carries another guid',
}

/** Refused by rule, without the sender's being at fault or able to mend it: counted, and not answered as an error. */
const silent: ReadonlySet<RefusalReason> = new Set(['guid_dropped', 'metadata_guid_missing'])

/** The answer to a request of which some items were refused; undefined when the sender need not hear of them. */
export function describeRefusals(
  kernel: Kernel,
  version: Version,
  stamped: Stamped,
): GuidepostError | undefined {
  const told = stamped.refused.filter(({ reason }) => !silent.has(reason))
  if (told.length === 0) return undefined
  const count = told.reduce((sum, one) => sum + one.count, 0)
  const lines = [`${count} of ${stamped.items} items refused, the others are kept:`]
  for (const { item, reason } of kernel.firstRefused(limits.refusalsNamed, silent)) {
    lines.push(`item ${item} ${nameOf(kernel, version, item)}: ${reasonTexts[reason]} (${reason})`)
  }
  const named = lines.length - 1
  if (count > named) lines.push(told.map((one) => `${one.reason}: ${one.count}`).join(', '))
  return permanent('GP_ITEMS_REJECTED', lines.join('\n'))
}

/** `{__name__="up", job="node", …}` as far as it is short. */
function nameOf(kernel: Kernel, version: Version, item: number): string {
  const labels: string[] = []
  let bytes = 0
  for (const [name, value] of version === 1 ? labelsV1(kernel.itemBytes(item)) : labelsV2(kernel, item)) {
    const label = `${name}=${JSON.stringify(value)}`
    bytes += label.length
    if (bytes > limits.refusalTextBytes) {
      labels.push('…')
      break
    }
    labels.push(label)
  }
  return `{${labels.join(', ')}}`
}

function short(value: Buffer): string {
  return value.toString('utf8', 0, Math.min(value.length, limits.refusalTextBytes))
}

function* labelsV1(series: Buffer): Generator<[string, string]> {
  for (const { number, value } of fields(series)) {
    if (number !== 1) continue
    const label: [string, string] = ['', '']
    for (const part of fields(value)) {
      if (part.number === 1 || part.number === 2) label[part.number - 1] = short(part.value)
    }
    yield label
  }
}

function* labelsV2(kernel: Kernel, item: number): Generator<[string, string]> {
  const refs: number[] = []
  for (const field of fields(kernel.itemBytes(item))) {
    if (field.number !== 1) continue
    if (field.type === 0) refs.push(field.varint)
    else refs.push(...packed(field.value))
  }
  for (let i = 0; i < refs.length; i += 2) {
    const text = (ref: number | undefined): string =>
      ref === undefined ? '?' : (kernel.symbol(ref, limits.refusalTextBytes) ?? `ref ${ref}`)
    yield [text(refs[i]), text(refs[i + 1])]
  }
}

/** The first refs of a packed run; more than are named in a text are not needed. */
function packed(run: Buffer): number[] {
  const refs: number[] = []
  let value = 0
  let scale = 1
  for (const byte of run.subarray(0, limits.refusalTextBytes)) {
    value += (byte & 0x7f) * scale
    scale *= 0x80
    if (byte >= 0x80) continue
    refs.push(value)
    value = 0
    scale = 1
  }
  return refs
}

/** The refusal of a request that is not well-formed as a whole: nothing of it was kept. */
export function malformed(problem: KernelProblem, version: Version): GuidepostError {
  const message = version === 1 ? 'prometheus.WriteRequest' : 'io.prometheus.write.v2.Request'
  switch (problem) {
    case 'memory':
      return retryable('GP_OVERLOADED', 'there is no memory for the request now; try again')
    case 'items':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request has more than ${limits.requestItemsMax} items or ${limits.requestSymbolsMax} symbols; send smaller batches`,
      )
    case 'too_large':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request becomes more than ${limits.expandedBytesMax} bytes when it is stamped and split by guid; send smaller batches`,
      )
    case 'other_version':
      return permanent(
        'GP_BODY_MALFORMED',
        `the body is not a ${message} but looks like the other version; Content-Type must say which (proto=…)`,
      )
    case 'unknown':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request has more than ${limits.unknownBytesMax} bytes in fields that are not part of ${message}`,
      )
    case 'symbols':
      return permanent('GP_BODY_MALFORMED', 'a symbol is not UTF-8')
    case 'symbol_zero':
      return permanent('GP_BODY_MALFORMED', 'the first symbol must be the empty string')
    default:
      return permanent('GP_BODY_MALFORMED', `the body is not a well-formed ${message}`)
  }
}
