/**
 * Writes protobuf into a buffer that grows. Texts are strings with one character per byte (latin1), as everywhere in this
 * folder: they hold any UTF-8 without decoding it.
 */

/** Thrown when a writer would pass its bound; caught where the translation begins. */
export class TooLarge extends Error {}

/** Wire type 2, length-delimited, of a field below 16. */
export function bytesTag(field: number): number {
  return (field << 3) | 2
}

/** Wire type 1, 64 bits, of a field below 16. */
export function fixedTag(field: number): number {
  return (field << 3) | 1
}

/** Wire type 0, varint, of a field below 16. */
export function varintTag(field: number): number {
  return field << 3
}

/** Bytes of `value` as a varint. */
export function varintBytes(value: number): number {
  let bytes = 1
  for (let bound = 0x80; value >= bound; bound *= 0x80) bytes++
  return bytes
}

/** Bytes of a length-delimited field whose number is below 16. */
export function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length
}

/** Bytes of a text field, none for an empty one. */
export function textBytes(text: string): number {
  return text === '' ? 0 : fieldBytes(text.length)
}

export class Writer {
  /** What was written is `bytes` up to `at`; both may change with each call. */
  bytes: Buffer
  at = 0
  #view: DataView
  #bytesMax: number

  constructor(bytes: number, bytesMax: number) {
    this.bytes = Buffer.allocUnsafeSlow(bytes)
    this.#view = new DataView(this.bytes.buffer)
    this.#bytesMax = bytesMax
  }

  /** Makes it empty, with another bound, and with a buffer of at most `bytesKept`. */
  reset(bytesMax: number, bytesKept: number): void {
    this.at = 0
    this.#bytesMax = bytesMax
    if (this.bytes.length > bytesKept) this.#replace(bytesKept)
  }

  byte(value: number): void {
    if (this.at + 1 > this.bytes.length) this.#grow(1)
    this.bytes[this.at++] = value
  }

  /** An unsigned integer up to 2^53. */
  varint(value: number): void {
    if (this.at + 10 > this.bytes.length) this.#grow(10)
    let rest = value
    while (rest > 0x7fff_ffff) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.bytes[this.at++] = rest
  }

  /** A fixed64 field. */
  fixed64(field: number, value: bigint): void {
    if (this.at + 9 > this.bytes.length) this.#grow(9)
    this.bytes[this.at] = fixedTag(field)
    this.#view.setBigUint64(this.at + 1, value, true)
    this.at += 9
  }

  /** A fixed64 field that holds a whole number up to 2^53. */
  whole(field: number, value: number): void {
    this.byte(fixedTag(field))
    this.rawWhole(value)
  }

  rawWhole(value: number): void {
    if (this.at + 8 > this.bytes.length) this.#grow(8)
    this.#view.setUint32(this.at, value % 0x1_0000_0000, true)
    this.#view.setUint32(this.at + 4, Math.floor(value / 0x1_0000_0000), true)
    this.at += 8
  }

  rawDouble(value: number): void {
    if (this.at + 8 > this.bytes.length) this.#grow(8)
    this.#view.setFloat64(this.at, value, true)
    this.at += 8
  }

  /** A double field with the eight bytes at `from`, bit for bit; 0 when `from` is -1. */
  double(field: number, source: Buffer, from: number): void {
    if (this.at + 9 > this.bytes.length) this.#grow(9)
    const { bytes, at } = this
    bytes[at] = fixedTag(field)
    for (let i = 0; i < 8; i++) bytes[at + 1 + i] = from < 0 ? 0 : source[from + i]!
    this.at += 9
  }

  /** The bytes of a range. */
  copy(source: Buffer, from: number, to: number): void {
    const length = to - from
    if (this.at + length > this.bytes.length) this.#grow(length)
    if (length > 24) source.copy(this.bytes, this.at, from, to)
    else for (let i = 0; i < length; i++) this.bytes[this.at + i] = source[from + i]!
    this.at += length
  }

  /** The bytes of a text, without tag and length. */
  text(text: string): void {
    if (this.at + text.length > this.bytes.length) this.#grow(text.length)
    this.at += this.bytes.write(text, this.at, 'latin1')
  }

  /** A text field; nothing for an empty text. */
  textField(field: number, text: string): void {
    if (text === '') return
    this.byte(bytesTag(field))
    this.varint(text.length)
    this.text(text)
  }

  /**
   * Copies a run of length-delimited fields of one number, as `attribute` and `exemplar` write them, under another number:
   * the same attributes are field 7 of one message and field 9 of another.
   */
  retagged(field: number, source: Buffer, length: number): void {
    const start = this.at
    this.copy(source, 0, length)
    const end = this.at
    for (let at = start; at < end; ) {
      this.bytes[at++] = bytesTag(field)
      let bodyBytes = 0
      for (let scale = 1; ; scale *= 0x80) {
        const byte = this.bytes[at++]!
        bodyBytes += (byte & 0x7f) * scale
        if ((byte & 0x80) === 0) break
      }
      at += bodyBytes
    }
  }

  /** The written bytes as a text. */
  toText(): string {
    return this.bytes.toString('latin1', 0, this.at)
  }

  #grow(more: number): void {
    const needed = this.at + more
    if (needed > this.#bytesMax) throw new TooLarge()
    this.#replace(Math.max(needed, Math.min(this.#bytesMax, this.bytes.length * 2)))
  }

  #replace(length: number): void {
    const { bytes } = this
    this.bytes = Buffer.allocUnsafeSlow(length)
    this.#view = new DataView(this.bytes.buffer)
    bytes.copy(this.bytes, 0, 0, this.at)
  }
}

/**
 * One attribute, a KeyValue (opentelemetry/proto/common/v1/common.proto: KeyValue.key = 1, value = 2;
 * AnyValue.string_value = 1), as the given field of the message around it.
 */
export function attribute(writer: Writer, field: number, key: string, value: string): void {
  attributeHead(writer, field, key.length, value.length)
  writer.text(key)
  attributeValueHead(writer, value.length)
  writer.text(value)
}

/** As `attribute`, with key and value as ranges of `source`. */
export function attributeOf(
  writer: Writer,
  field: number,
  source: Buffer,
  keyAt: number,
  keyEnd: number,
  valueAt: number,
  valueEnd: number,
): void {
  attributeHead(writer, field, keyEnd - keyAt, valueEnd - valueAt)
  writer.copy(source, keyAt, keyEnd)
  attributeValueHead(writer, valueEnd - valueAt)
  writer.copy(source, valueAt, valueEnd)
}

function attributeHead(writer: Writer, field: number, keyBytes: number, valueBytes: number): void {
  writer.byte(bytesTag(field))
  writer.varint(fieldBytes(keyBytes) + fieldBytes(fieldBytes(valueBytes)))
  writer.byte(bytesTag(1))
  writer.varint(keyBytes)
}

function attributeValueHead(writer: Writer, valueBytes: number): void {
  writer.byte(bytesTag(2))
  writer.varint(fieldBytes(valueBytes))
  writer.byte(bytesTag(1))
  writer.varint(valueBytes)
}
