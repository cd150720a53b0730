/**
 * The kernel's host side: what of a request touches every byte (inflating, walking, splicing) runs in WebAssembly, in
 * one arena that starts anew with each request. The calls of one request go in this order and within one turn of the
 * event loop, since the next request begins by forgetting all of it:
 *
 *   begin → putSnappy | putPlain → useRules → (translate) → walk → tuples → verdicts, slots → plan → write → partBytes
 *
 * The source is `kernel/assembly/`; `npm run kernel` compiles it to `kernel/kernel-wasm.ts`.
 */
import { randomBytes } from 'node:crypto'
import { limits } from '../limits.ts'
import { kernelWasm } from './kernel/kernel-wasm.ts'
import type { KernelExports } from './kernel-exports.ts'

/** Why a request is refused as a whole; the numbers are those of `assembly/memory.ts`. */
export const kernelCodes = {
  [-1]: 'memory',
  [-2]: 'snappy',
  [-3]: 'too_large',
  [-4]: 'protobuf',
  [-5]: 'items',
  [-6]: 'other_version',
  [-7]: 'symbols',
  [-8]: 'symbol_zero',
  [-9]: 'unknown',
  [-10]: 'thrift',
  [-11]: 'method',
} as const
export type KernelProblem = (typeof kernelCodes)[keyof typeof kernelCodes]

/** The kernel's number for a problem. */
export function codeOf(problem: KernelProblem): number {
  return Number(Object.entries(kernelCodes).find(([, name]) => name === problem)![0])
}

/** Why one item is refused; the place in the list is the kernel's number. From 16 on they are the host's own. */
export const refusalReasons = [
  '',
  'labels_unsorted',
  'label_repeated',
  'label_name_empty',
  'label_not_utf8',
  'refs_odd',
  'ref_out_of_range',
  'id_length',
  'not_utf8',
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  'guid_missing',
  'metadata_guid_missing',
  'guid_dropped',
  'guid_not_allowed',
  'guid_conflict',
] as const
export type RefusalReason = Exclude<(typeof refusalReasons)[number], ''>
const reasonNumbers = new Map<string, number>(refusalReasons.map((reason, number) => [reason, number]))

/**
 * The names that the walk looks for: the stamp's first, then those of the label sources in their order. At most 31, each
 * of at most `limits.labelNameBytesMax` bytes; the configuration sees to both.
 */
export interface KernelRules {
  readonly names: readonly Buffer[]
}

/** One record to be: `bytes` is its size, `items` what it holds, `slot` whose it is. */
export interface Part {
  readonly slot: number
  readonly bytes: number
  readonly items: number
  /** Where it lies in the kernel's memory. */
  readonly at: number
  /** 2.0 only: what the Written headers report. */
  readonly samples: number
  readonly histograms: number
  readonly exemplars: number
}

/** What the walk of one request looks for. */
export interface WalkOptions {
  /** Has a bit for each item source (bit n is name n of the rules) that stands before the request's own guid. */
  readonly active: number
  /** Has a bit for each source whose value the host must judge. */
  readonly opaque: number
  /** Whether the value that an item already carries under the stamp's name matters. */
  readonly wantExisting: boolean
  /** Whether the stamp's name is removed below the place where it is stamped, too. */
  readonly deep: boolean
}

/** The options of the kernel's walks that have several, see its `rules.ts`. */
export function optionBits({ wantExisting, deep }: WalkOptions): number {
  return (wantExisting ? 1 : 0) | (deep ? 2 : 0)
}

/** One kind of message: the kernel's functions for it. Codes below zero are `kernelCodes`. */
export interface Format {
  /** Checks the payload of `bytes` bytes at address `at` and notes every item. 0 or a code. */
  walk(x: KernelExports, at: number, bytes: number, options: WalkOptions): number
  /** Items that the walk met. */
  itemCount(x: KernelExports): number
  /** Sizes the records, none above `recordBytesMax` unless one item is. Their number or a code. */
  plan(x: KernelExports, recordBytesMax: number): number
  /** Writes the records. 0 or a code. */
  write(x: KernelExports): number
  /** The text of a source's value that is no string, for formats that know such: from what the kernel kept of it. */
  textOf?(kept: Buffer): string | undefined
}

/** Turns a payload into one of another form inside of the kernel, in one pass from wire to wire. */
export interface Translation {
  /**
   * Translates the payload of `bytes` bytes at address `at`. The bytes of the translation, whose address is then in
   * `translated`, or a code.
   */
  run(x: KernelExports, at: number, bytes: number): number
}

/** The address that arenaTake gives when the memory cannot grow. */
const NOWHERE = 0
/** Set in the length of a value that is no string (`assembly/rules.ts`). */
const NOT_TEXT = 0x80000000
const ASCII_END = 0x80
const ROW_WORDS = 8
const SLOT_WORDS = 4
const PART_WORDS = 8

const wasmModule = new WebAssembly.Module(Buffer.from(kernelWasm, 'base64'))

/** The kernel's functions over a memory of their own. */
export function instantiate(): KernelExports {
  return new WebAssembly.Instance(wasmModule).exports as KernelExports
}

export class Kernel {
  #exports!: KernelExports
  #rules: KernelRules | undefined
  #buffer: ArrayBuffer | undefined
  #bytes!: Buffer
  #words!: Uint32Array
  #payloadAt = 0
  #payloadBytes = 0
  #format: Format | undefined
  #lastText = ''
  /** When the last request that needed a large memory began, on performance.now()'s clock. */
  #largeAt = 0

  constructor() {
    this.#instantiate()
  }

  /** Starts a request. Everything handed out before is invalid from here on. */
  begin(): void {
    if (this.#exports.memory.buffer.byteLength > limits.kernelBytesKept) this.#shrink()
    this.#exports.arenaReset()
  }

  /**
   * A large request leaves a large memory behind, which WebAssembly cannot give back but as a whole. While large requests
   * keep coming it stays, since a new one for each would pile up until the collector runs.
   */
  #shrink(): void {
    const now = performance.now()
    if (this.#exports.arenaBytes() > limits.kernelBytesKept) this.#largeAt = now
    else if (now - this.#largeAt > limits.kernelLargeMs) this.#instantiate()
  }

  /** Gives a large memory back, and begins with a small one. Between requests, never within one. */
  relieve(): void {
    if (this.#exports.memory.buffer.byteLength > limits.kernelBytesRelieved) this.#instantiate()
  }

  /** Inflates a snappy block made of `chunks`. The payload's length, or the kernel's negative code. */
  putSnappy(chunks: readonly Buffer[], bytes: number, inflatedBytesMax: number): number {
    const at = this.#copyIn(chunks, bytes)
    if (at === NOWHERE) return -1
    const inflated = this.#exports.snappyInflate(at, bytes, inflatedBytesMax)
    if (inflated < 0) return inflated
    this.#payloadAt = this.#exports.inflated.value as number
    this.#payloadBytes = inflated
    return inflated
  }

  /** Takes a payload that is not compressed, or that was inflated elsewhere. */
  putPlain(chunks: readonly Buffer[], bytes: number): number {
    const at = this.#copyIn(chunks, bytes)
    if (at === NOWHERE) return -1
    this.#payloadAt = at
    this.#payloadBytes = bytes
    return bytes
  }

  /** A copy of the payload, for tests and cold paths. */
  payloadCopy(): Buffer {
    this.#view()
    return Buffer.from(this.#bytes.subarray(this.#payloadAt, this.#payloadAt + this.#payloadBytes))
  }

  /** Puts the payload's translation in its place. Its length, or a negative code. */
  translate(translation: Translation): number {
    const bytes = translation.run(this.#exports, this.#payloadAt, this.#payloadBytes)
    if (bytes < 0) return bytes
    this.#payloadAt = this.#exports.translated.value as number
    this.#payloadBytes = bytes
    return bytes
  }

  /** At which byte of the payload the last malformed Thrift is at fault. */
  get faultByte(): number {
    return (this.#exports.faultAt.value as number) - this.#payloadAt
  }

  useRules(rules: KernelRules): void {
    if (this.#rules === rules) return
    this.#rules = rules
    this.#exports.rulesBegin()
    for (const [i, name] of rules.names.entries()) {
      this.#view()
      name.copy(this.#bytes, this.#exports.rulesNameAt(i))
      this.#exports.rulesName(name.length)
    }
  }

  /** Checks the payload, which is a message of `format`, and notes every item. 0, or a negative code. */
  walk(format: Format, options: WalkOptions): number {
    this.#format = format
    return format.walk(this.#exports, this.#payloadAt, this.#payloadBytes, options)
  }

  /** Items that the walk met. */
  get itemCount(): number {
    return this.#format!.itemCount(this.#exports)
  }

  /** Items and fields of later versions. */
  get rowCount(): number {
    return this.#exports.rowCount.value as number
  }

  get tupleCount(): number {
    return this.#exports.tupleCount.value as number
  }

  /** Which sources tuple `i` has a value of (bit 0: the value under the stamp's own name). */
  tupleMask(i: number): number {
    this.#view()
    return this.#words[(this.#exports.tupleAt(i) >> 2) + 1]!
  }

  /**
   * The value of the `nth` set bit of tuple `i`'s mask; undefined when it is longer than a guid's source may be, or has no
   * text.
   */
  tupleValue(i: number, nth: number): string | undefined {
    this.#view()
    const word = (this.#exports.tupleAt(i) >> 2) + 2 + nth * 2
    const at = this.#words[word]!
    const bytes = this.#words[word + 1]! & ~NOT_TEXT
    if (bytes > limits.guidSourceBytesMax) return undefined
    if (this.#words[word + 1] === bytes) return this.#text(at, bytes)
    return this.#format!.textOf?.(this.#bytes.subarray(at, at + bytes))
  }

  /** Senders name the same sources again and again: a value that was the last one too is the same text as then. */
  #text(at: number, bytes: number): string {
    const last = this.#lastText
    if (last.length === bytes) {
      let i = 0
      // Beyond ASCII a character is more than a byte.
      while (i < bytes && this.#bytes[at + i]! < ASCII_END && this.#bytes[at + i] === last.charCodeAt(i)) i++
      if (i === bytes) return last
    }
    this.#lastText = this.#bytes.toString('utf8', at, at + bytes)
    return this.#lastText
  }

  /** Says for each tuple its slot, or minus the number of the reason why its items are refused. */
  setVerdicts(verdicts: readonly number[]): boolean {
    const at = this.#exports.verdictsTake(verdicts.length)
    if (at === NOWHERE) return false
    this.#view()
    for (let i = 0; i < verdicts.length; i++) this.#words[(at >> 2) + i] = verdicts[i]!
    return true
  }

  /** Hands over the stamp of each slot, in the form that its format writes. */
  setSlots(stamps: readonly Buffer[]): boolean {
    let stampBytes = 0
    for (const stamp of stamps) stampBytes += stamp.length
    const at = this.#exports.slotsTake(stamps.length, stampBytes)
    if (at === NOWHERE) return false
    this.#view()
    let stampAt = at + stamps.length * SLOT_WORDS * 4
    let word = at >> 2
    for (const stamp of stamps) {
      stamp.copy(this.#bytes, stampAt)
      this.#words[word] = stampAt
      this.#words[word + 1] = stamp.length
      stampAt += stamp.length
      word += SLOT_WORDS
    }
    return true
  }

  /** Sizes the records. How many there will be, or a negative code. */
  plan(recordBytesMax: number): number {
    return this.#format!.plan(this.#exports, recordBytesMax)
  }

  /** Writes the records. 0 or a negative code. */
  write(): number {
    return this.#format!.write(this.#exports)
  }

  part(i: number): Part {
    this.#view()
    const word = ((this.#exports.parts.value as number) >> 2) + i * PART_WORDS
    const words = this.#words
    return {
      slot: words[word]!,
      bytes: words[word + 1]!,
      items: words[word + 2]!,
      at: words[word + 3]!,
      samples: words[word + 5]!,
      histograms: words[word + 6]!,
      exemplars: words[word + 7]!,
    }
  }

  /** Copies record `i` to `target`, which has room for its `bytes`. */
  copyPart(i: number, target: Buffer, targetAt: number): void {
    this.#view()
    const word = ((this.#exports.parts.value as number) >> 2) + i * PART_WORDS
    const at = this.#words[word + 3]!
    this.#bytes.copy(target, targetAt, at, at + this.#words[word + 1]!)
  }

  /** Copies `bytes` bytes of the kernel's memory, where records lie. */
  copyRange(at: number, bytes: number, target: Buffer): void {
    this.#view()
    this.#bytes.copy(target, 0, at, at + bytes)
  }

  /** Whether the plan refused any item. */
  get hasRefused(): boolean {
    this.#view()
    const first = (this.#exports.refused.value as number) >> 2
    for (let number = 0; number < refusalReasons.length; number++)
      if (this.#words[first + number]! > 0) return true
    return false
  }

  /** How many items the plan refused for `reason`. */
  refusedCount(reason: RefusalReason): number {
    this.#view()
    return this.#words[((this.#exports.refused.value as number) >> 2) + reasonNumber(reason)]!
  }

  /**
   * Numbers of the first refused items with their reasons, at most `max`, passing over the reasons in `silent`; for the
   * text of an answer only.
   */
  firstRefused(max: number, silent: ReadonlySet<RefusalReason>): { item: number; reason: RefusalReason }[] {
    this.#view()
    const first = (this.#exports.rows.value as number) >> 2
    const count = this.#exports.rowCount.value as number
    const found: { item: number; reason: RefusalReason }[] = []
    for (let item = 0; item < count && found.length < max; item++) {
      const state = this.#words[first + item * ROW_WORDS + 7]! | 0
      const reason = state < 0 ? (refusalReasons[-state] as RefusalReason) : undefined
      if (reason !== undefined && !silent.has(reason)) found.push({ item, reason })
    }
    return found
  }

  /** The bytes of item `i` as they came. Borrowed: valid until the next call. */
  itemBytes(i: number): Buffer {
    this.#view()
    const word = ((this.#exports.rows.value as number) >> 2) + i * ROW_WORDS
    return this.#bytes.subarray(this.#words[word]!, this.#words[word + 1]!)
  }

  /** Symbol `i` of a 2.0 request, at most `bytesMax` bytes of it; undefined when there is none. */
  symbol(i: number, bytesMax: number): string | undefined {
    if (i >= (this.#exports.symbolCount.value as number)) return undefined
    this.#view()
    const word = ((this.#exports.symbolsAt.value as number) >> 2) + i * 4
    const at = this.#words[word]!
    return this.#bytes.toString('utf8', at, at + Math.min(bytesMax, this.#words[word + 1]!))
  }

  #copyIn(chunks: readonly Buffer[], bytes: number): number {
    const start = this.#exports.arenaTake(bytes)
    if (start === NOWHERE) return NOWHERE
    this.#view()
    let at = start
    for (const chunk of chunks) {
      chunk.copy(this.#bytes, at)
      at += chunk.length
    }
    return start
  }

  /** Growing the memory detaches its views, so they are looked at anew after each call that may grow it. */
  #view(): void {
    const buffer = this.#exports.memory.buffer
    if (buffer === this.#buffer) return
    this.#buffer = buffer
    this.#bytes = Buffer.from(buffer)
    this.#words = new Uint32Array(buffer)
  }

  #instantiate(): void {
    this.#exports = instantiate()
    this.#exports.setHashSeed(randomBytes(4).readInt32LE())
    this.#rules = undefined
    this.#view()
  }
}

export function reasonNumber(reason: RefusalReason): number {
  return reasonNumbers.get(reason)!
}
