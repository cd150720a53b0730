/**
 * The texts of refusals: which items, and why, so that the sender's operator finds them. Cold: called only when something
 * is refused.
 */
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Stamped } from '../stamp/stamp.ts'
import type { Kernel, KernelProblem, RefusalReason } from '../wire/kernel.ts'

const reasonTexts: Readonly<Record<RefusalReason, string>> = {
  labels_unsorted: 'its labels are not sorted by name (byte order)',
  label_repeated: 'a label name comes twice',
  label_name_empty: 'a label has an empty name',
  label_not_utf8: 'a label is not UTF-8',
  refs_odd: 'it has an odd number of label refs',
  ref_out_of_range: 'a ref points outside of the symbols',
  id_length: 'a trace id is not 16 bytes long, or a span id not 8',
  not_utf8: 'a text is not UTF-8',
  guid_missing: 'no source of guid.from yields a guid',
  metadata_guid_missing: 'metadata cannot carry a guid',
  guid_dropped: 'no source of guid.from yields a guid',
  guid_not_allowed: 'its guid is not in guid.allow',
  guid_conflict: 'it already carries another guid',
}

/** Refused by rule, without the sender's being at fault or able to mend it: counted, and not answered as an error. */
const silent: ReadonlySet<RefusalReason> = new Set(['guid_dropped', 'metadata_guid_missing'])

/**
 * What a sender is told of a request of which some items were refused; undefined when it need not hear of them. `nameOf`
 * describes the item of a row by what its sender knows of it.
 */
export function describeRefusals(
  kernel: Kernel,
  stamped: Stamped,
  nameOf: (row: number) => string,
): { readonly error: GuidepostError; readonly count: number } | undefined {
  const told = stamped.refused.filter(({ reason }) => !silent.has(reason))
  if (told.length === 0) return undefined
  const count = told.reduce((sum, one) => sum + one.count, 0)
  const lines = [
    `${count} of ${stamped.items} items refused${count < stamped.items ? ', the others are kept' : ''}:`,
  ]
  const explained = new Set<RefusalReason>()
  for (const { item, reason } of kernel.firstRefused(limits.refusalsNamed, silent)) {
    lines.push(`item ${item} ${nameOf(item)}: ${reasonTexts[reason]} (${reason})`)
    explained.add(reason)
  }
  const named = lines.length - 1
  // Items that were taken out of a message are no longer there to be named.
  const countOf = ({ reason, count }: (typeof told)[number]): string =>
    explained.has(reason) ? `${reason}: ${count}` : `${reasonTexts[reason]} (${reason}): ${count}`
  if (count > named) lines.push(told.map(countOf).join(', '))
  return { error: permanent('GP_ITEMS_REJECTED', lines.join('\n')), count }
}

/** What a request may become when it is stamped and split by guid. */
const stampedBound = `${limits.expandedBytesMax} bytes or ${limits.requestRecordsMax} records when it is stamped and split by guid`

/** What a request may become when each of its spans is a record with its process. */
export const spanRecordsBound =
  `${limits.spanRecordsRatioMax} times its own bytes (or ${limits.spanRecordsBytesMin} bytes, where that is more), ` +
  `${limits.expandedBytesMax} bytes or ${limits.requestRecordsMax} records when each span gets its process`

/**
 * The refusal of a request that is not well-formed as a whole: nothing of it was kept. `message` is what it should have
 * been, in the words of its protocol, `place` where it is not, as far as that is known, `bound` what it may become.
 */
export function refusalOf(
  problem: KernelProblem,
  message: string,
  place = '',
  bound: string = stampedBound,
): GuidepostError {
  switch (problem) {
    case 'memory':
      return retryable('GP_OVERLOADED', 'there is no memory for the request now; try again')
    case 'items':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request has more than ${limits.requestItemsMax} resources or items; send smaller batches`,
      )
    case 'too_large':
      return permanent('GP_BODY_TOO_LARGE', `the request becomes more than ${bound}; send smaller batches`)
    case 'unknown':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request has more than ${limits.unknownBytesMax} bytes in fields that are not part of ${message}`,
      )
    default:
      return permanent('GP_BODY_MALFORMED', `the body is not a well-formed ${message}${place}`)
  }
}
