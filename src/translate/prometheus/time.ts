/** Times as OTLP has them: nanoseconds since 1970, in 64 bits without a sign. */

const NANOSECONDS = 1_000_000n
/** The last millisecond whose nanoseconds fit: in July 2554. */
const MS_MAX = Number((2n ** 64n - 1n) / NANOSECONDS)

let lastMs = 0
let lastNanoseconds = 0n

/** Milliseconds since 1970 as nanoseconds; undefined when OTLP has no such time: before 1970 or after 2554. */
export function nanosecondsOf(ms: number): bigint | undefined {
  if (ms === lastMs) return lastNanoseconds
  if (ms < 0 || ms > MS_MAX) return undefined
  lastMs = ms
  lastNanoseconds = BigInt(ms) * NANOSECONDS
  return lastNanoseconds
}

/** Seconds with a fraction as nanoseconds, to the nearest one. `seconds` lies between 0 and 2^53. */
export function nanosecondsOfSeconds(seconds: number): bigint {
  const whole = Math.floor(seconds)
  return BigInt(whole) * 1000n * NANOSECONDS + BigInt(Math.round((seconds - whole) * 1e9))
}
