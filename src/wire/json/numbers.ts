/**
 * Numbers as JSON writes them (RFC 8259, section 6), without the loss of a detour through doubles.
 */

const powersOfTen = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14]

/** A number in a text: where its parts are. Made once and filled again and again. */
export class NumberText {
  bytes: Buffer = Buffer.alloc(0)
  isNegative = false
  /** Index of the first digit, and behind the last one of the integer, of the fraction, of all. */
  from = 0
  integerEnd = 0
  fractionEnd = 0
  end = 0
  /** May be infinite. */
  exponent = 0
  /** The last integer that was read, as halves of 64 bits in two's complement. */
  low = 0
  high = 0

  /**
   * Finds the number that begins at `from`; it ends before `to` and may be followed by anything. `bytes` are borrowed
   * until the next call. False when there is none; `end` is then the first byte that does not fit.
   */
  find(bytes: Buffer, from: number, to: number): boolean {
    this.bytes = bytes
    this.isNegative = from < to && bytes[from] === 0x2d
    this.from = this.isNegative ? from + 1 : from
    this.exponent = 0
    const startsWithZero = this.from < to && bytes[this.from] === 0x30
    this.integerEnd = startsWithZero ? this.from + 1 : digitsEnd(bytes, this.from, to)
    this.fractionEnd = this.integerEnd
    this.end = this.integerEnd
    if (this.integerEnd === this.from) return false
    if (this.end < to && bytes[this.end] === 0x2e) {
      this.end = digitsEnd(bytes, this.integerEnd + 1, to)
      if (this.end === this.integerEnd + 1) return false
      this.fractionEnd = this.end
    }
    return this.end < to && (bytes[this.end]! | 0x20) === 0x65 ? this.#findExponent(to) : true
  }

  #findExponent(to: number): boolean {
    const first = this.bytes[this.end + 1]
    const from = first === 0x2b || first === 0x2d ? this.end + 2 : this.end + 1
    this.end = digitsEnd(this.bytes, Math.min(from, to), to)
    if (this.end <= from) return false
    const size = Number(this.bytes.toString('latin1', from, this.end))
    this.exponent = first === 0x2d ? -size : size
    return true
  }

  /** The number as the nearest double; infinite when it is too large for one. */
  double(): number {
    const { bytes, from, integerEnd, fractionEnd } = this
    if (fractionEnd - from <= 15 && this.exponent === 0) {
      // Both are exact, so that their quotient is rounded once, as it should be.
      let digits = 0
      for (let at = from; at < fractionEnd; at++)
        if (at !== integerEnd) digits = digits * 10 + bytes[at]! - 0x30
      const size =
        fractionEnd === integerEnd ? digits : digits / (powersOfTen[fractionEnd - integerEnd - 1] ?? 1)
      return this.isNegative ? -size : size
    }
    return Number(bytes.toString('latin1', this.isNegative ? from - 1 : from, this.end))
  }

  /** Leaves the number in `low` and `high`, and says whether it is an integer that these 64 bits can hold. */
  integer(isSigned: boolean): 'ok' | 'fraction' | 'range' {
    const isPlain = this.end === this.integerEnd
    const found = isPlain ? this.#magnitude(this.bytes, this.from, this.integerEnd) : this.#expanded()
    if (found !== 'ok' || (this.low === 0 && this.high === 0)) return found
    if (!this.isNegative) return isSigned && this.high >= 2 ** 31 ? 'range' : 'ok'
    if (!isSigned || this.high > 2 ** 31 || (this.high === 2 ** 31 && this.low > 0)) return 'range'
    this.low = -this.low >>> 0
    this.high = (this.low === 0 ? -this.high : ~this.high) >>> 0
    return 'ok'
  }

  #magnitude(bytes: Buffer, from: number, to: number): 'ok' | 'range' {
    this.low = 0
    this.high = 0
    if (to - from > 20) return 'range'
    let digits = 0
    let scale = 1
    for (let at = from; at < to; at++) {
      digits = digits * 10 + bytes[at]! - 0x30
      scale *= 10
      // 2^32 times the scale stays below 2^53.
      if (scale < 1e6 && at + 1 < to) continue
      const low = this.low * scale + digits
      this.low = low % 2 ** 32
      this.high = this.high * scale + Math.floor(low / 2 ** 32)
      digits = 0
      scale = 1
    }
    return this.high < 2 ** 32 ? 'ok' : 'range'
  }

  /** `1.50e2` is 150. */
  #expanded(): 'ok' | 'fraction' | 'range' {
    const { bytes, from, integerEnd, fractionEnd } = this
    const fraction = bytes.toString('latin1', Math.min(integerEnd + 1, fractionEnd), fractionEnd)
    const digits = bytes.toString('latin1', from, integerEnd) + fraction
    let first = 0
    while (first < digits.length && digits[first] === '0') first += 1
    let last = digits.length
    while (last > first && digits[last - 1] === '0') last -= 1
    if (first === last) return this.#magnitude(bytes, from, from)
    const zeros = this.exponent - fraction.length + digits.length - last
    if (zeros < 0) return 'fraction'
    if (last - first + zeros > 20) return 'range'
    const plain = Buffer.from(digits.slice(first, last) + '0'.repeat(zeros))
    return this.#magnitude(plain, 0, plain.length)
  }
}

function digitsEnd(bytes: Buffer, from: number, to: number): number {
  let at = from
  while (at < to && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at += 1
  return at
}
