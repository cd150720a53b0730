// The rare request in which an item is at fault, or bears the stamp's name where it must not: it is copied without them.
// An item with an id of a wrong length or a text that is not UTF-8 goes alone; a fault in what encloses items (a resource,
// a scope, the texts of a metric) takes all of them along. What has nothing to lose is copied byte for byte, its lengths too.

import { E_MEMORY, E_PROTOBUF, arenaTake, copyLoose } from './memory'
import { isStrange, itemsOf, metricItems } from './otlp-items'
import {
  ATTRIBUTE,
  FAULT_ID,
  FAULT_TEXT,
  LOG_RECORD,
  METRIC,
  RESOURCE,
  RESOURCE_LOGS,
  RESOURCE_SPANS,
  SCOPE_LOGS,
  SCOPE_SPANS,
  SUMMARY,
  SUMMARY_POINT,
  check,
  faults,
  faultsForget,
  hasAttributes,
  isDeep,
  isForged,
  nestedIn,
} from './otlp-schema'
import { fieldNumber, length, readLength, readTag, skipValue, varintBytes, wireType, writeVarint } from './wire'

/** Start of the last cleaned payload. */
export let cleaned: usize = 0
/** Items that were taken out, for an id and for a text. */
export let idsTakenOut: i32 = 0
export let textsTakenOut: i32 = 0

let out: usize = 0

export function cleanForget(): void {
  idsTakenOut = 0
  textsTakenOut = 0
}

/** Copies a payload that was walked, without what is at fault: the bytes that are left, or E_MEMORY. */
export function cleanPayload(signal: u32, at: usize, end: usize): i32 {
  cleaned = arenaTake(end - at)
  if (cleaned == 0) return E_MEMORY
  out = cleaned
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (fieldNumber != 1) {
      at = skipValue(at, end, wireType)
      keep(fieldAt, at)
      continue
    }
    const lengthAt = at
    at = readLength(at, end)
    const last = at + length
    cleanField(RESOURCE_SPANS + signal, fieldAt, lengthAt, at, last, 1)
    at = last
  }
  faultsForget()
  return <i32>(out - cleaned)
}

function keep(from: usize, to: usize): void {
  copyLoose(out, from, to - from)
  out += to - from
}

/** Copies a field that holds `message`, or not. True when anything of it was left out. */
function cleanField(message: u32, fieldAt: usize, lengthAt: usize, at: usize, end: usize, level: i32): bool {
  const reason = faultOf(message, at, end, level)
  if (reason != 0) {
    const items = message <= RESOURCE_LOGS ? resourceItems(message, at, end) : itemsBelow(message, at, end)
    if ((reason & FAULT_ID) != 0) idsTakenOut += items
    else textsTakenOut += items
    return true
  }
  if (!(isDeep ? hasAttributes(message) : holdsItems(message))) {
    keep(fieldAt, end)
    return false
  }
  const outAt = out
  // What is left is never longer, so the length that was there has room for the new one.
  keep(fieldAt, at)
  const bodyAt = out
  if (!cleanFields(message, at, end, level)) {
    out = outAt
    keep(fieldAt, end)
    return false
  }
  const bytes = out - bodyAt
  const needed = varintBytes(<u32>bytes)
  const newLengthAt = outAt + (lengthAt - fieldAt)
  memory.copy(newLengthAt + needed, bodyAt, bytes)
  writeVarint(newLengthAt, <u32>bytes)
  out = newLengthAt + needed + bytes
  return true
}

function cleanFields(message: u32, at: usize, end: usize, level: i32): bool {
  let isChanged = false
  let from = at
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const nested = nestedIn(message, fieldNumber)
    if (nested < 0) {
      at = skipValue(at, end, wireType)
      continue
    }
    const lengthAt = at
    at = readLength(at, end)
    const last = at + length
    if (nested == ATTRIBUTE) {
      if (isDeep && message != RESOURCE && isForged(at, last)) {
        keep(from, fieldAt)
        from = last
        isChanged = true
      }
    } else if (isDeep ? hasAttributes(nested) : holdsItems(nested) || isItem(nested)) {
      keep(from, fieldAt)
      from = last
      if (cleanField(nested, fieldAt, lengthAt, at, last, level + 1)) isChanged = true
    }
    at = last
  }
  keep(from, end)
  return isChanged
}

/** Resource*, Scope*, Metric, Gauge, …: what stands around items. */
function holdsItems(message: u32): bool {
  return message <= SCOPE_LOGS || message == METRIC || (message > SUMMARY_POINT && message <= SUMMARY)
}

function isItem(message: u32): bool {
  return message > SCOPE_LOGS && message <= SUMMARY_POINT && message != METRIC
}

/** Why a message must go as a whole: an item for any fault in it, what stands around items for one outside of them. */
function faultOf(message: u32, at: usize, end: usize, level: i32): u32 {
  if (message > SUMMARY) return 0
  faultsForget()
  if (isItem(message) || (message == METRIC && isStrangeMetric(at, end))) check(message, at, end, level)
  else {
    while (at < end) {
      const fieldAt = at
      at = readTag(at, end)
      const nested = nestedIn(message, fieldNumber)
      at = skipValue(at, end, wireType)
      if (nested < <i32>SCOPE_SPANS || nested > <i32>SUMMARY) check(message, fieldAt, at, level)
    }
  }
  return faults & (FAULT_ID | FAULT_TEXT)
}

function isStrangeMetric(at: usize, end: usize): bool {
  metricItems(at, end)
  return isStrange
}

function itemsBelow(message: u32, at: usize, end: usize): i32 {
  return isItem(message) ? 1 : itemsOf(message, at, end)
}

function resourceItems(message: u32, at: usize, end: usize): i32 {
  let items = 0
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber != 2) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const last = at + length
    items += itemsOf(message + SCOPE_SPANS, at, last)
    at = last
  }
  return items
}
