/** What a client has begun and must bring to its end in time: its first SETTINGS, a frame, or a header block in several. */
import { limits } from '../../limits.ts'

const NOTHING = -1

export class Owed {
  #what = 0
  #sinceMs = performance.now()

  /** Notes what is owed now, as a number that stays the same for as long as it is; a negative one when nothing is. */
  note(what: number): void {
    if (what === this.#what) return
    this.#what = what
    this.#sinceMs = what <= NOTHING ? Number.POSITIVE_INFINITY : performance.now()
  }

  isLate(nowMs: number): boolean {
    return nowMs - this.#sinceMs > limits.headersMsMax
  }
}
