/** Names a refused series in the words of remote write, and says why a whole request is refused. Cold. */
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Version } from '../wire/formats/prometheus.ts'
import type { Kernel, KernelProblem } from '../wire/kernel.ts'
import { fields } from '../wire/protobuf.ts'

/** `{__name__="up", job="node", …}` as far as it is short. */
export function nameOf(kernel: Kernel, version: Version, item: number): string {
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
        `the request becomes more than ${limits.expandedBytesMax} bytes or ${limits.requestRecordsMax} records when it is stamped and split by guid; send smaller batches`,
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
