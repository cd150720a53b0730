// Items are spans, data points and log records. Everything here reads messages that `check` has passed.

import { METRIC, SCOPE_METRICS, SUMMARY_POINT } from './otlp-schema'
import { fieldNumber, length, readLength, readTag, skipValue, wireType } from './wire'

/** True for the fields of a Metric that hold data points: 5 gauge, 7 sum, 9 histogram, 10 exponential, 11 summary. */
@inline
export function isData(field: u32): bool {
  return field < 12 && ((1 << field) & 0b111010100000) != 0
}

/**
 * True when a Metric has its data in two fields. Of one kind they merge, of two the last one counts (oneof); what is in
 * them is neither told apart nor cut.
 */
export let isStrange: bool = false

/** Data points of a Metric, as a decoder finds them. */
export function metricItems(at: usize, end: usize): i32 {
  let items = 0
  let data: u32 = 0
  isStrange = false
  while (at < end) {
    at = readTag(at, end)
    const field = fieldNumber
    if (!isData(field)) {
      at = skipValue(at, end, wireType)
      continue
    }
    if (data != 0) isStrange = true
    if (data != field) items = 0
    data = field
    at = readLength(at, end)
    const last = at + length
    items += fieldsOf(at, last, 1)
    at = last
  }
  return items
}

/** Items of one Scope*. */
export function scopeItems(scope: u32, at: usize, end: usize): i32 {
  if (scope != SCOPE_METRICS) return fieldsOf(at, end, 2)
  let items = 0
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber == 2) {
      at = readLength(at, end)
      const last = at + length
      items += metricItems(at, last)
      at = last
    } else at = skipValue(at, end, wireType)
  }
  return items
}

/** How often the field stands in the message. */
export function fieldsOf(at: usize, end: usize, field: u32): i32 {
  let count = 0
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber == field) count++
    at = skipValue(at, end, wireType)
  }
  return count
}

/** Items below a field that holds `message`: one, or those of a Metric, a Scope* or the data of a Metric. */
export function itemsOf(message: u32, at: usize, end: usize): i32 {
  if (message == METRIC) return metricItems(at, end)
  if (message > SUMMARY_POINT) return fieldsOf(at, end, 1)
  return scopeItems(message, at, end)
}

/** The same for a Scope* or the data of a Metric, but it stops at `most`. */
export function itemsUpTo(message: u32, at: usize, end: usize, most: i32): i32 {
  if (message == SCOPE_METRICS) {
    let items = 0
    while (at < end && items < most) {
      at = readTag(at, end)
      const field = fieldNumber
      const fieldEnd = skipValue(at, end, wireType)
      if (field == 2) items += metricItems(readLength(at, end), fieldEnd)
      at = fieldEnd
    }
    return items
  }
  const item: u32 = message > SUMMARY_POINT ? 1 : 2
  let items = 0
  while (at < end && items < most) {
    at = readTag(at, end)
    if (fieldNumber == item) items++
    at = skipValue(at, end, wireType)
  }
  return items
}
