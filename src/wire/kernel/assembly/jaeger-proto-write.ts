// Writes jaeger.api_v2.PostSpansRequest (jaegertracing/jaeger-idl proto/api_v2/{collector,model}.proto v0.6.0) from what
// Thrift says, as Jaeger's own collector translates it (jaegertracing/jaeger model/converter/thrift/jaeger): every tag as it
// came, the parent as a first child_of reference unless an equal one is there.
//
// Jaeger's readers refuse a Timestamp outside of the years 1 to 9999 and a Duration beyond 292 years: these are clamped,
// and kept in microseconds as a tag.

import { A_BOOL, A_BYTES, A_DOUBLE, A_INT } from './attributes'
import {
  DURATION_BYTES,
  START_BYTES,
  TIMESTAMP_BYTES,
  durationKey,
  startKey,
  timestampKey,
} from './jaeger-names'
import {
  FLAGS,
  NAME,
  NAME_BYTES,
  PARENT_ID,
  SPAN_ID,
  TRACE_HIGH,
  TRACE_LOW,
  endOfReferences,
  firstReference,
  isParent,
  nextReference,
  span,
} from './jaeger-span'
import { close, open, openWidth, out, outTo, outputCode, putTag, putText, putVarint, room } from './output'
import { varintBytes } from './wire'

let batchMark: usize = 0
let width: usize = 0
let processMark: usize = 0
let spanMark: usize = 0
let logMark: usize = 0

/** Begins PostSpansRequest.batch, which likely takes `bytes` bytes. */
export function batchBegin(bytes: usize): void {
  width = varintBytes(<u32>bytes)
  if (room(16)) batchMark = openWidth(0x0a, width)
}

export function batchEnd(): void {
  if (outputCode == 0) close(batchMark, width)
}

export function processBegin(name: usize, nameBytes: usize): bool {
  if (!room(32 + nameBytes)) return false
  processMark = open(0x12)
  if (nameBytes != 0) putText(0x0a, name, nameBytes)
  return true
}

export function processEnd(): void {
  if (outputCode == 0) close(processMark)
}

export function protoSpanBegin(): bool {
  if (!room(16)) return false
  spanMark = open(0x0a)
  return true
}

/** Writes a KeyValue: 1 key, 2 v_type (0 string, 1 bool, 2 int64, 3 float64, 4 binary), 3 to 7 the values in that order. */
export function putKeyValue(tag: u32, key: usize, keyBytes: usize, type: u32, value: u64, valueBytes: usize): void {
  if (!room(64 + keyBytes + valueBytes)) return
  const mark = keyBytes + valueBytes < 110 ? openWidth(tag, 1) : open(tag)
  const isShort = keyBytes + valueBytes < 110
  if (keyBytes != 0) putText(0x0a, key, keyBytes)
  // The numbers of the types are those of `attributes.ts`.
  if (type != 0) {
    putTag(0x10)
    putVarint(type)
  }
  if (type == A_DOUBLE) {
    if (value != 0) {
      putTag(0x31)
      store<u64>(out, value)
      outTo(out + 8)
    }
  } else if (type == A_BOOL || type == A_INT) {
    if (value != 0) {
      putTag(type == A_BOOL ? 0x20 : 0x28)
      putVarint(value)
    }
  } else if (valueBytes != 0) putText(type == A_BYTES ? 0x3a : 0x1a, <usize>value, valueBytes)
  close(mark, isShort ? 1 : 2)
}

export function logBegin(): bool {
  if (!room(16)) return false
  logMark = open(0x4a)
  return true
}

/** Log: 1 timestamp, 2 fields. */
export function logEnd(timeUs: i64): void {
  if (!room(64)) return
  const kept = clamp(timeUs, FIRST_US, LAST_US)
  if (kept != timeUs) putKeyValue(0x12, timestampKey, TIMESTAMP_BYTES, A_INT, <u64>timeUs, 0)
  putTimestamp(0x0a, kept)
  if (outputCode == 0) close(logMark)
}

/** Ends the span of what `span` and the references say; its tags and logs are written. */
export function protoSpanEnd(startUs: i64, durationUs: i64): bool {
  const nameBytes = <usize>load<u32>(span, NAME_BYTES)
  if (!room(128 + nameBytes)) return false
  putIds(load<u64>(span, TRACE_HIGH), load<u64>(span, TRACE_LOW), load<u64>(span, SPAN_ID))
  if (nameBytes != 0) putText(0x1a, <usize>load<u32>(span, NAME), nameBytes)
  putReferences()
  if (!room(128)) return false
  const flags = <u32>load<u64>(span, FLAGS)
  if (flags != 0) {
    putTag(0x28)
    putVarint(flags)
  }
  const start = clamp(startUs, FIRST_US, LAST_US)
  putTimestamp(0x32, start)
  const duration = clamp(durationUs, -DURATION_US_MAX, DURATION_US_MAX)
  putSeconds(0x3a, duration / 1000000, duration % 1000000 * 1000)
  if (start != startUs) putKeyValue(0x42, startKey, START_BYTES, A_INT, <u64>startUs, 0)
  if (duration != durationUs) putKeyValue(0x42, durationKey, DURATION_BYTES, A_INT, <u64>durationUs, 0)
  if (outputCode != 0) return false
  close(spanMark)
  return true
}

/** Fields 1 and 2 of a Span, and of a SpanRef: trace id and span id. */
function putIds(traceHigh: u64, traceLow: u64, spanId: u64): void {
  const at = out
  store<u16>(at, 0x100a)
  store<u64>(at, bswap(traceHigh), 2)
  store<u64>(at, bswap(traceLow), 10)
  store<u16>(at, 0x0812, 18)
  store<u64>(at, bswap(spanId), 20)
  outTo(at + 28)
}

function putReferences(): void {
  const parent = load<u64>(span, PARENT_ID)
  const end = endOfReferences()
  if (parent != 0) {
    let isThere = false
    for (let row = firstReference(); row < end && !isThere; row = nextReference(row)) isThere = isParent(row, parent)
    if (!isThere) putReference(load<u64>(span, TRACE_HIGH), load<u64>(span, TRACE_LOW), parent, 0)
  }
  for (let row = firstReference(); row < end; row = nextReference(row)) {
    putReference(load<u64>(row), load<u64>(row, 8), load<u64>(row, 16), load<i32>(row, 24))
  }
}

function putReference(traceHigh: u64, traceLow: u64, spanId: u64, type: i32): void {
  if (!room(48)) return
  store<u16>(out, type == 0 ? 0x1c22 : 0x1e22)
  outTo(out + 2)
  putIds(traceHigh, traceLow, spanId)
  if (type == 0) return
  store<u16>(out, 0x0118)
  outTo(out + 2)
}

const FIRST_US: i64 = -62135596800000000
const LAST_US: i64 = 253402300799999999
const DURATION_US_MAX: i64 = 9223372036854775

@inline
function clamp(value: i64, least: i64, most: i64): i64 {
  return value < least ? least : value > most ? most : value
}

function putTimestamp(tag: u32, us: i64): void {
  let seconds = us / 1000000
  let rest = us % 1000000
  if (rest < 0) {
    seconds--
    rest += 1000000
  }
  putSeconds(tag, seconds, rest * 1000)
}

/** Timestamp and Duration: 1 seconds int64, 2 nanos int32. */
function putSeconds(tag: u32, seconds: i64, nanos: i64): void {
  const mark = openWidth(tag, 1)
  if (seconds != 0) {
    putTag(0x08)
    putVarint(seconds)
  }
  if (nanos != 0) {
    putTag(0x10)
    putVarint(nanos)
  }
  close(mark, 1)
}
