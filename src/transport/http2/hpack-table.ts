/**
 * What an index of HPACK stands for: the static table, and behind it the dynamic one with its newest entry first.
 *
 * Source: RFC 7541, 2.3 (index space), 4 (size and eviction), Appendix A (static table).
 */

/** Indices 1 to 61, each a name and a value (Appendix A). */
export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
]

/** Fields for which a table has room as soon as it holds one. */
const PLACES_MIN = 16

/** What a field counts beside the octets of its name and its value (RFC 7541, 4.1; RFC 9113, 6.5.2). */
export const FIELD_OVERHEAD_BYTES = 32

const staticNames = STATIC_FIELDS.map(([name]) => name)
const staticValues = STATIC_FIELDS.map(([, value]) => value)
const STATIC_COUNT = STATIC_FIELDS.length

/** The index space of one connection in one direction. Its entries are strings that are shared with whoever asks. */
export class HeaderTable {
  // A ring, of a power of two: an entry stays where it is until it is evicted, or until the ring grows. It is as large as
  // its sender makes it, since most connections are idle and most of the others repeat a dozen fields.
  #names: string[] = []
  #values: string[] = []
  #mask = 0
  /** Places that were written, ever; the newest entry is in the one before it. */
  #next = 0
  #count = 0
  #bytes = 0
  #bytesMax: number
  /** How often what an index stands for may have changed. */
  changes = 0

  /** Holds up to `bytesMax`, until it is resized. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The name at any index; undefined at one that stands for nothing. */
  name(index: number): string | undefined {
    if (index > STATIC_COUNT) {
      const age = index - STATIC_COUNT
      return age <= this.#count ? this.#names[(this.#next - age) & this.#mask] : undefined
    }
    return index > 0 ? staticNames[index - 1] : undefined
  }

  /** The value at any index; undefined at one that stands for nothing. */
  value(index: number): string | undefined {
    if (index > STATIC_COUNT) {
      const age = index - STATIC_COUNT
      return age <= this.#count ? this.#values[(this.#next - age) & this.#mask] : undefined
    }
    return index > 0 ? staticValues[index - 1] : undefined
  }

  /** Evicts the oldest entries until there is room. One that is larger than the table leaves it empty (4.4). */
  insert(name: string, value: string): void {
    this.changes++
    const bytes = fieldBytes(name, value)
    this.#shrinkTo(Math.max(0, this.#bytesMax - bytes))
    if (bytes > this.#bytesMax) return
    if (this.#count === this.#names.length) this.#grow()
    this.#names[this.#next] = name
    this.#values[this.#next] = value
    this.#next = (this.#next + 1) & this.#mask
    this.#count++
    this.#bytes += bytes
  }

  /** Evicts what is too much from now on (4.3). The caller has compared `bytesMax` with what was announced. */
  resize(bytesMax: number): void {
    this.changes++
    this.#bytesMax = bytesMax
    this.#shrinkTo(bytesMax)
  }

  #grow(): void {
    const places = Math.max(PLACES_MIN, 2 * this.#names.length)
    const names = new Array<string>(places).fill('')
    const values = new Array<string>(places).fill('')
    for (let at = 0; at < this.#count; at++) {
      const from = (this.#next - this.#count + at) & this.#mask
      names[at] = this.#names[from]!
      values[at] = this.#values[from]!
    }
    this.#names = names
    this.#values = values
    this.#mask = places - 1
    this.#next = this.#count
  }

  #shrinkTo(bytesMax: number): void {
    while (this.#bytes > bytesMax) {
      const oldest = (this.#next - this.#count) & this.#mask
      this.#bytes -= fieldBytes(this.#names[oldest]!, this.#values[oldest]!)
      this.#count--
      this.#names[oldest] = ''
      this.#values[oldest] = ''
    }
  }
}

/** What a field counts, an octet a character. */
export function fieldBytes(name: string, value: string): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES
}
