/**
 * Reads a request's body, bounded and on the books: each chunk is charged to the budget when it arrives, not when it is
 * announced, so that a claim costs nothing.
 */
import type { IncomingMessage } from 'node:http'
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { KiB, limits } from '../limits.ts'
import type { Shortage, Unfinished } from '../route/shares.ts'

/** Where the bytes of one request are counted; the route's `Claim` is one. */
export interface ByteBudget {
  take(bytes: number): boolean
  give(bytes: number): void
  fits(bytes: number): boolean
  /** Why `bytes` do not fit, once one of the others said so. */
  shortage(bytes: number): Shortage
  readonly bytesMax: number
  /** A body of which more is to come: until `forget` it has to keep the pace. */
  watch(body: Unfinished): void
  forget(body: Unfinished): void
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

/** The refusal of a request whose next `bytes` do not fit into the budget now. */
export function overloaded(budget: ByteBudget, bytes: number): GuidepostError {
  return shortageError(budget.shortage(bytes), budget.bytesMax)
}

export function shortageError(shortage: Shortage, bytesMax: number): GuidepostError {
  switch (shortage) {
    case 'overloaded':
      return retryable(
        'GP_OVERLOADED',
        `too much is in flight (limits.inflightBytes is ${bytesMax}); try again`,
      )
    case 'over_share':
      return retryable(
        'GP_OVER_SHARE',
        `this sender, its protocol or its guid has more than its share of what is in flight (limits.inflightBytes is ${bytesMax}); try again`,
      )
    case 'memory':
      return retryable(
        'GP_MEMORY',
        'memory is short (limits.memoryBytes), and only small requests are taken; try again',
      )
  }
}

/** Chunks below this are copied together: each holds much more memory than its bytes when a body comes in crumbs. */
const SMALL_BYTES = 4 * KiB
const GATHER_BYTES = 16 * KiB

const none: Buffer[] = []

/** The chunks of one body or message, and what they take from the budget. */
export class Gathered implements Body, Unfinished {
  #chunks = none
  bytes = 0
  seenBytes = 0
  readonly #lost: (error: GuidepostError) => void
  readonly #budget: ByteBudget
  #charged = 0
  #isWatched = false
  /** Where small chunks are copied; its filled part is the last of `chunks`. */
  #gather: Buffer | undefined
  #filled = 0

  /** `lost`: told once it came too slowly; whoever is told releases it. */
  constructor(budget: ByteBudget, lost: (error: GuidepostError) => void) {
    this.#budget = budget
    this.#lost = lost
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks
  }

  lose(): void {
    const text = `of the body no more than ${limits.paceBytes} bytes came in ${limits.paceCheckMs} ms while others wait for room; try again`
    this.#lost(retryable('GP_TOO_SLOW', text))
  }

  /** Has to keep the pace from now on, until it is released or forgotten. */
  watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    this.#budget.watch(this)
  }

  /** It is complete. */
  forget(): void {
    if (!this.#isWatched) return
    this.#isWatched = false
    this.#budget.forget(this)
  }

  /** False when the budget has no room; the chunk was not taken then. */
  add(chunk: Buffer): boolean {
    if (chunk.length >= SMALL_BYTES) {
      if (!this.#charge(chunk.length)) return false
      this.#gather = undefined
      this.#push(chunk)
    } else if (this.#gather !== undefined && this.#filled + chunk.length <= this.#gather.length) {
      chunk.copy(this.#gather, this.#filled)
      this.#filled += chunk.length
      this.#chunks[this.#chunks.length - 1] = this.#gather.subarray(0, this.#filled)
    } else {
      // The first small chunk of a run is mostly the end of a body, and nothing follows.
      const room = this.#chunks.length < 2 ? SMALL_BYTES : GATHER_BYTES
      if (!this.#charge(room)) return false
      this.#gather = Buffer.allocUnsafeSlow(room)
      this.#filled = chunk.copy(this.#gather)
      this.#push(this.#gather.subarray(0, this.#filled))
    }
    this.bytes += chunk.length
    return true
  }

  /** As `add`, for the only chunk there will be. It is not copied: see `compact`. */
  addWhole(chunk: Buffer): boolean {
    if (!this.#charge(chunk.length)) return false
    this.#push(chunk)
    this.bytes = chunk.length
    return true
  }

  /** Lets go of the large buffer that a small chunk came in, for one that is kept longer than it takes to read it. */
  compact(): void {
    const [chunk] = this.#chunks
    if (this.#chunks.length !== 1 || chunk === undefined || chunk.length >= SMALL_BYTES) return
    if (chunk.buffer.byteLength <= SMALL_BYTES) return
    this.#chunks[0] = Buffer.allocUnsafeSlow(chunk.length)
    chunk.copy(this.#chunks[0])
  }

  /** Gives everything back, the bytes too: whoever waits for the bus meanwhile must not keep them. */
  release(): void {
    this.forget()
    this.#budget.give(this.#charged)
    this.#charged = 0
    this.#chunks = none
    this.#gather = undefined
  }

  /** Most have one chunk; a list that is pushed to begins with room for seventeen. */
  #push(chunk: Buffer): void {
    if (this.#chunks.length === 0) this.#chunks = [chunk]
    else this.#chunks.push(chunk)
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
  if (!budget.fits(announced)) return overloaded(budget, announced)
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
  return new Promise((resolve) => takeBody(request, bytesMax, budget, resolve))
}

/** The same without a promise. `done` is told once, perhaps before this returns. */
export function takeBody(
  request: IncomingMessage,
  bytesMax: number,
  budget: ByteBudget,
  done: (body: Body | GuidepostError) => void,
): void {
  const announced = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  const gathered = new Gathered(budget, (error) => refuse(error))
  // Listeners stay: to take each away again costs more than to ask whether it is over. And without one for it, an error of
  // the socket after the body was read or given up would end the process.
  let isOver = false
  const refuse = (error: GuidepostError): void => {
    if (isOver) return
    isOver = true
    gathered.release()
    done(error)
    request.resume()
  }
  const onClose = (): void => {
    if (!isOver) refuse(retryable('GP_BODY_INCOMPLETE', 'the connection ended before the body did'))
  }
  request.on('data', (chunk: Buffer) => {
    if (isOver) return
    if (gathered.bytes + chunk.length > bytesMax) refuse(tooLarge(gathered.bytes + chunk.length, bytesMax))
    // Its end comes with it, so that it need not be copied out of what the socket was read in.
    else if (!(chunk.length === announced ? gathered.addWhole(chunk) : gathered.add(chunk)))
      refuse(overloaded(budget, chunk.length))
    else if (gathered.bytes < announced) gathered.watch()
  })
  request.on('end', () => {
    if (isOver) return
    isOver = true
    gathered.forget()
    done(gathered)
  })
  request.on('close', onClose)
  request.on('error', onClose)
  if (request.destroyed) onClose()
  else continues.get(request)?.()
}
