/**
 * Protobuf wire format (protobuf.dev, "Encoding") for the cold paths: small messages that are written once and kept, and
 * reading a label or two for the text of an answer. The hot path is in the kernel.
 */

/** `value` as a varint. `value` is a non-negative integer below 2^32. */
export function varint(value: number): Buffer {
  const bytes: number[] = []
  while (value > 0x7f) {
    bytes.push((value % 0x80) | 0x80)
    value = Math.floor(value / 0x80)
  }
  bytes.push(value)
  return Buffer.from(bytes)
}

/** A varint field: tag, value. `value` is a non-negative integer below 2^32. */
export function varintField(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)])
}

/** A length-delimited field: tag, length, bytes. `field` is below 16. */
export function lengthDelimited(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2), varint(value.length), value])
}

/** A label field of a remote write 1.0 series (TimeSeries.labels = 1; Label.name = 1, Label.value = 2). */
export function labelField(name: string, value: string): Buffer {
  return lengthDelimited(
    1,
    Buffer.concat([lengthDelimited(1, Buffer.from(name)), lengthDelimited(2, Buffer.from(value))]),
  )
}

/** One field as met by `fields`; `value` is borrowed from the input, empty for other types than length-delimited. */
export interface Field {
  readonly number: number
  readonly type: number
  readonly value: Buffer
  /** The value of a varint field, as far as 2^53; 0 otherwise. */
  readonly varint: number
}

/** The fields of a message that the kernel has already checked. Ends quietly where it cannot read on. */
export function* fields(message: Buffer): Generator<Field> {
  let at = 0
  const read = (): number => {
    let value = 0
    let scale = 1
    for (; at < message.length; at++) {
      const byte = message[at]!
      value += (byte & 0x7f) * scale
      scale *= 0x80
      if (byte < 0x80) {
        at++
        return value
      }
    }
    return value
  }
  while (at < message.length) {
    const tag = read()
    const type = tag & 7
    let value: Buffer = Buffer.alloc(0)
    let number = 0
    if (type === 0) number = read()
    else {
      const length = type === 2 ? read() : type === 1 ? 8 : type === 5 ? 4 : message.length
      if (type === 2) value = message.subarray(at, at + length)
      at += length
    }
    yield { number: Math.floor(tag / 8), type, value, varint: number }
  }
}
