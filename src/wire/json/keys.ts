/** The keys of an object, found by their bytes: no key becomes a string of JavaScript. */
import type { Scanner } from './scanner.ts'

const quote = 0x22
const backslash = 0x5c

/** Bytes of the longest key of all tables; longer ones need not be looked up. */
export const keyBytesMax = 32

/** What stands for each of the keys that are known. */
export class KeyTable<Value> {
  /** Open addressing, at most a quarter full. */
  readonly #names: (Buffer | undefined)[]
  readonly #values: (Value | undefined)[]
  readonly #mask: number

  constructor(entries: readonly (readonly [key: string, value: Value])[]) {
    let size = 8
    while (size < entries.length * 4) size *= 2
    this.#names = Array.from({ length: size })
    this.#values = Array.from({ length: size })
    this.#mask = size - 1
    for (const [key, value] of entries) this.#add(Buffer.from(key), value)
  }

  /** Reads a key and its colon; the key is left in the scanner as the string read last. Undefined for what is not known. */
  read(scanner: Scanner): Value | undefined {
    if (scanner.peek() !== quote) throw scanner.unexpected('a key in quotes')
    const { bytes } = scanner
    const from = scanner.at + 1
    let at = from
    let hash = 0
    let byte = bytes[at]
    while (byte !== undefined && byte >= 0x20 && byte < 0x7f && byte !== quote && byte !== backslash) {
      hash = hashStep(hash, byte)
      byte = bytes[++at]
    }
    if (byte === quote) {
      scanner.from = from
      scanner.to = at
      scanner.length = at - from
      scanner.at = at + 1
      scanner.expect(':', ': after the key')
      return this.#find(bytes, from, at, hash)
    }
    scanner.skipKey()
    if (!scanner.hasEscapes || scanner.length > keyBytesMax) return undefined
    const key = Buffer.allocUnsafe(scanner.length)
    return this.find(key, 0, scanner.resolve(key, 0))
  }

  /** What stands for the text of these bytes. */
  find(bytes: Buffer, from: number, to: number): Value | undefined {
    if (to - from > keyBytesMax) return undefined
    let hash = 0
    for (let at = from; at < to; at++) hash = hashStep(hash, bytes[at]!)
    return this.#find(bytes, from, to, hash)
  }

  #find(bytes: Buffer, from: number, to: number, hash: number): Value | undefined {
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const name = this.#names[slot]
      if (name === undefined) return undefined
      if (isEqual(name, bytes, from, to)) return this.#values[slot]
    }
  }

  #add(name: Buffer, value: Value): void {
    if (name.length > keyBytesMax) throw new Error(`${name} is longer than keyBytesMax`)
    let slot = name.reduce(hashStep, 0) & this.#mask
    while (this.#names[slot] !== undefined) slot = (slot + 1) & this.#mask
    this.#names[slot] = name
    this.#values[slot] = value
  }
}

/** To be folded over the bytes of a key, from 0. */
function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0
}

function isEqual(name: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (to - from !== name.length) return false
  for (let index = 0; index < name.length; index++) if (name[index] !== bytes[from + index]) return false
  return true
}
