/** Lays out the records of one group commit as few buffers: heads and short values packed, long values in place. */
import { crc32c } from '@node-rs/crc32'
import { KiB, limits } from '../limits.ts'
import { recordHeadBytes, type SegmentRecord, writeRecordHead } from './format.ts'

const shortBytesMax = 0xffff

/** Bytes that the strings of a record may need at most, without walking them: UTF-8 takes up to 3 per UTF-16 unit. */
function metaBytesMax(record: SegmentRecord): number {
  let units = record.guid.length + record.encoding.length + record.batchId.length
  let lengths = 0
  if (record.headers !== undefined) {
    for (const name of Object.keys(record.headers)) {
      units += name.length + (record.headers[name]?.length ?? 0)
      lengths += 6
    }
  }
  return units * 3 + lengths
}

/** Bytes of a record on disk, at most. */
export function recordBytesAtMost(record: SegmentRecord): number {
  return recordHeadBytes + metaBytesMax(record) + record.value.length
}

/** Why a record cannot be written in this format, or undefined. */
export function whyNotEncodable(record: SegmentRecord): string | undefined {
  for (const field of ['guid', 'encoding', 'batchId'] as const) {
    if (record[field].length * 3 > shortBytesMax) return `its ${field} is too long`
  }
  if (!(Number.isInteger(record.items) && record.items >= 0 && record.items <= 0xffffffff)) {
    return `its item count ${record.items} is no whole number of 32 bits`
  }
  if (!(Number.isSafeInteger(record.receivedAtMs) && record.receivedAtMs >= 0)) {
    return `its time ${record.receivedAtMs} is no Unix time in milliseconds`
  }
  if (record.headers === undefined) return undefined
  const names = Object.keys(record.headers)
  if (names.length > shortBytesMax) return 'it has too many headers'
  return names.some((name) => name.length * 3 > shortBytesMax)
    ? 'the name of a header is too long'
    : undefined
}

export class GroupEncoder {
  #pack = Buffer.allocUnsafeSlow(64 * KiB)
  #used = 0
  /** Begin of the packed bytes that are not yet in `slices`. */
  #sliced = 0

  /**
   * Encodes records with the offsets `firstOffset`, `firstOffset + 1` …. The slices borrow the encoder's own buffer,
   * until the next call, and the values, which must not change before they are written.
   */
  encode(
    records: readonly SegmentRecord[],
    firstOffset: number,
    salt: number,
  ): { slices: Buffer[]; bytes: number } {
    this.#reserve(records)
    this.#used = 0
    this.#sliced = 0
    const slices: Buffer[] = []
    let bytes = 0
    let offset = firstOffset
    for (const record of records) {
      bytes += this.#encodeOne(record, offset, salt, slices)
      offset += 1
    }
    this.#cut(slices)
    return { slices, bytes }
  }

  /** Gives a buffer that one large group needed back to the collector. */
  release(): void {
    if (this.#pack.length > limits.segmentPackBytesKept)
      this.#pack = Buffer.allocUnsafeSlow(limits.segmentPackBytesKept)
  }

  #reserve(records: readonly SegmentRecord[]): void {
    let bytes = 0
    for (const record of records) {
      bytes += recordHeadBytes + metaBytesMax(record)
      if (record.value.length < limits.segmentPackedBytesMax) bytes += record.value.length
    }
    if (bytes > this.#pack.length) this.#pack = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.#pack.length))
  }

  #encodeOne(record: SegmentRecord, offset: number, salt: number, slices: Buffer[]): number {
    const pack = this.#pack
    const { guid, encoding, batchId, value } = record
    const position = this.#used
    const bodyStart = position + recordHeadBytes
    // One write for the three strings; as many bytes as units means that all are ASCII and the lengths are known.
    const text = guid + encoding + batchId
    let at = bodyStart + pack.write(text, bodyStart)
    const isAscii = at - bodyStart === text.length
    const headersStart = at
    let headersCount = 0
    if (record.headers !== undefined) {
      for (const name of Object.keys(record.headers)) {
        const nameBytes = pack.write(name, at + 6)
        const valueBytes = pack.write(record.headers[name] ?? '', at + 6 + nameBytes)
        pack.writeUInt16LE(nameBytes, at)
        pack.writeUInt32LE(valueBytes, at + 2)
        at += 6 + nameBytes + valueBytes
        headersCount += 1
      }
    }
    const headersBytes = at - headersStart
    const isPacked = value.length < limits.segmentPackedBytesMax
    if (isPacked) at += value.copy(pack, at)
    let bodyCrc = crc32c(pack.subarray(bodyStart, at), salt)
    if (!isPacked) bodyCrc = crc32c(value, bodyCrc)
    const bodyBytes = at - bodyStart + (isPacked ? 0 : value.length)
    const head = {
      bodyCrc,
      bodyBytes,
      offset,
      receivedAtMs: record.receivedAtMs,
      items: record.items,
      guidBytes: isAscii ? guid.length : Buffer.byteLength(guid),
      encodingBytes: isAscii ? encoding.length : Buffer.byteLength(encoding),
      batchIdBytes: isAscii ? batchId.length : Buffer.byteLength(batchId),
      headersCount,
      headersBytes,
    }
    writeRecordHead(pack, position, head, salt)
    this.#used = at
    if (!isPacked) {
      this.#cut(slices)
      slices.push(value)
    }
    return recordHeadBytes + bodyBytes
  }

  #cut(slices: Buffer[]): void {
    if (this.#used > this.#sliced) slices.push(this.#pack.subarray(this.#sliced, this.#used))
    this.#sliced = this.#used
  }
}
