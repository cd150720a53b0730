/** Names a refused resource of OTLP by what its sender knows of it. Cold. */
import { limits } from '../limits.ts'
import type { Kernel } from '../wire/kernel.ts'
import { fields } from '../wire/protobuf.ts'

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
