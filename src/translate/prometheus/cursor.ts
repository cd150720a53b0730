/**
 * Reads protobuf (protobuf.dev, "Encoding") from bytes that the kernel has checked. Nothing is allocated for a field.
 * On bytes that nobody has checked it ends early or reads nonsense; it never runs on for ever and never throws.
 */
export class Cursor {
  readonly bytes: Buffer
  at = 0
  /** The low 32 bits, signed, of the last varint: all of a 32-bit field, whatever follows them. */
  low = 0
  /** Where the last length-delimited value begins. */
  from = 0
  /** Where the last length-delimited value ends. */
  to = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** An unsigned varint: exact up to 2^53, roughly right above. A negative int64 reads as 2^63 or more. */
  varint(): number {
    const { bytes } = this
    let byte = bytes[this.at++]!
    if (byte < 0x80) {
      this.low = byte
      return byte
    }
    let value = byte & 0x7f
    let low = value
    let scale = 0x80
    for (let shift = 7; shift < 70; shift += 7) {
      byte = bytes[this.at++]!
      if (shift < 32) low |= (byte & 0x7f) << shift
      value += (byte & 0x7f) * scale
      if ((byte & 0x80) === 0) break
      scale *= 0x80
    }
    this.low = low
    return value
  }

  /** A field's tag: its number times eight plus its wire type. */
  tag(): number {
    const byte = this.bytes[this.at]!
    if (byte < 0x80) {
      this.at++
      return byte
    }
    return this.varint()
  }

  /** Sets `from` and `to` around a length-delimited value and goes behind it. */
  value(): void {
    const length = this.varint()
    this.from = this.at
    this.at += length
    this.to = this.at
  }

  /** Goes behind the value of a field that is of no interest. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint()
        break
      case 1:
        this.at += 8
        break
      case 2:
        this.value()
        break
      case 5:
        this.at += 4
        break
      default:
        this.at = this.bytes.length
    }
  }
}

/** The number that a zigzag varint stands for; exact while `value` is below 2^53. */
export function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

/** As `unzigzag`, for a 32-bit field read as `Cursor.low`. */
export function unzigzag32(low: number): number {
  return (low >>> 1) ^ -(low & 1)
}

/** True when the double at `at` is Prometheus' staleness marker, a NaN with bits of its own (model/value/value.go). */
export function isStale(bytes: Buffer, at: number): boolean {
  return (
    at >= 0 &&
    bytes[at] === 0x02 &&
    bytes[at + 7] === 0x7f &&
    bytes[at + 6] === 0xf0 &&
    bytes[at + 1] === 0 &&
    bytes[at + 2] === 0 &&
    bytes[at + 3] === 0 &&
    bytes[at + 4] === 0 &&
    bytes[at + 5] === 0
  )
}

/** The double at `at`; 0, protobuf's default, when `at` is -1. */
export function doubleAt(bytes: Buffer, at: number): number {
  return at < 0 ? 0 : bytes.readDoubleLE(at)
}
