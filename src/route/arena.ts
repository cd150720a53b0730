/**
 * Memory of records: of one batch alone, which may grow into what is left of it, or of all records of a request that brings
 * a crowd of them. A piece of memory for each of a thousand small records costs more than all else that is done for it.
 */
import type { BufferPool } from './pool.ts'

export class Arena {
  readonly buffer: Buffer
  /** Whether several batches have a part of it. */
  readonly isShared: boolean
  /** Bytes of the budget that go with the memory, not with the batches in it. */
  readonly heldBytes: number
  #users = 1
  #isSpoiled = false

  /** `buffer` is from a pool. It has one user, who calls `leave`. */
  constructor(buffer: Buffer, isShared: boolean) {
    this.buffer = buffer
    this.isShared = isShared
    this.heldBytes = isShared ? buffer.length : 0
  }

  /** One more batch has bytes in it. */
  join(): void {
    this.#users++
  }

  /**
   * A user is done with it; true for the last one. The memory then goes back to the pool, unless a user has left it to the
   * collector, since its bytes may still be read.
   */
  leave(pool: BufferPool, isOver: boolean): boolean {
    if (!isOver) this.#isSpoiled = true
    if (--this.#users > 0) return false
    if (!this.#isSpoiled) pool.give(this.buffer)
    return true
  }
}
