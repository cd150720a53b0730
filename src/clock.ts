/**
 * The seam between what decides by time and the machine's clocks: retention, probes, the age of what was written last.
 * Tests put a clock in its place that they move by hand, so that an hour costs them nothing.
 *
 * Nothing asks it for an item or a record: a group commit asks three times, an append to the log twice.
 */

export interface Timer {
  /** It does not fire from now on. No error when it has fired, or was stopped. */
  close(): void
}

export interface Clock {
  /** Unix milliseconds, as file systems date files by; jumps when the machine's clock is set. */
  wallMs(): number
  /** Milliseconds since some moment; never goes back and never jumps. */
  steadyMs(): number
  /** Calls once, `ms` from now. */
  after(ms: number, call: () => void): Timer
  /** Calls every `ms`. Does not keep the process from ending. */
  every(ms: number, call: () => void): Timer
}

/** The clocks of the machine. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  after: (ms, call) => setTimeout(call, ms),
  every: (ms, call) => setInterval(call, ms).unref(),
}
