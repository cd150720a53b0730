/**
 * One request on its way through the route: it is settled when the fate of each of its records is known, and durable
 * only when all of them are.
 */
import type { GuidepostError } from '../errors.ts'

export class Submission {
  /** Settles with undefined when every record is durable, otherwise with the first failure. Never rejects. */
  readonly settled: Promise<GuidepostError | undefined>
  #settle!: (failure: GuidepostError | undefined) => void
  #pending = 1
  #failure: GuidepostError | undefined
  #onSettled: (() => void) | undefined

  constructor() {
    this.settled = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /** Called just before it is settled, or now when it is. */
  onSettled(done: () => void): void {
    if (this.#pending === 0) done()
    else this.#onSettled = done
  }

  /** One more record holds items of this request. */
  join(): void {
    this.#pending++
  }

  /** The fate of one record, or the end of joining. */
  leave(failure: GuidepostError | undefined): void {
    this.#failure ??= failure
    if (--this.#pending > 0) return
    this.#onSettled?.()
    this.#settle(this.#failure)
  }
}
