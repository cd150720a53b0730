/**
 * Reads a request's body, bounded and on the books: each chunk is charged to the budget when it arrives, not when it is
 * announced, so that a claim costs nothing.
 */
import type { IncomingMessage } from 'node:http'
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { KiB } from '../limits.ts'

/** Where bytes in flight are counted; the route's `Budget` is one. */
export interface ByteBudget {
  take(bytes: number): boolean
  give(bytes: number): void
  fits(bytes: number): boolean
  readonly bytesMax: number
}

export interface Body {
  readonly chunks: readonly Buffer[]
  /** Sum of the chunks. */
  readonly bytes: number
  /** Gives the bytes back to the budget and forgets the chunks. */
  release(): void
}

/** Senders that wait for `100 Continue` before they send a body (RFC 9110, 10.1.1), each with how to tell it so. */
export const continues = new WeakMap<IncomingMessage, () => void>()

/** The refusal of a request that does not fit into the budget now. */
export function overloaded(budget: ByteBudget): GuidepostError {
  return retryable(
    'GP_OVERLOADED',
    `too much is in flight (limits.inflightBytes is ${budget.bytesMax}); try again`,
  )
}

/** Chunks below this are copied together: each holds much more memory than its bytes when a body comes in crumbs. */
const SMALL_BYTES = 4 * KiB
const GATHER_BYTES = 16 * KiB

/** The chunks of one body or message, and what they take from the budget. */
export class Gathered implements Body {
  readonly chunks: Buffer[] = []
  bytes = 0
  readonly #budget: ByteBudget
  #charged = 0
  /** Where small chunks are copied; its filled part is the last of `chunks`. */
  #gather: Buffer | undefined
  #filled = 0

  constructor(budget: ByteBudget) {
    this.#budget = budget
  }

  /** False when the budget has no room; the chunk was not taken then. */
  add(chunk: Buffer): boolean {
    if (chunk.length >= SMALL_BYTES) {
      if (!this.#charge(chunk.length)) return false
      this.#gather = undefined
      this.chunks.push(chunk)
    } else if (this.#gather !== undefined && this.#filled + chunk.length <= this.#gather.length) {
      chunk.copy(this.#gather, this.#filled)
      this.#filled += chunk.length
      this.chunks[this.chunks.length - 1] = this.#gather.subarray(0, this.#filled)
    } else {
      // The first small chunk of a run is mostly the end of a body, and nothing follows.
      const room = this.chunks.length < 2 ? SMALL_BYTES : GATHER_BYTES
      if (!this.#charge(room)) return false
      this.#gather = Buffer.allocUnsafeSlow(room)
      this.#filled = chunk.copy(this.#gather)
      this.chunks.push(this.#gather.subarray(0, this.#filled))
    }
    this.bytes += chunk.length
    return true
  }

  /** As `add`, for the only chunk there will be. It is not copied: see `compact`. */
  addWhole(chunk: Buffer): boolean {
    if (!this.#charge(chunk.length)) return false
    this.chunks.push(chunk)
    this.bytes = chunk.length
    return true
  }

  /** Lets go of the large buffer that a small chunk came in, for one that is kept longer than it takes to read it. */
  compact(): void {
    const [chunk] = this.chunks
    if (this.chunks.length !== 1 || chunk === undefined || chunk.length >= SMALL_BYTES) return
    if (chunk.buffer.byteLength <= SMALL_BYTES) return
    this.chunks[0] = Buffer.allocUnsafeSlow(chunk.length)
    chunk.copy(this.chunks[0])
  }

  /** Gives everything back, the bytes too: whoever waits for the bus meanwhile must not keep them. */
  release(): void {
    this.#budget.give(this.#charged)
    this.#charged = 0
    this.chunks.length = 0
    this.#gather = undefined
  }

  #charge(bytes: number): boolean {
    if (!this.#budget.take(bytes)) return false
    this.#charged += bytes
    return true
  }
}

/** Refuses by what the headers announce, before a byte of the body is read. */
export function admit(
  request: IncomingMessage,
  bytesMax: number,
  budget: ByteBudget,
): GuidepostError | undefined {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > bytesMax) return tooLarge(announced, bytesMax)
  if (!budget.fits(announced)) return overloaded(budget)
  return undefined
}

function tooLarge(bytes: number, bytesMax: number): GuidepostError {
  return permanent(
    'GP_BODY_TOO_LARGE',
    `the body has ${bytes} bytes or more, the limit is ${bytesMax} (limits.bodyBytes); send smaller batches`,
  )
}

/** Reads the whole body. Resolves with an error when it is too large, does not fit, or ends early. */
export function readBody(
  request: IncomingMessage,
  bytesMax: number,
  budget: ByteBudget,
): Promise<Body | GuidepostError> {
  return new Promise((resolve) => {
    const gathered = new Gathered(budget)
    const release = (): void => gathered.release()
    const finish = (result: Body | GuidepostError): void => {
      request.off('data', onData)
      request.off('end', onEnd)
      request.off('close', onClose)
      request.off('error', onClose)
      // Without a listener an error of the socket, after the body was read or given up, would end the process.
      request.on('error', () => undefined)
      resolve(result)
    }
    const refuse = (error: GuidepostError): void => {
      release()
      finish(error)
      request.resume()
    }
    const onClose = (): void =>
      refuse(retryable('GP_BODY_INCOMPLETE', 'the connection ended before the body did'))
    const onData = (chunk: Buffer): void => {
      if (gathered.bytes + chunk.length > bytesMax) refuse(tooLarge(gathered.bytes + chunk.length, bytesMax))
      else if (!gathered.add(chunk)) refuse(overloaded(budget))
    }
    const onEnd = (): void => finish({ chunks: gathered.chunks, bytes: gathered.bytes, release })
    request.on('data', onData)
    request.on('end', onEnd)
    request.on('close', onClose)
    request.on('error', onClose)
    if (request.destroyed) onClose()
    else continues.get(request)?.()
  })
}
