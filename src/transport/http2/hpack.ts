/**
 * The header blocks of HTTP/2.
 *
 * Source: RFC 7541. A block is a row of these (6.1 to 6.3), N being the bits that are left in the first octet for an
 * integer (5.1); a string (5.2) is an octet `H` + length (N = 7) and so many octets, in Huffman's code where H is 1:
 *
 *     1xxxxxxx  N = 7  a field, by its index
 *     01xxxxxx  N = 6  a field that the table shall keep: the index of its name, or 0 and a string; its value, a string
 *     001xxxxx  N = 5  the size of the table from now on; only before the first field
 *     000Sxxxx  N = 4  a field that the table does not keep, otherwise as above; S: no one on the way may keep it either
 *
 * Strings are octets: each character here is one, whatever the sender meant by it.
 */
import { limits } from '../../limits.ts'
import { FIELD_OVERHEAD_BYTES, fieldBytes, HeaderTable, STATIC_FIELDS } from './hpack-table.ts'
import { huffmanDecoded } from './huffman.ts'

const INDEXED = 0x80
const KEPT = 0x40
const TABLE_SIZE = 0x20
const HUFFMAN = 0x80

/** Octets of an integer behind the first; 35 bits are more than anything here may be (5.1 asks for such a bound). */
const INTEGER_BYTES_MAX = 5

/**
 * - `ok`: all fields were kept.
 * - `too_large`: the block was read to its end, so that the table is right, but not all of its fields were kept.
 * - `broken`: a COMPRESSION_ERROR. The connection must end, as nobody knows any more what its indices stand for.
 */
export type HeadersDecoded = 'ok' | 'too_large' | 'broken'

/** Decoder of one connection; its table lives as long as the connection. */
export class HpackDecoder {
  readonly #table: HeaderTable
  readonly #tableBytesMax: number
  /** The octet that is read next. */
  #at = 0

  /**
   * `tableBytesMax`: the SETTINGS_HEADER_TABLE_SIZE that was announced. The table begins with the protocol's default
   * all the same: before it has the settings a sender counts on that, and behind them it says what it uses (4.2).
   */
  constructor(tableBytesMax: number = limits.headerTableBytes) {
    this.#table = new HeaderTable(limits.headerTableBytes)
    this.#tableBytesMax = tableBytesMax
  }

  /** How often the table has changed: a block that left it as it was means the same again while it stays so. */
  get tableChanges(): number {
    return this.#table.changes
  }

  /**
   * Reads a whole block, octets `from` to `to`, and adds names and values in turn to `headers`, in the order of the block.
   * They borrow nothing from `block`. Fields are kept until there are more than `limits.grpcHeadersMax` of them, or until
   * they count more than `listBytesMax` with 32 for each (RFC 9113, 6.5.2). Never throws. After `broken` no block may
   * follow, and what was added means nothing.
   */
  decode(block: Buffer, from: number, to: number, headers: string[], listBytesMax: number): HeadersDecoded {
    const table = this.#table
    let fields = 0
    let listBytes = 0
    this.#at = from
    while (this.#at < to) {
      const first = block[this.#at++]!
      let name: string | undefined
      let value: string | undefined
      if (first >= INDEXED) {
        const index = this.#integer(block, to, first, 0x7f)
        name = table.name(index)
        value = table.value(index)
      } else if ((first & 0xe0) === TABLE_SIZE) {
        const bytesMax = this.#integer(block, to, first, 0x1f)
        if (fields > 0 || bytesMax < 0 || bytesMax > this.#tableBytesMax) return 'broken'
        table.resize(bytesMax)
        continue
      } else {
        const index = this.#integer(block, to, first, first >= KEPT ? 0x3f : 0x0f)
        name = index === 0 ? this.#string(block, to) : table.name(index)
        if (name === undefined) return 'broken'
        value = this.#string(block, to)
        if (value !== undefined && first >= KEPT) table.insert(name, value)
      }
      if (name === undefined || value === undefined) return 'broken'
      fields++
      listBytes += fieldBytes(name, value)
      if (isKept(fields, listBytes, listBytesMax)) headers.push(name, value)
    }
    return isKept(fields, listBytes, listBytesMax) ? 'ok' : 'too_large'
  }

  /** The integer that begins in the bits `mask` of `first`; -1 when it is cut off or too long. */
  #integer(block: Buffer, to: number, first: number, mask: number): number {
    const start = first & mask
    return start < mask ? start : this.#longInteger(block, to, mask)
  }

  #longInteger(block: Buffer, to: number, start: number): number {
    let value = start
    let unit = 1
    const end = Math.min(to, this.#at + INTEGER_BYTES_MAX)
    while (this.#at < end) {
      const byte = block[this.#at++]!
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
      unit *= 128
    }
    return -1
  }

  #string(block: Buffer, to: number): string | undefined {
    if (this.#at >= to) return undefined
    const first = block[this.#at++]!
    const length = this.#integer(block, to, first, 0x7f)
    if (length < 0 || length > to - this.#at) return undefined
    const from = this.#at
    this.#at += length
    return first >= HUFFMAN ? huffmanDecoded(block, from, this.#at) : block.toString('latin1', from, this.#at)
  }
}

/** What was too much once stays too much: both numbers only grow. */
function isKept(fields: number, listBytes: number, listBytesMax: number): boolean {
  return listBytes <= listBytesMax && fields <= limits.grpcHeadersMax
}

/**
 * Gives up the table of this direction (4.2). `encodeHeaders` never needs one, but a peer that announces less than the
 * default for it may insist on hearing so (nghttp2 does): this then stands before the first block behind the
 * acknowledgement of its settings, as a part of that block.
 */
export const NO_TABLE: Buffer = Buffer.of(TABLE_SIZE)

const staticFields = new Map(STATIC_FIELDS.map(([name, value], at) => [`${name}\0${value}`, at + 1]))
const staticNames = new Map(STATIC_FIELDS.map(([name], at) => [name, at + 1] as const).reverse())

/**
 * The block of names (in small letters) and values in turn, each character one octet, none above U+00FF. It needs no
 * table, so it may be kept and sent again on any connection. The caller owns it; it may be a part of a larger buffer.
 */
export function encodeHeaders(pairs: readonly string[]): Buffer {
  let bytesMax = 0
  for (const text of pairs) bytesMax += text.length + FIELD_OVERHEAD_BYTES / 2
  const block = Buffer.allocUnsafe(bytesMax)
  let at = 0
  for (let pair = 0; pair < pairs.length; pair += 2) {
    const name = pairs[pair]!
    const value = pairs[pair + 1]!
    const field = staticFields.get(`${name}\0${value}`)
    if (field !== undefined) {
      at = writeInteger(block, at, INDEXED, 0x7f, field)
      continue
    }
    const nameIndex = staticNames.get(name) ?? 0
    at = writeInteger(block, at, 0, 0x0f, nameIndex)
    if (nameIndex === 0) at = writeString(block, at, name)
    at = writeString(block, at, value)
  }
  return block.subarray(0, at)
}

function writeString(block: Buffer, at: number, text: string): number {
  const from = writeInteger(block, at, 0, 0x7f, text.length)
  return from + block.write(text, from, 'latin1')
}

function writeInteger(block: Buffer, at: number, flags: number, mask: number, value: number): number {
  if (value < mask) {
    block[at] = flags | value
    return at + 1
  }
  block[at++] = flags | mask
  let rest = value - mask
  for (; rest >= 0x80; rest >>>= 7) block[at++] = 0x80 | (rest & 0x7f)
  block[at] = rest
  return at + 1
}
