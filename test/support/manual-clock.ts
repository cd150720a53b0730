/** A clock that stands still until a test moves it. */
import type { Clock, Timer } from '../../src/clock.ts'

interface Pending {
  atMs: number
  readonly everyMs: number | undefined
  readonly call: () => void
}

export class ManualClock implements Clock {
  #steadyMs = 0
  #wallMs = 1_760_000_000_000
  readonly #pending = new Set<Pending>()

  wallMs(): number {
    return this.#wallMs
  }

  steadyMs(): number {
    return this.#steadyMs
  }

  after(ms: number, call: () => void): Timer {
    return this.#add(ms, undefined, call)
  }

  every(ms: number, call: () => void): Timer {
    return this.#add(ms, ms, call)
  }

  /** Time passes at once, as after a sleep of the machine: what is due is called, in its order, each timer once. */
  pass(ms: number): void {
    this.#steadyMs += ms
    this.#wallMs += ms
    const due = [...this.#pending].filter(({ atMs }) => atMs <= this.#steadyMs)
    for (const timer of due.toSorted((a, b) => a.atMs - b.atMs)) {
      if (!this.#pending.has(timer)) continue
      if (timer.everyMs === undefined) this.#pending.delete(timer)
      else timer.atMs = this.#steadyMs + timer.everyMs
      timer.call()
    }
  }

  /** The clock on the wall is set, forward or back; nothing is due by it. */
  setWall(ms: number): void {
    this.#wallMs = ms
  }

  #add(ms: number, everyMs: number | undefined, call: () => void): Timer {
    const timer = { atMs: this.#steadyMs + ms, everyMs, call }
    this.#pending.add(timer)
    return { close: () => this.#pending.delete(timer) }
  }
}
