/** Walks the records of one segment, over damage, without ever holding more than one record. */
import { limits } from '../limits.ts'
import type { SegmentFile } from './file-system.ts'
import {
  type FileHeader,
  fileHeaderBytes,
  isBodyIntact,
  markerBytes,
  type ParsedRecord,
  parseBody,
  parseRecordHead,
  type RecordHead,
  recordHeadBytes,
} from './format.ts'

export type Scanned =
  | {
      readonly kind: 'record'
      readonly position: number
      /** Bytes of the whole record. */
      readonly bytes: number
      /** Its value is valid until the next call. */
      readonly record: ParsedRecord
    }
  | {
      readonly kind: 'bad'
      readonly position: number
      readonly bytes: number
      readonly offset: number | undefined
      readonly reason: string
    }
  | {
      /** No valid record begins here, as far as the file goes now. A later call looks again. */
      readonly kind: 'end'
      readonly position: number
      /** Bytes behind the position: the beginning of a record, or damage. */
      readonly bytes: number
      /** True when those bytes are not the beginning of a record. */
      readonly isDamaged: boolean
    }

/** A power of two, so that records of nearly the same size share one window. */
function windowBytesFor(bytes: number): number {
  return Math.max(limits.segmentReadBytes, 2 ** Math.ceil(Math.log2(bytes)))
}

export class SegmentScanner {
  readonly #file: SegmentFile
  readonly #salt: number
  #position: number
  /** The least offset that the next record may have; before the last record it was `#rewindOffset`. */
  #nextOffset: number
  #rewindOffset: number
  /** Bytes `#windowStart` … of the file, `#windowBytes` of them. */
  #window = Buffer.alloc(0)
  #windowStart = 0
  #windowBytes = 0
  /** Where the search for a head behind damage at `#position` goes on. */
  #searchedTo = 0

  constructor(file: SegmentFile, { salt, firstOffset }: FileHeader) {
    this.#file = file
    this.#salt = salt
    this.#position = fileHeaderBytes
    this.#nextOffset = firstOffset
    this.#rewindOffset = firstOffset
  }

  /** Byte position behind what was last returned. */
  get position(): number {
    return this.#position
  }

  /** Goes back to where what was returned last begins. */
  rewind(position: number): void {
    this.#position = position
    this.#nextOffset = this.#rewindOffset
    this.#searchedTo = 0
    // It may be cut off and written anew before it is read again.
    this.#dropWindow()
  }

  async next(): Promise<Scanned> {
    const position = this.#position
    const available = await this.#load(position, recordHeadBytes)
    if (available < recordHeadBytes)
      return this.#end(available, available >= 4 && !this.#beginsWithMarker(position))
    const head = parseRecordHead(this.#window, position - this.#windowStart, this.#salt)
    return head === undefined ? this.#searchHead(position) : this.#readBody(position, head)
  }

  async #readBody(position: number, head: RecordHead): Promise<Scanned> {
    const bytes = recordHeadBytes + head.bodyBytes
    // The length is asked first: a torn record must not cost the memory of a whole one.
    if (bytes > this.#window.length) {
      const left = Math.max(0, (await this.#file.bytes()) - position)
      if (left < bytes) return this.#end(left, false)
    }
    // A second look, past the window, tells damage on the disk from a read that met a write.
    for (let attempt = 0; attempt < 2; attempt++) {
      if (attempt > 0) this.#dropWindow()
      const available = await this.#load(position, bytes)
      if (available < bytes) return this.#end(available, false)
      const start = position - this.#windowStart + recordHeadBytes
      const body = this.#window.subarray(start, start + head.bodyBytes)
      if (!isBodyIntact(body, head, this.#salt)) continue
      this.#position = position + bytes
      if (head.offset < this.#nextOffset) {
        const reason = `its offset should be ${this.#nextOffset} or more: it is a copy, or of another log`
        return { kind: 'bad', position, bytes, offset: head.offset, reason }
      }
      this.#rewindOffset = this.#nextOffset
      this.#nextOffset = head.offset + 1
      try {
        return { kind: 'record', position, bytes, record: parseBody(body, head) }
      } catch (error) {
        return { kind: 'bad', position, bytes, offset: head.offset, reason: String(error) }
      }
    }
    this.#position = position + bytes
    const reason = 'the checksum of its body is wrong'
    return { kind: 'bad', position, bytes, offset: head.offset, reason }
  }

  async #searchHead(position: number): Promise<Scanned> {
    let from = Math.max(position + 1, this.#searchedTo)
    for (;;) {
      const available = await this.#load(from, limits.segmentReadBytes)
      if (available < recordHeadBytes) break
      const start = from - this.#windowStart
      const end = start + available
      let at = this.#window.subarray(0, end).indexOf(markerBytes, start)
      while (at >= 0 && at + recordHeadBytes <= end) {
        if (parseRecordHead(this.#window, at, this.#salt) !== undefined) {
          this.#position = this.#windowStart + at
          this.#searchedTo = 0
          const bytes = this.#position - position
          return {
            kind: 'bad',
            position,
            bytes,
            offset: undefined,
            reason: 'the head of a record is damaged',
          }
        }
        at = this.#window.subarray(0, end).indexOf(markerBytes, at + 1)
      }
      // A head may begin in the last bytes that were too few for one.
      from += available - recordHeadBytes + 1
    }
    this.#searchedTo = from
    const bytes = (await this.#file.bytes()) - position
    // Cut back since, and perhaps grown again: what was searched is there no more.
    if (this.#searchedTo > position + bytes) this.#searchedTo = 0
    return this.#end(Math.max(0, bytes), true)
  }

  #end(bytes: number, isDamaged: boolean): Scanned {
    // What lies behind the end may be cut and written anew: it is read again next time.
    this.#dropWindow()
    return { kind: 'end', position: this.#position, bytes, isDamaged }
  }

  #beginsWithMarker(position: number): boolean {
    const start = position - this.#windowStart
    return this.#window.subarray(start, start + 4).equals(markerBytes)
  }

  #dropWindow(): void {
    this.#windowBytes = 0
  }

  /** Makes the window hold `bytes` bytes from `position` on, and more; returns how many there are, at most `bytes`. */
  async #load(position: number, bytes: number): Promise<number> {
    const windowEnd = this.#windowStart + this.#windowBytes
    if (position < this.#windowStart || position + bytes > windowEnd) {
      const kept = position >= this.#windowStart && position < windowEnd ? windowEnd - position : 0
      const isTooSmall = bytes > this.#window.length
      const isTooLarge =
        this.#window.length > limits.segmentWindowBytesKept && bytes <= limits.segmentReadBytes
      const target = isTooSmall || isTooLarge ? Buffer.allocUnsafeSlow(windowBytesFor(bytes)) : this.#window
      if (kept > 0) this.#window.copy(target, 0, windowEnd - kept - this.#windowStart, this.#windowBytes)
      this.#window = target
      this.#windowStart = position
      this.#windowBytes = kept
      this.#windowBytes += await this.#file.read(target.subarray(kept), position + kept)
    }
    return Math.min(bytes, this.#windowStart + this.#windowBytes - position)
  }
}
