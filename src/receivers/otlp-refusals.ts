/** Names a refused resource in the words of OTLP, and says why a whole request is refused. Cold. */
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { OtlpSignal } from '../wire/formats/otlp.ts'
import type { Kernel, KernelProblem } from '../wire/kernel.ts'
import { fields } from '../wire/protobuf.ts'

const messages: Readonly<Record<OtlpSignal, string>> = {
  traces: 'ExportTraceServiceRequest',
  metrics: 'ExportMetricsServiceRequest',
  logs: 'ExportLogsServiceRequest',
}

/** What senders of profiles are told; `otlp.ts` says why. */
export const profilesRefusal =
  'profiles are not taken: their messages share one dictionary and cannot be split by guid; switch the exporter of profiles off'

/**
 * `resource {service.name="cart", …}` as far as it is short: its text attributes (Resource.attributes = 1). Looks at a
 * bounded part of it, since it may hold millions.
 */
export function nameOf(kernel: Kernel, row: number): string {
  const shown: string[] = []
  let bytes = 0
  let looked = 0
  const more = (): string => `resource {${[...shown, '…'].join(', ')}}`
  for (const resource of fields(kernel.itemBytes(row))) {
    if (++looked > limits.refusalFieldsMax) return more()
    if (resource.number !== 1) continue
    for (const attribute of fields(resource.value)) {
      if (++looked > limits.refusalFieldsMax) return more()
      const text = attribute.number === 1 ? textOf(attribute.value) : undefined
      if (text === undefined) continue
      bytes += text.length
      if (bytes > limits.refusalTextBytes) return more()
      shown.push(text)
    }
  }
  return `resource {${shown.join(', ')}}`
}

/** `key="value"` of a KeyValue (1 key, 2 value AnyValue) whose value is a string (AnyValue 1). */
function textOf(keyValue: Buffer): string | undefined {
  if (keyValue.length > limits.refusalFieldBytesMax) return undefined
  let key = ''
  let text: string | undefined
  for (const field of fields(keyValue)) {
    if (field.number === 1) key = short(field.value)
    if (field.number !== 2) continue
    for (const value of fields(field.value)) {
      if (value.number === 1 && value.type === 2) text = short(value.value)
    }
  }
  return text === undefined ? undefined : `${key}=${JSON.stringify(text)}`
}

function short(value: Buffer): string {
  return value.toString('utf8', 0, Math.min(value.length, limits.refusalTextBytes))
}

/** The refusal of a request that is not well-formed as a whole: nothing of it was kept. */
export function malformed(problem: KernelProblem, signal: OtlpSignal): GuidepostError {
  const message = messages[signal]
  switch (problem) {
    case 'memory':
      return retryable('GP_OVERLOADED', 'there is no memory for the request now; try again')
    case 'items':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request has more than ${limits.requestItemsMax} resources or items; send smaller batches`,
      )
    case 'too_large':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request becomes more than ${limits.expandedBytesMax} bytes or ${limits.requestRecordsMax} records when it is stamped and split by guid; send smaller batches`,
      )
    case 'unknown':
      return permanent(
        'GP_BODY_TOO_LARGE',
        `the request has more than ${limits.unknownBytesMax} bytes in fields that are not part of ${message}`,
      )
    default:
      return permanent('GP_BODY_MALFORMED', `the body is not a well-formed ${message}`)
  }
}
