/**
 * One request on its way through the route: it is settled when the fate of each of its records is known, and durable
 * only when all of them are.
 */
import type { GuidepostError } from '../errors.ts'

/** Undefined when every record is durable, otherwise the first failure. */
export type Fate = GuidepostError | undefined

/** On whose books the bytes of a request's records are; a `Claim` is one. */
export interface BytesHolder {
  settled(bytes: number): void
}

export class Submission {
  #pending = 1
  #holder: BytesHolder | undefined
  #heldBytes = 0
  #failure: Fate
  #listener: ((fate: Fate) => void) | undefined

  /** As `onSettled`. Never rejects. */
  get settled(): Promise<Fate> {
    return new Promise((resolve) => this.onSettled(resolve))
  }

  /** `holder` is told just before all others, once, and of so many bytes. */
  holdUntilSettled(holder: BytesHolder, bytes: number): void {
    if (this.#pending === 0) {
      holder.settled(bytes)
      return
    }
    this.#holder = holder
    this.#heldBytes = bytes
  }

  /** Told once when it is settled, in the midst of the route's work, so it must not throw; now when it is settled already. */
  onSettled(listener: (fate: Fate) => void): void {
    if (this.#pending === 0) listener(this.#failure)
    else if (this.#listener === undefined) this.#listener = listener
    else {
      const before = this.#listener
      this.#listener = (fate) => {
        before(fate)
        listener(fate)
      }
    }
  }

  /** One more record holds items of this request. */
  join(): void {
    this.#pending++
  }

  /** The fate of one record, or the end of joining. */
  leave(failure: Fate): void {
    this.#failure ??= failure
    if (--this.#pending > 0) return
    this.#holder?.settled(this.#heldBytes)
    this.#listener?.(this.#failure)
    this.#holder = undefined
    this.#listener = undefined
  }
}
