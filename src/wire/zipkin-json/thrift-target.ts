/**
 * Thrift's binary protocol (thrift-binary-protocol.md of apache/thrift), written from its beginning: integers are
 * big-endian, a field is its type, its number in 16 bits and its value, a struct ends with a byte 0, and a list is the type
 * of its elements, their number in 32 bits, and they.
 */
import { Target } from '../json/target.ts'

export const thrift = {
  bool: 2,
  double: 4,
  i16: 6,
  i32: 8,
  i64: 10,
  string: 11,
  struct: 12,
  list: 15,
} as const

const stop = 0

export class ThriftTarget extends Target {
  /** What stands before a field's value. */
  field(type: number, number: number): void {
    this.reserve(3)
    this.bytes[this.at++] = type
    this.at = this.bytes.writeInt16BE(number, this.at)
  }

  /** The end of a struct. */
  stop(): void {
    this.byte(stop)
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.at++] = value
  }

  /** `value` is an integer from 0 to 2^16 - 1. */
  i16(value: number): void {
    this.reserve(2)
    this.at = this.bytes.writeUInt16BE(value, this.at)
  }

  /** `value` is an integer from 0 to 2^31 - 1. */
  i32(value: number): void {
    this.reserve(4)
    this.at = this.bytes.writeInt32BE(value, this.at)
  }

  /** `low` and `high` are the halves of 64 bits, each from 0 to 2^32 - 1. */
  i64(low: number, high: number): void {
    this.reserve(8)
    this.at = this.bytes.writeUInt32BE(high, this.at)
    this.at = this.bytes.writeUInt32BE(low, this.at)
  }

  double(value: number): void {
    this.reserve(8)
    this.at = this.bytes.writeDoubleBE(value, this.at)
  }

  /** Begins a list of structs. Returns what `endList` wants to know. */
  beginList(): number {
    this.byte(thrift.struct)
    this.i32(0)
    return this.at
  }

  endList(start: number, count: number): void {
    this.bytes.writeInt32BE(count, start - 4)
  }
}
