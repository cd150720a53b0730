/**
 * Kafka's record batch, version 2: https://kafka.apache.org/documentation/#recordbatch. Integers are big-endian.
 *
 *   offset  field                  type    here
 *        0  baseOffset             int64   0; the broker sets it
 *        8  batchLength            int32   bytes that follow this field
 *       12  partitionLeaderEpoch   int32   -1; the broker sets it
 *       16  magic                  int8    2
 *       17  crc                    uint32  CRC-32C of everything from `attributes` to the end
 *       21  attributes             int16   bits 0–2: compression; not transactional, no control batch
 *       23  lastOffsetDelta        int32   records - 1
 *       27  baseTimestamp          int64   Unix ms of the first record
 *       35  maxTimestamp           int64   Unix ms of the latest record
 *       43  producerId             int64
 *       51  producerEpoch          int16
 *       53  baseSequence           int32   31 bits, then 0 again
 *       57  records count          int32
 *       61  records, compressed together
 *
 *   record: length varint, attributes int8 = 0, timestampDelta varlong, offsetDelta varint,
 *           key length varint, key, value length varint, value,
 *           header count varint, of each header: name length varint, name, value length varint, value
 *
 * Varints are those of protobuf with zigzag. A record's length does not count itself.
 *
 * Records are framed into memory that is kept: a buffer of its own for each produce would be the largest piece of
 * memory outside of V8's heap that a request costs, and such memory drives V8's collections (docs/adr/0008).
 */
import { crc32c } from '@node-rs/crc32'
import { KiB, limits } from '../../limits.ts'
import { type BusRecord, copyValueOf, valueBytesOf } from '../bus.ts'

/** Bytes of a batch before its records. */
export const batchHeadBytes = 61

const crcAt = 17
const crcFrom = 21

/** Who produces the batch, and where it stands among its batches for one partition. */
export interface BatchIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Records that this producer has stored in this partition, modulo 2^31. */
  readonly baseSequence: number
}

/** Frames records into memory that it keeps, up to `limits.kafkaScratchBytesMax`. */
export class RecordFramer {
  #scratch: Buffer = Buffer.alloc(0)
  /** The encoding of the last record with the names around it, and the time of it with its name. */
  #encoding = ''
  #itemsHead: Buffer = Buffer.alloc(0)
  #receivedAtMs = Number.NaN
  #tail: Buffer = Buffer.alloc(0)

  /**
   * The records section of a batch, not compressed. Valid until the next call: it lies in the memory that is kept.
   * `records` are not empty; their headers are those of `recordHeaders` (`../headers.ts`), in that order.
   */
  frame(records: readonly BusRecord[]): Buffer {
    let bytes = 0
    for (const record of records) bytes += valueBytesOf(record) + limits.kafkaRecordOverheadBytes
    let target = this.#scratch
    if (target.length < bytes) target = grown(target, 0, bytes)
    const baseMs = records[0]!.receivedAtMs
    let at = 0
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!
      const isPlain = isPlainRecord(record)
      const room = valueBytesOf(record) + (isPlain ? limits.kafkaRecordOverheadBytes : extrasBytesMax(record))
      if (target.length < at + room) target = grown(target, at, at + room)
      if (isPlain) at = this.#framePlain(target, at, record, index, record.receivedAtMs - baseMs)
      else at = frameAny(target, at, record, index, record.receivedAtMs - baseMs)
    }
    if (target.length <= limits.kafkaScratchBytesMax) this.#scratch = target
    return target.subarray(0, at)
  }

  /** Of many small records the texts cost more than the values: those that are always the same lie ready. */
  #framePlain(target: Buffer, start: number, record: BusRecord, index: number, sinceMs: number): number {
    const { guid, encoding, receivedAtMs, items, batchPrefix, batchNumber } = record
    const isCounted = batchPrefix !== undefined && batchNumber !== undefined
    const prefix = isCounted ? batchPrefix : record.batchId
    const idDigits = isCounted ? digitsOf(batchNumber) : 0
    const valueBytes = valueBytesOf(record)
    if (encoding !== this.#encoding) {
      this.#encoding = encoding
      this.#itemsHead = bytesOf(names.encoding, encoding, names.items)
    }
    if (receivedAtMs !== this.#receivedAtMs) {
      this.#receivedAtMs = receivedAtMs
      this.#tail = bytesOf(names.receivedAt, String(receivedAtMs))
    }
    const timestampDelta = zigzag(sinceMs)
    const offsetDelta = zigzag(index)
    const itemsDigits = digitsOf(items)
    const guidBytes = varintBytes(guid.length * 2) + guid.length
    const idBytes = varintBytes((prefix.length + idDigits) * 2) + prefix.length + idDigits
    let length = 1 + varintBytes(timestampDelta) + varintBytes(offsetDelta)
    length += 2 * guidBytes + varintBytes(valueBytes * 2) + valueBytes + guidHead.length
    length += this.#itemsHead.length + 1 + itemsDigits + idHead.length + idBytes + this.#tail.length
    let at = writeVarint(target, start, length * 2)
    target[at++] = 0
    at = writeVarint(target, at, timestampDelta)
    at = writeVarint(target, at, offsetDelta)
    const guidAt = at
    at = writeAscii(target, writeVarint(target, at, guid.length * 2), guid)
    at = writeVarint(target, at, valueBytes * 2)
    copyValueOf(record, target, at)
    at = writeBytes(target, at + valueBytes, guidHead)
    for (let from = guidAt; from < guidAt + guidBytes; from++) target[at++] = target[from]!
    at = writeBytes(target, at, this.#itemsHead)
    target[at++] = itemsDigits * 2
    at = writeDigits(target, at, items, itemsDigits)
    at = writeVarint(target, writeBytes(target, at, idHead), (prefix.length + idDigits) * 2)
    at = writeAscii(target, at, prefix)
    if (isCounted) at = writeDigits(target, at, batchNumber, idDigits)
    return writeBytes(target, at, this.#tail)
  }
}

/** Whether it has the five headers alone, their texts in ASCII and no longer than the gateway's own. */
function isPlainRecord(record: BusRecord): boolean {
  const { guid, headers, items } = record
  if (headers !== undefined || items >= 2 ** 31 || guid.length > limits.guidBytesMax || !isAscii(guid))
    return false
  const id = record.batchPrefix ?? record.batchId
  return id.length <= ID_BYTES_MAX && isAscii(id)
}

/** Of the texts of ids; the gateway's own have 17 and a count. */
const ID_BYTES_MAX = 64

/** Bytes that `frameAny` writes beside the value, at most. */
function extrasBytesMax(record: BusRecord): number {
  let bytes = limits.kafkaRecordOverheadBytes
  bytes += 2 * textBytes(record.guid) + textBytes(record.batchId)
  for (const text of furtherHeaders(record)) bytes += textBytes(text)
  return bytes
}

function frameAny(target: Buffer, start: number, record: BusRecord, index: number, sinceMs: number): number {
  const { guid, value, encoding, batchId } = record
  const extra = furtherHeaders(record)
  const items = String(record.items)
  const receivedAt = String(record.receivedAtMs)
  const timestampDelta = zigzag(sinceMs)
  const offsetDelta = zigzag(index)
  const headerCount = zigzag(5 + extra.length / 2)
  let length = 1 + varintBytes(timestampDelta) + varintBytes(offsetDelta)
  length += 2 * textBytes(guid) + varintBytes(zigzag(value.length)) + value.length
  length += varintBytes(headerCount) + namesBytes
  length += textBytes(encoding) + textBytes(items) + textBytes(batchId) + textBytes(receivedAt)
  for (const text of extra) length += textBytes(text)
  let at = writeVarint(target, start, zigzag(length))
  target[at++] = 0
  at = writeVarint(target, at, timestampDelta)
  at = writeVarint(target, at, offsetDelta)
  at = writeText(target, at, guid)
  at = writeVarint(target, at, zigzag(value.length))
  target.set(value, at)
  at = writeVarint(target, at + value.length, headerCount)
  at = writeText(target, writeText(target, at, names.guid), guid)
  at = writeText(target, writeText(target, at, names.encoding), encoding)
  at = writeText(target, writeText(target, at, names.items), items)
  at = writeText(target, writeText(target, at, names.batchId), batchId)
  at = writeText(target, writeText(target, at, names.receivedAt), receivedAt)
  for (const text of extra) at = writeText(target, at, text)
  return at
}

/**
 * Writes what stands before a batch's records into the last `batchHeadBytes` of `target`. `body` is the records section
 * as it is sent, `compression` its code in the attributes.
 */
export function writeBatchHead(
  target: Buffer,
  records: readonly BusRecord[],
  identity: BatchIdentity,
  compression: number,
  body: Buffer,
): void {
  const head = target.subarray(-batchHeadBytes)
  let maxMs = records[0]!.receivedAtMs
  for (const record of records) maxMs = Math.max(maxMs, record.receivedAtMs)
  head.writeBigInt64BE(0n, 0)
  head.writeInt32BE(batchHeadBytes - 12 + body.length, 8)
  head.writeInt32BE(-1, 12)
  head.writeInt8(2, 16)
  head.writeInt16BE(compression, 21)
  head.writeInt32BE(records.length - 1, 23)
  head.writeBigInt64BE(BigInt(records[0]!.receivedAtMs), 27)
  head.writeBigInt64BE(BigInt(maxMs), 35)
  head.writeBigInt64BE(identity.producerId, 43)
  head.writeInt16BE(identity.producerEpoch, 51)
  head.writeInt32BE(identity.baseSequence, 53)
  head.writeInt32BE(records.length, 57)
  head.writeUInt32BE(crc32c(body, crc32c(head.subarray(crcFrom))), crcAt)
}

/** The sequence number after `count` records from `sequence` on: 31 bits, then 0 again. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % 2 ** 31
}

const names = {
  guid: 'guid',
  encoding: 'encoding',
  items: 'items',
  batchId: 'batch_id',
  receivedAt: 'received_at',
} as const
const namesBytes = Object.values(names).reduce((sum, name) => sum + textBytes(name), 0)
/** What stands before the guid and before the batch id. */
const guidHead = Buffer.concat([Buffer.from([zigzag(5)]), bytesOf(names.guid)])
const idHead = bytesOf(names.batchId)
const ownNames: ReadonlySet<string> = new Set(Object.values(names))
const noHeaders: readonly string[] = []

/** Names and values in turn, of dead letters only. None replaces one of the five. */
function furtherHeaders(record: BusRecord): readonly string[] {
  if (record.headers === undefined) return noHeaders
  return Object.entries(record.headers)
    .filter(([name]) => !ownNames.has(name))
    .flat()
}

/** A larger buffer that begins with the first `used` bytes of `old`. */
function grown(old: Buffer, used: number, bytes: number): Buffer {
  let size = 64 * KiB
  while (size < bytes) size *= 2
  // Exactly as large as needed where it is not kept anyway.
  const target = Buffer.allocUnsafeSlow(size <= limits.kafkaScratchBytesMax ? size : bytes)
  old.copy(target, 0, 0, used)
  return target
}

/** Exact for integers of up to 52 bits, so no bigint is needed for a timestamp. */
function zigzag(value: number): number {
  return value >= 0 ? value * 2 : value * -2 - 1
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

function writeVarint(target: Buffer, at: number, value: number): number {
  let end = at
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[end++] = (rest % 0x80) | 0x80
  target[end++] = rest
  return end
}

function writeBytes(target: Buffer, at: number, bytes: Buffer): number {
  // A few bytes are moved faster here than by a call that leaves JavaScript.
  for (let index = 0; index < bytes.length; index++) target[at + index] = bytes[index]!
  return at + bytes.length
}

function writeAscii(target: Buffer, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) target[at + index] = text.charCodeAt(index)
  return at + text.length
}

/** Decimal digits of an integer that is not below 0. */
function digitsOf(value: number): number {
  let digits = 1
  for (let power = 10; value >= power; power *= 10) digits++
  return digits
}

function writeDigits(target: Buffer, at: number, value: number, digits: number): number {
  let rest = value
  for (let to = at + digits - 1; to >= at; to--) {
    target[to] = 48 + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return at + digits
}

/** Texts, each with its length before it. */
function bytesOf(...texts: readonly string[]): Buffer {
  const bytes = Buffer.alloc(texts.reduce((sum, text) => sum + textBytes(text), 0))
  let at = 0
  for (const text of texts) at = writeText(bytes, at, text)
  return bytes
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

/** Bytes of `text` as UTF-8, with its length before it. */
function textBytes(text: string): number {
  const bytes = isAscii(text) ? text.length : Buffer.byteLength(text)
  return varintBytes(zigzag(bytes)) + bytes
}

function writeText(target: Buffer, at: number, text: string): number {
  if (!isAscii(text)) {
    const start = writeVarint(target, at, zigzag(Buffer.byteLength(text)))
    return start + target.write(text, start)
  }
  // Texts of a few characters are written faster here than by a call that leaves JavaScript.
  const start = writeVarint(target, at, zigzag(text.length))
  for (let index = 0; index < text.length; index++) target[start + index] = text.charCodeAt(index)
  return start + text.length
}
