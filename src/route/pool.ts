/**
 * Buffers for records, kept for reuse by size. Each large Buffer is an ArrayBuffer of its own, and those are what drives
 * V8's full collections here; a pooled one is made once.
 */
import { KiB, limits } from '../limits.ts'

/** Below this the runtime's own slabs are as good. */
const SMALL_BYTES = 16 * KiB

export class BufferPool {
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  /** A buffer of at least `bytes` bytes with undefined contents. Its length is what the budget is charged. */
  take(bytes: number): Buffer {
    if (bytes <= SMALL_BYTES) return Buffer.allocUnsafe(bytes)
    const size = 2 ** Math.ceil(Math.log2(bytes))
    const buffer = this.#free.get(size)?.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size)
    this.#freeBytes -= size
    return buffer
  }

  /** Takes a buffer back. The giver no longer touches it, nor any view of it. */
  give(buffer: Buffer): void {
    const size = buffer.length
    if (size <= SMALL_BYTES || this.#freeBytes + size > limits.poolBytesMax) return
    const free = this.#free.get(size)
    if (free === undefined) this.#free.set(size, [buffer])
    else free.push(buffer)
    this.#freeBytes += size
  }

  /** Forgets all free buffers. */
  clear(): void {
    this.#free.clear()
    this.#freeBytes = 0
  }
}
