/**
 * Length-prefixed messages, read out of the chunks of one stream and written for an answer.
 *
 * Source: grpc/grpc, doc/PROTOCOL-HTTP2.md: `Length-Prefixed-Message → Compressed-Flag Message-Length Message`, a byte
 * (0 or 1), the length in four bytes with the most significant first, and so many bytes. DATA frames are no boundaries:
 * a message may lie in many of them, and one of them may hold many messages, or a part of the five bytes.
 */
import { type GuidepostError, permanent } from '../../errors.ts'
import { type ByteBudget, Gathered, overloaded } from '../body.ts'

const PREFIX_BYTES = 5
const FLAG_COMPRESSED = 1

/** What a message may be. */
export interface MessageRules {
  /** Bytes of a message, by its announced length. */
  readonly bytesMax: number
  /** False when the call named no `grpc-encoding`, or `identity`. */
  readonly mayBeCompressed: boolean
}

/** Reads one message. What arrives is charged to the budget, what is announced costs nothing. */
export class MessageReader {
  readonly body: Gathered
  readonly #budget: ByteBudget
  readonly #rules: MessageRules
  #prefixBytes = 0
  #flag = 0
  #length = 0

  /** `lost`: the message came too slowly while others wait for room. */
  constructor(rules: MessageRules, budget: ByteBudget, lost: (error: GuidepostError) => void) {
    this.#rules = rules
    this.#budget = budget
    this.body = new Gathered(budget, lost)
  }

  get isCompressed(): boolean {
    return this.#flag === FLAG_COMPRESSED
  }

  get isComplete(): boolean {
    return this.#prefixBytes === PREFIX_BYTES && this.body.bytes === this.#length
  }

  /** True before the first byte. */
  get isEmpty(): boolean {
    return this.#prefixBytes === 0
  }

  /** Bytes that the prefix announced. */
  get length(): number {
    return this.#length
  }

  /**
   * Takes what belongs to the message, from `at` to `to`; the place behind it, or why it is refused. The message is refused
   * by its prefix, before anything of it is kept.
   */
  read(chunk: Buffer, at: number, to: number): number | GuidepostError {
    let from = at
    if (this.#prefixBytes < PREFIX_BYTES) {
      from = this.#readPrefix(chunk, at, to)
      if (this.#prefixBytes < PREFIX_BYTES) return from
      const refusal = this.#judge()
      if (refusal !== undefined) return refusal
    }
    const end = Math.min(to, from + this.#length - this.body.bytes)
    if (end === from) return end
    const part = chunk.subarray(from, end)
    const isKept = part.length === this.#length ? this.body.addWhole(part) : this.body.add(part)
    if (!isKept) return overloaded(this.#budget, part.length)
    if (this.isComplete) this.body.forget()
    else this.body.watch()
    return end
  }

  #readPrefix(chunk: Buffer, at: number, to: number): number {
    let from = at
    if (this.#prefixBytes === 0 && from < to) {
      this.#flag = chunk[from++]!
      this.#prefixBytes = 1
    }
    while (this.#prefixBytes < PREFIX_BYTES && from < to) {
      this.#length = this.#length * 256 + chunk[from++]!
      this.#prefixBytes++
    }
    return from
  }

  #judge(): GuidepostError | undefined {
    if (this.#flag > FLAG_COMPRESSED) {
      return permanent('GP_BODY_MALFORMED', `the message begins with flag ${this.#flag}; it must be 0 or 1`)
    }
    // compression.md asks for INTERNAL here, which some senders repeat (Fluent Bit), though it cannot succeed.
    if (this.isCompressed && !this.#rules.mayBeCompressed) {
      return permanent(
        'GP_BODY_MALFORMED',
        'the message is flagged as compressed, but the call names no grpc-encoding; name it, or send it plain',
      )
    }
    if (this.#length > this.#rules.bytesMax) return tooLarge(this.#length, this.#rules.bytesMax)
    return this.#budget.fits(this.#length) ? undefined : overloaded(this.#budget, this.#length)
  }
}

function tooLarge(bytes: number, bytesMax: number): GuidepostError {
  return permanent(
    'GP_BODY_TOO_LARGE',
    `the message has ${bytes} bytes, the limit is ${bytesMax} (limits.messageBytes); send smaller batches`,
  )
}

/** A message behind its prefix, uncompressed. An empty one is five zero bytes, shared by all: not to be written to. */
export function framed(message: Buffer): Buffer {
  if (message.length === 0) return emptyMessage
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  message.copy(frame, PREFIX_BYTES)
  return frame
}

const emptyMessage = Buffer.alloc(PREFIX_BYTES)
