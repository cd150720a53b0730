/**
 * The segment format: an append-only log in plain files.
 *
 * LAYOUT
 *
 * A log is a directory. It holds segments, files named `<first offset, 20 decimal digits>.seg`, and perhaps a folder
 * `quarantine` with copies of what was found damaged. Other names are not ours and are left alone. Each record has an
 * offset, a whole number below 2^53. Offsets rise from record to record and from file to file, mostly by one; a gap
 * means that an append failed (the offsets of a failed append are never used again) or that records were lost.
 *
 * A segment is a file header and then records, back to back. All numbers are little-endian and unsigned.
 *
 *   file header, 64 bytes: the following 32 bytes, twice, so that one damaged byte does not cost the file
 *     0  8  magic, the ASCII text `GPSEGMT` and a zero byte
 *     8  4  version, 1
 *    12  4  salt, random for each file
 *    16  8  first offset, as in the file's name; no record of the file has a smaller one
 *    24  4  zero
 *    28  4  CRC-32C of bytes 0 to 27
 *
 *   record, 48 bytes of head and then the body
 *     0  4  marker, the bytes F5 47 50 52
 *     4  4  CRC-32C of bytes 8 to 47, begun from the salt
 *     8  4  CRC-32C of the body, begun from the salt
 *    12  4  length of the body in bytes
 *    16  8  offset
 *    24  8  Unix milliseconds at which the first byte of the value was received
 *    32  4  items in the value
 *    36  2  bytes of the guid
 *    38  2  bytes of the encoding
 *    40  2  bytes of the batch id
 *    42  2  number of further headers
 *    44  4  bytes of the further headers, lengths included
 *    48     body: guid, encoding, batch id (UTF-8, unterminated); each further header as 2 bytes length of its name,
 *           4 bytes length of its value, name, value (UTF-8); the rest is the value
 *
 * VALIDITY
 *
 * A record is valid when marker and both checksums are right. The head has a checksum of its own so that the length
 * of a record whose body is damaged can still be trusted, and so that the search for the next record after a damaged
 * head costs 40 bytes for each candidate. The salt is what keeps a sender from placing a forged record inside a
 * value, to be found by that search: it cannot know the salt. It also keeps old disk blocks from passing as records.
 *
 * WRITING
 *
 * Appends that wait are written together with one write and made durable with one fdatasync; only then are they
 * successful. A new file is synced, and then its directory, before its first record. After any failed write or sync
 * the segment is cut back to its last durable record (removed if it has none) and never written again: after a
 * failed fsync the page cache and the disk may differ, and a second fsync would claim success. The next append begins
 * a new file. So it does when the file was found deleted after the sync; what was written to it is no success.
 *
 * RECOVERY
 *
 * When a log is opened for writing its last segment is read from end to end; earlier ones were complete before their
 * successor was made. It is not written again: what a failed write left in it may have been cut off behind a reader's
 * back. The next record begins a new file. A record that the file ends inside of is a torn tail: never acknowledged, it is
 * cut off. A
 * damaged record is copied to `quarantine/<segment>-<byte position>.bad` (`-2.bad` … when that name holds other damage),
 * left where it is, and skipped. What follows a damaged head is found again by the marker; if no further head follows,
 * the rest is copied to the quarantine and, once the copy is durable, cut off; without a copy it stays. A last segment
 * whose two headers are both damaged is moved to the quarantine; one whose header states another first offset than its
 * name, or another version, stays. Each of these is reported, none keeps the log from opening. The offsets of what is in the quarantine are not
 * used again, and the last segment that holds a record is never deleted: a log that was emptied would begin at 0 again, and
 * whoever remembers how far he has read would miss what follows.
 *
 * READING
 *
 * Readers take no lock and change nothing. A segment is complete once one with a higher name exists; the end of the
 * last one is wherever the last valid record ends. A reader may see a record before it is durable; after a restart its
 * offset may be another's. A record whose offset is not above those before it in its file was put there by another hand: it
 * is reported and passed over, and so is a file whose header belongs to another name.
 */
import { crc32c } from '@node-rs/crc32'

export const fileHeaderBytes = 64
export const recordHeadBytes = 48
export const segmentVersion = 1
export const quarantineFolder = 'quarantine'

const headerCopyBytes = 32
const magic = Buffer.from('GPSEGMT\0', 'latin1')
const marker = 0x525047f5
const twoTo32 = 2 ** 32
const ofUnknownVersion = ' of the format is not known to this program'

/** The marker's bytes, for searching. */
export const markerBytes = Buffer.from([0xf5, 0x47, 0x50, 0x52])

/** What is appended. The value may be long; it is written from where it lies, without a copy. */
export interface SegmentRecord {
  readonly guid: string
  readonly encoding: string
  readonly items: number
  readonly batchId: string
  /** Unix milliseconds. */
  readonly receivedAtMs: number
  readonly headers?: Readonly<Record<string, string>>
  readonly value: Buffer
}

export interface FileHeader {
  readonly salt: number
  readonly firstOffset: number
}

/** The fixed part of a record. */
export interface RecordHead {
  readonly bodyCrc: number
  /** Bytes of the body; the whole record is `recordHeadBytes` longer. */
  readonly bodyBytes: number
  readonly offset: number
  readonly receivedAtMs: number
  readonly items: number
  readonly guidBytes: number
  readonly encodingBytes: number
  readonly batchIdBytes: number
  readonly headersCount: number
  readonly headersBytes: number
}

/** A record read back. Strings are copies; `value` borrows the buffer that was parsed. */
export interface ParsedRecord extends SegmentRecord {
  readonly offset: number
}

export function segmentName(firstOffset: number): string {
  return `${String(firstOffset).padStart(20, '0')}.seg`
}

/** The first offset that a file's name states, or undefined when the name is not a segment's. */
export function parseSegmentName(name: string): number | undefined {
  const match = /^(\d{20})\.seg$/.exec(name)
  const offset = Number(match?.[1])
  return Number.isSafeInteger(offset) ? offset : undefined
}

export function encodeFileHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(fileHeaderBytes)
  magic.copy(bytes)
  bytes.writeUInt32LE(segmentVersion, 8)
  bytes.writeUInt32LE(header.salt, 12)
  writeUInt53(bytes, header.firstOffset, 16)
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 28)), 28)
  bytes.copyWithin(headerCopyBytes, 0, headerCopyBytes)
  return bytes
}

/** The header at the start of `bytes`, from whichever copy is whole; a sentence when neither is. */
export function parseFileHeader(bytes: Buffer): FileHeader | string {
  if (bytes.length < fileHeaderBytes) return `the file ends inside its header, after ${bytes.length} bytes`
  for (const start of [0, headerCopyBytes]) {
    const copy = bytes.subarray(start, start + headerCopyBytes)
    if (!copy.subarray(0, magic.length).equals(magic)) continue
    if (crc32c(copy.subarray(0, 28)) !== copy.readUInt32LE(28)) continue
    const version = copy.readUInt32LE(8)
    if (version !== segmentVersion) return `version ${version}${ofUnknownVersion}`
    return { salt: copy.readUInt32LE(12), firstOffset: readUInt53(copy, 16) }
  }
  return 'both copies of the file header are damaged'
}

/** Whether what `parseFileHeader` says against a file is that another version of this program wrote it. */
export function isOtherVersion(reason: string): boolean {
  return reason.endsWith(ofUnknownVersion)
}

/** Why the file that is named after `firstOffset` cannot have this header, or undefined when it can. */
export function whyForeign(header: FileHeader, firstOffset: number): string | undefined {
  return header.firstOffset === firstOffset
    ? undefined
    : `its header is that of ${segmentName(header.firstOffset)}: it was renamed, or is of another log`
}

/** The head at `position`, which must have `recordHeadBytes` behind it, or undefined when it is not a valid one. */
export function parseRecordHead(bytes: Buffer, position: number, salt: number): RecordHead | undefined {
  if (bytes.readUInt32LE(position) !== marker) return undefined
  const crc = crc32c(bytes.subarray(position + 8, position + recordHeadBytes), salt)
  if (crc !== bytes.readUInt32LE(position + 4)) return undefined
  const head = {
    bodyCrc: bytes.readUInt32LE(position + 8),
    bodyBytes: bytes.readUInt32LE(position + 12),
    offset: readUInt53(bytes, position + 16),
    receivedAtMs: readUInt53(bytes, position + 24),
    items: bytes.readUInt32LE(position + 32),
    guidBytes: bytes.readUInt16LE(position + 36),
    encodingBytes: bytes.readUInt16LE(position + 38),
    batchIdBytes: bytes.readUInt16LE(position + 40),
    headersCount: bytes.readUInt16LE(position + 42),
    headersBytes: bytes.readUInt32LE(position + 44),
  }
  const fixedBytes = head.guidBytes + head.encodingBytes + head.batchIdBytes + head.headersBytes
  return fixedBytes <= head.bodyBytes ? head : undefined
}

/** True when `body`, exactly the body's bytes, is what was written. */
export function isBodyIntact(body: Buffer, head: RecordHead, salt: number): boolean {
  return crc32c(body, salt) === head.bodyCrc
}

/** Takes an intact body apart. `value` is a subarray of `body`. Throws when its further headers do not add up. */
export function parseBody(body: Buffer, head: RecordHead): ParsedRecord {
  let at = 0
  const text = (length: number): string => {
    if (at + length > body.length) throw new RangeError('a header runs past the end of its record')
    at += length
    return body.toString('utf8', at - length, at)
  }
  const guid = text(head.guidBytes)
  const encoding = text(head.encodingBytes)
  const batchId = text(head.batchIdBytes)
  const headers: Record<string, string> = {}
  const headersEnd = at + head.headersBytes
  for (let count = 0; count < head.headersCount; count++) {
    const nameBytes = body.readUInt16LE(at)
    const valueBytes = body.readUInt32LE(at + 2)
    at += 6
    const name = text(nameBytes)
    headers[name] = text(valueBytes)
  }
  if (at !== headersEnd) throw new RangeError('the further headers do not fill their length')
  const { offset, items, receivedAtMs } = head
  const record = { offset, guid, encoding, batchId, items, receivedAtMs, value: body.subarray(at) }
  return head.headersCount === 0 ? record : { ...record, headers }
}

/** Completes a head whose body is already checksummed: writes all of its fields at `position`. */
export function writeRecordHead(bytes: Buffer, position: number, head: RecordHead, salt: number): void {
  bytes.writeUInt32LE(marker, position)
  bytes.writeUInt32LE(head.bodyCrc, position + 8)
  bytes.writeUInt32LE(head.bodyBytes, position + 12)
  writeUInt53(bytes, head.offset, position + 16)
  writeUInt53(bytes, head.receivedAtMs, position + 24)
  bytes.writeUInt32LE(head.items, position + 32)
  bytes.writeUInt16LE(head.guidBytes, position + 36)
  bytes.writeUInt16LE(head.encodingBytes, position + 38)
  bytes.writeUInt16LE(head.batchIdBytes, position + 40)
  bytes.writeUInt16LE(head.headersCount, position + 42)
  bytes.writeUInt32LE(head.headersBytes, position + 44)
  bytes.writeUInt32LE(crc32c(bytes.subarray(position + 8, position + recordHeadBytes), salt), position + 4)
}

// 64-bit fields hold numbers below 2^53; two 32-bit halves spare the bigints.
function writeUInt53(bytes: Buffer, value: number, position: number): void {
  bytes.writeUInt32LE(value % twoTo32, position)
  bytes.writeUInt32LE(Math.floor(value / twoTo32), position + 4)
}

function readUInt53(bytes: Buffer, position: number): number {
  return bytes.readUInt32LE(position) + bytes.readUInt32LE(position + 4) * twoTo32
}
