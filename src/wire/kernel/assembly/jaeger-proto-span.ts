// A Span of jaeger.api_v2 and the process that it belongs to, from protobuf to OTLP.
//
//   Process  1 service_name, 2 tags
//   Span     1 trace_id, 2 span_id, 3 operation_name, 4 references, 5 flags, 6 start_time, 7 duration, 8 tags, 9 logs,
//            10 process, 11 process_id, 12 warnings

import { A_TEXT, A_TEXTS, attribute, attributesForget } from './attributes'
import { PROCESS_ID_BYTES, WARNINGS_BYTES, processIdKey, warningsKey } from './jaeger-names'
import {
  nanos,
  readKeyValue,
  readLog,
  readReference,
  readSeconds,
  readSpanId,
  readTraceId,
  seconds,
  secondsAre,
  spanId,
  traceHigh,
  traceLow,
} from './jaeger-proto-parts'
import { serviceIs, spanBegin, spanEnd, writeResource } from './jaeger-scope'
import {
  FLAGS,
  NAME,
  NAME_BYTES,
  SPAN_ID,
  TRACE_HIGH,
  TRACE_LOW,
  keepFlags,
  problem,
  setProblem,
  span,
  spanForget,
  writeHead,
  writeTail,
} from './jaeger-span'
import { timesOf } from './jaeger-times'
import { sameBytes } from './memory'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

/** A span's process is not the one that is written; never shown to the host. */
export const E_GROUPS: i32 = -101

/** The process that is written, and whether the processes of its spans are known to be it. */
let processAt: usize = 0
let processBytes: usize = 0
let isGrouped: bool = false

/** Writes the resource of a process, to which the next spans belong; `grouped`: their own processes were seen to. */
export function writeProcess(start: usize, bytes: usize, grouped: bool): bool {
  processAt = start
  processBytes = bytes
  isGrouped = grouped
  const end = start + bytes
  let name: usize = 0
  let nameBytes: usize = 0
  attributesForget()
  // The name comes first, wherever it stands: a tag may replace it.
  for (let pass = 0; pass < 2; pass++) {
    let at = start
    while (at < end) {
      at = readTag(at, end)
      if (at == 0) return false
      if (fieldNumber > 2) {
        at = skipValue(at, end, wireType)
        if (at == 0) return false
        continue
      }
      const field = fieldNumber
      if (wireType != 2) return false
      at = readLength(at, end)
      if (at == 0) return false
      const next = at + length
      if (pass == 0 && field == 1) {
        name = at
        nameBytes = length
      } else if (pass == 1 && field == 2 && !readKeyValue(at, next)) return false
      at = next
    }
    if (pass == 0) serviceIs(name, nameBytes)
  }
  setProblem(writeResource())
  return problem == 0
}

// What a span's fields say that `span` has no place for; ranges from the first field of a number to the last.
let startSeconds: i64 = 0
let startNanos: i32 = 0
let durationSeconds: i64 = 0
let durationNanos: i32 = 0
let logsAt: usize = 0
let logsEnd: usize = 0
let warningsAt: usize = 0
let warningsEnd: usize = 0
let processId: usize = 0
let processIdBytes: usize = 0
let processParts: u32 = 0

/** Writes a span; false when it is malformed, or `problem` or `outputCode` say why. */
export function writeSpan(at: usize, end: usize): bool {
  if (!spanBegin()) return false
  spanForget()
  startSeconds = 0
  startNanos = 0
  durationSeconds = 0
  durationNanos = 0
  logsAt = 0
  warningsAt = 0
  processIdBytes = 0
  processParts = 0
  while (at < end) {
    // Most fields are tags, below 128 bytes.
    const next = at + 2 + <usize>load<u8>(at, 1)
    if (load<u8>(at) == 0x42 && load<u8>(at, 1) < 0x80 && next <= end) {
      if (!readKeyValue(at + 2, next)) return false
      at = next
      continue
    }
    at = readField(at, end)
    if (at == 0) return false
  }
  if (problem != 0) return false
  keepFlags()
  timesOf(startSeconds, startNanos, durationSeconds, durationNanos)
  if (processIdBytes != 0) attribute(processIdKey, PROCESS_ID_BYTES, A_TEXT, <u64>processId, processIdBytes)
  if (warningsAt != 0) {
    attribute(warningsKey, WARNINGS_BYTES, A_TEXTS, <u64>12 << 32 | <u64>warningsAt, warningsEnd - warningsAt)
  }
  if (!writeHead()) return false
  if (logsAt != 0 && !writeLogs(logsAt, logsEnd)) return false
  writeTail()
  return spanEnd()
}

function readField(at: usize, end: usize): usize {
  const fieldAt = at
  at = readTag(at, end)
  if (at == 0) return 0
  const field = fieldNumber
  if (field > 12) return skipValue(at, end, wireType)
  if (field == 5) {
    if (wireType != 0) return 0
    at = readVarint(at, end)
    store<u64>(span, <u64><u32>varint, FLAGS)
    return at
  }
  if (wireType != 2) return 0
  if (field == 1) {
    at = readTraceId(at, end)
    store<u64>(span, traceHigh, TRACE_HIGH)
    store<u64>(span, traceLow, TRACE_LOW)
    return at
  }
  if (field == 2) {
    at = readSpanId(at, end)
    store<u64>(span, spanId, SPAN_ID)
    return at
  }
  at = readLength(at, end)
  if (at == 0) return 0
  const next = at + length
  return readContent(field, fieldAt, at, next) ? next : 0
}

/** A field of bytes: its tag begins at `fieldAt`, what it holds at `at`. */
function readContent(field: u32, fieldAt: usize, at: usize, end: usize): bool {
  switch (field) {
    case 3:
      store<u32>(span, <u32>at, NAME)
      store<u32>(span, <u32>(end - at), NAME_BYTES)
      return true
    case 4:
      return readReference(at, end)
    case 6:
      secondsAre(startSeconds, startNanos)
      if (!readSeconds(at, end)) return false
      startSeconds = seconds
      startNanos = nanos
      return true
    case 7:
      secondsAre(durationSeconds, durationNanos)
      if (!readSeconds(at, end)) return false
      durationSeconds = seconds
      durationNanos = nanos
      return true
    case 8:
      return readKeyValue(at, end)
    case 9:
      if (logsAt == 0) logsAt = fieldAt
      logsEnd = end
      return true
    case 10:
      processParts++
      if (isGrouped || (processParts == 1 && isProcess(at, end - at))) return true
      setProblem(E_GROUPS)
      return false
    case 11:
      processId = at
      processIdBytes = end - at
      return true
    default:
      if (warningsAt == 0) warningsAt = fieldAt
      warningsEnd = end
      return true
  }
}

/** The logs of a span in the range from the first to the last; other fields there were read before. */
function writeLogs(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber != 9) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const next = at + length
    if (!readLog(at, next)) return false
    at = next
  }
  return true
}

@inline
function isProcess(at: usize, bytes: usize): bool {
  return bytes == processBytes && sameBytes(at, processAt, bytes)
}
