// Jaeger's times as those of OTLP: nanoseconds since 1970, unsigned, 64 bits. What is outside of them is clamped, and kept
// in microseconds as an attribute.

import { A_INT, attribute } from './attributes'
import { DURATION_BYTES, START_BYTES, TIMESTAMP_BYTES, durationKey, startKey, timestampKey } from './jaeger-names'
import { END, START, span } from './jaeger-span'

const US_MAX: i64 = 18446744073709551
const SECONDS_MAX: i64 = 18446744073
/** Nanoseconds of that second which still fit. */
const LAST_NS_MAX: i64 = 709551615
const SECOND_NS: i64 = 1000000000
const SECOND_US: i64 = 1000000

/** Whether the last conversion lost anything. */
let isClamped: bool = false

function nanosOfMicros(us: i64): u64 {
  isClamped = <u64>us > <u64>US_MAX
  if (!isClamped) return <u64>us * 1000
  return us < 0 ? 0 : u64.MAX_VALUE
}

/** `seconds` and `nanos` may each have any value and sign. */
function nanosOf(seconds: i64, nanos: i64): u64 {
  const whole = floorSeconds(nanos)
  const sum = addSaturated(seconds, whole)
  const rest = nanos - whole * SECOND_NS
  isClamped = sum < 0 || sum > SECONDS_MAX || (sum == SECONDS_MAX && rest > LAST_NS_MAX)
  if (!isClamped) return <u64>(sum * SECOND_NS + rest)
  return sum < 0 ? 0 : u64.MAX_VALUE
}

@inline
function floorSeconds(nanos: i64): i64 {
  const seconds = nanos / SECOND_NS
  return nanos < seconds * SECOND_NS ? seconds - 1 : seconds
}

@inline
function addSaturated(a: i64, b: i64): i64 {
  const sum = a + b
  // Both have the sign that the sum has not.
  if (((a ^ sum) & (b ^ sum)) >= 0) return sum
  return a < 0 ? i64.MIN_VALUE : i64.MAX_VALUE
}

/** Microseconds, rounded down, as near as 64 bits come. */
function microsOf(seconds: i64, nanos: i64): i64 {
  const whole = floorSeconds(nanos)
  const sum = addSaturated(seconds, whole)
  const most: i64 = i64.MAX_VALUE / SECOND_US
  if (sum >= most) return i64.MAX_VALUE
  if (sum <= -most) return i64.MIN_VALUE
  return sum * SECOND_US + (nanos - whole * SECOND_NS) / 1000
}

/** Sets the start and the end of the span at hand from Thrift's microseconds. */
export function timesOfMicros(startUs: i64, durationUs: i64): void {
  store<u64>(span, nanosOfMicros(startUs), START)
  if (isClamped) keepStart(startUs)
  store<u64>(span, nanosOfMicros(addSaturated(startUs, durationUs)), END)
  if (isClamped) keepDuration(durationUs)
}

/** Sets them from a Timestamp and a Duration of protobuf. */
export function timesOf(seconds: i64, nanos: i32, durationSeconds: i64, durationNanos: i32): void {
  store<u64>(span, nanosOf(seconds, nanos), START)
  if (isClamped) keepStart(microsOf(seconds, nanos))
  const sum = addSaturated(seconds, durationSeconds)
  store<u64>(span, nanosOf(sum, <i64>nanos + <i64>durationNanos), END)
  if (isClamped) keepDuration(microsOf(durationSeconds, durationNanos))
}

function keepStart(us: i64): void {
  attribute(startKey, START_BYTES, A_INT, <u64>us, 0)
}

function keepDuration(us: i64): void {
  attribute(durationKey, DURATION_BYTES, A_INT, <u64>us, 0)
}

/** The time of an event; adds the attribute that it needs. */
export function eventTimeOfMicros(us: i64): u64 {
  const ns = nanosOfMicros(us)
  if (isClamped) attribute(timestampKey, TIMESTAMP_BYTES, A_INT, <u64>us, 0)
  return ns
}

export function eventTimeOf(seconds: i64, nanos: i32): u64 {
  const ns = nanosOf(seconds, nanos)
  if (isClamped) attribute(timestampKey, TIMESTAMP_BYTES, A_INT, <u64>microsOf(seconds, nanos), 0)
  return ns
}
