/**
 * What no count of bytes tells: whether the event loop keeps up, and what the process really occupies.
 *
 * The loop lags when a timer comes late. One long turn is no reason to refuse anybody; a lag that never fell below its
 * target for a whole window is (the minimum over a window, as in CoDel: Nichols and Jacobson, "Controlling queue delay",
 * ACM Queue 10(5), 2012). The first timer that is nearly in time ends it.
 *
 * Of memory, three quarters of the bound are for what is there at any moment, and the last quarter for the one request
 * that is dealt with. The less is left below that mark, the less may be in flight, so that large bodies are refused first
 * and small ones never. Beyond it, what is kept for reuse is let go, and the collector runs: soon again when buffers have
 * piled up since, which V8 by itself would leave until they are as much as all that is alive.
 */
import { limits } from '../limits.ts'
import type { Shares } from './shares.ts'

export interface PressureOptions {
  readonly shares: Shares
  /** What the process may occupy. */
  readonly memoryBytes: number
  /** What it occupies now. */
  readonly residentBytes: () => number
  /** Bytes of the buffers that the process has, dead ones too. */
  readonly bufferBytes: () => number
  /** Lets go of what is kept for reuse, and collects garbage. Takes a while. */
  readonly relieve: () => void
  /** It has; with what was occupied before and after. */
  readonly relieved: (bytesBefore: number, bytesAfter: number) => void
}

export class Pressure {
  readonly #options: PressureOptions
  #memoryBytes: number
  #timer: NodeJS.Timeout | undefined
  #sampledMs = 0
  #windowMs = 0
  /** The least lag of the window under way, and of the one before. */
  #leastMs = 0
  #leastBeforeMs = 0
  #memoryMs = 0
  #relievedMs = Number.NEGATIVE_INFINITY
  #relieveMs: number = limits.memoryRelieveMs
  /** Bytes of buffers that were left the last time. */
  #bufferBytes = 0

  constructor(options: PressureOptions) {
    const { residentBytes, bufferBytes } = options
    this.#options = {
      ...options,
      residentBytes: orAsBefore(residentBytes),
      bufferBytes: orAsBefore(bufferBytes),
    }
    this.#memoryBytes = options.memoryBytes
  }

  start(): void {
    this.#sampledMs = performance.now()
    this.#timer = setInterval(() => this.sample(performance.now()), limits.lagCheckMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** A new bound. */
  resize(memoryBytes: number): void {
    this.#memoryBytes = memoryBytes
  }

  /** Seconds that everything waited for its turn at least, for half a second or more. */
  get lagSeconds(): number {
    return Math.min(this.#leastMs, this.#leastBeforeMs) / 1e3
  }

  /** Whether new requests are to be refused until the loop keeps up again. */
  get isLagging(): boolean {
    return this.#leastMs > limits.lagMsMax && this.#leastBeforeMs > limits.lagMsMax
  }

  get memoryBytes(): number {
    return this.#memoryBytes
  }

  /** The timer came, at `nowMs`. */
  sample(nowMs: number): void {
    const lagMs = Math.max(0, nowMs - this.#sampledMs - limits.lagCheckMs)
    this.#sampledMs = nowMs
    if (nowMs - this.#windowMs >= limits.lagWindowMs) {
      this.#windowMs = nowMs
      this.#leastBeforeMs = this.#leastMs
      this.#leastMs = lagMs
    } else this.#leastMs = Math.min(this.#leastMs, lagMs)
    if (nowMs - this.#memoryMs >= limits.memoryCheckMs) {
      this.#memoryMs = nowMs
      this.#weigh(nowMs)
    }
  }

  #weigh(nowMs: number): void {
    const { shares, residentBytes, bufferBytes, relieve, relieved } = this.#options
    const { whole } = shares
    const before = residentBytes()
    const left = this.#memoryBytes * limits.memoryShareMax - before
    const more = Math.max(left / limits.memoryPerByte, 0)
    shares.lower(Math.max(whole.bytes + more, limits.memoryInflightBytesMin))
    if (left > 0) this.#relieveMs = limits.memoryRelieveMs
    if (left > 0 || nowMs - this.#relievedMs < this.#pauseMs()) return
    relieve()
    this.#relievedMs = nowMs
    this.#bufferBytes = bufferBytes()
    const after = residentBytes()
    relieved(before, after)
    // What is not garbage stays, however often it is looked for; and looking takes a while.
    const isOfUse = after < before * (1 - limits.memoryRelievedShareMin)
    const longerMs = Math.min(this.#relieveMs * 2, limits.memoryRelieveMsMax)
    this.#relieveMs = isOfUse ? limits.memoryRelieveMs : longerMs
  }

  /** Milliseconds from one try to the next. */
  #pauseMs(): number {
    const more = this.#options.bufferBytes() - this.#bufferBytes
    return more > this.#memoryBytes * limits.memoryBuffersShareMax ? limits.memoryBuffersMs : this.#relieveMs
  }
}

/** Node.js reads a file of the system for what is in use, and throws when all that may be open are: no reason to end. */
function orAsBefore(read: () => number): () => number {
  let last = 0
  return () => {
    try {
      last = read()
    } catch {
      // Connections have taken the last of the files: it is known again once one of them ends.
    }
    return last
  }
}
