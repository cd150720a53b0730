// A Jaeger batch in Thrift (jaegertracing/jaeger-idl thrift/jaeger.thrift) to an ExportTraceServiceRequest of OTLP or to a
// jaeger.api_v2.PostSpansRequest. The reader is compiled for each protocol (`P`) and each target (`T`).
//
//   Batch    1 process (required), 2 spans list (required), 3 seqNo, 4 stats
//   Process  1 serviceName (required), 2 tags list
//   Span     1 traceIdLow, 2 traceIdHigh, 3 spanId, 4 parentSpanId, 5 operationName, 6 references list, 7 flags i32,
//            8 startTime, 9 duration (µs), 10 tags list, 11 logs list; all required but the lists
//   Log      1 timestamp (µs), 2 fields list; both required
//
// What follows the batch is not looked at, as in Jaeger's collector. seqNo and stats tell of the client and not of its
// spans, and are left behind.

import { E_ROWS, attribute, attributesForget, moreRows } from './attributes'
import {
  batchBegin,
  batchEnd,
  logBegin,
  logEnd,
  processBegin,
  processEnd,
  protoSpanBegin,
  protoSpanEnd,
  putKeyValue,
} from './jaeger-proto-write'
import {
  resourceSpansBegin,
  resourceSpansEnd,
  serviceIs,
  spanAgain,
  spanBegin,
  spanEnd,
  writeResource,
} from './jaeger-scope'
import {
  FLAGS,
  NAME,
  NAME_BYTES,
  PARENT_ID,
  SPAN_ID,
  TRACE_HIGH,
  TRACE_LOW,
  keepFlags,
  problem,
  referencesForget,
  setProblem,
  span,
  spanForget,
  tablesBegin,
  writeEvent,
  writeHead,
  writeTail,
} from './jaeger-span'
import {
  readReferences,
  readStructs,
  readTag,
  tagKey,
  tagKeyBytes,
  tagType,
  tagValue,
  tagValueBytes,
} from './jaeger-thrift-parts'
import { eventTimeOfMicros, timesOfMicros } from './jaeger-times'
import { E_ITEMS, E_THRIFT, arenaBytes } from './memory'
import { outTo, outputBegin, outputCode, outputEnd, translated } from './output'
import {
  Binary,
  Compact,
  T_I32,
  T_I64,
  T_LIST,
  T_STOP,
  T_STRING,
  T_STRUCT,
  elementCount,
  fault,
  fieldId,
  fieldType,
  integer,
  readField,
  readI32,
  readI64,
  readText,
  skipField,
  textAt,
  textBytes,
} from './thrift'

/** The targets; only the width of the types tells them apart. */
type Otlp = u8
type Jaeger = u16

@inline
function isOtlp<T>(): bool {
  return sizeof<T>() == 1
}

/** Rows of the tables at first. */
const ROWS: i32 = 256

let spansMax: u32 = 0

/**
 * Translates the batch at `at`. `protocol`: 0 binary, 1 compact; `target`: 0 OTLP, 1 Jaeger. The bytes of the translation
 * at `translated`, or E_THRIFT (`faultAt`), E_ITEMS when there are more than `itemsMax` spans or tags in a span, E_TOO_LARGE,
 * E_MEMORY.
 */
export function jaegerThriftTo(
  protocol: i32,
  target: i32,
  at: usize,
  bytes: usize,
  itemsMax: i32,
  outputBytesMax: usize,
): i32 {
  spansMax = itemsMax
  const regionsAt = arenaBytes()
  let rows = min(ROWS, itemsMax)
  while (true) {
    const code = translateOnce(protocol, target, at, bytes, rows, outputBytesMax)
    if (code != E_ROWS) return code
    rows = moreRows(rows, itemsMax, regionsAt)
    if (rows == 0) return E_ITEMS
  }
}

function translateOnce(protocol: i32, target: i32, at: usize, bytes: usize, rows: i32, bytesMax: usize): i32 {
  const code = tablesBegin(rows)
  if (code != 0) return code
  const begun = outputBegin(bytesMax, bytes + (bytes >> 1))
  if (begun != 0) return begun
  const end = at + bytes
  let isWhole: bool
  if (protocol == 0) isWhole = target == 0 ? readBatch<Binary, Otlp>(at, end, false) : readBatch<Binary, Jaeger>(at, end, false)
  else isWhole = target == 0 ? readBatch<Compact, Otlp>(at, end, false) : readBatch<Compact, Jaeger>(at, end, false)
  if (problem != 0) return problem
  if (outputCode != 0) return outputCode
  return isWhole ? outputEnd() : E_THRIFT
}

/** The process comes before the spans, and each once; when it is not so, the last of each is found first (`isLate`). */
function readBatch<P, T>(start: usize, end: usize, isLate: bool): bool {
  let at = start
  let id: i32 = 0
  let processAt: usize = 0
  let spansAt: usize = 0
  let isDone = false
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return false
    if (fieldType == T_STOP) break
    id = fieldId
    const isSpans = id == 2 && fieldType == T_LIST
    if (isSpans && processAt != 0 && !isLate && !isDone) {
      at = writeBatch<P, T>(processAt, at, end)
      isDone = true
    } else {
      if (isSpans) spansAt = at
      else if (id == 1 && fieldType == T_STRUCT) processAt = at
      else {
        at = skipField<P>(at, end)
        if (at == 0) return false
        continue
      }
      if (isDone) {
        outTo(translated)
        return readBatch<P, T>(start, end, true)
      }
      at = skipField<P>(at, end)
    }
    if (at == 0) return false
  }
  if (isDone) return true
  if (processAt == 0 || spansAt == 0) return fault(at - 1) != 0
  return writeBatch<P, T>(processAt, spansAt, end) != 0
}

/** Writes the spans of the list at `at`; the address behind them. */
function writeBatch<P, T>(processAt: usize, at: usize, end: usize): usize {
  const bytes = end - at
  at = readStructs<P>(at, end)
  if (at == 0) return 0
  const count = elementCount
  if (count > spansMax) {
    setProblem(E_ITEMS)
    return 0
  }
  if (isOtlp<T>()) resourceSpansBegin(bytes)
  else batchBegin(bytes)
  if (!writeProcess<P, T>(processAt, end)) return 0
  for (let i: u32 = 0; i < count; i++) {
    at = readSpan<P, T>(at, end)
    if (at == 0) return 0
  }
  if (count == 0) outTo(translated)
  else if (isOtlp<T>()) resourceSpansEnd()
  else batchEnd()
  return at
}

function writeProcess<P, T>(at: usize, end: usize): bool {
  let id: i32 = 0
  let isNamed = false
  let name: usize = 0
  let nameBytes: usize = 0
  let tagsAt: usize = 0
  attributesForget()
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return false
    if (fieldType == T_STOP) break
    id = fieldId
    if (id == 1 && fieldType == T_STRING) {
      at = readText<P>(at, end)
      name = textAt
      nameBytes = textBytes
      isNamed = true
    } else {
      // Read when the name is known, which comes first.
      if (id == 2 && fieldType == T_LIST) tagsAt = at
      at = skipField<P>(at, end)
    }
    if (at == 0) return false
  }
  if (!isNamed) return fault(at - 1) != 0
  if (isOtlp<T>()) serviceIs(name, nameBytes)
  else if (!processBegin(name, nameBytes)) return false
  if (tagsAt != 0 && readTags<P, T>(tagsAt, end, 0x12) == 0) return false
  if (isOtlp<T>()) setProblem(writeResource())
  else processEnd()
  return problem == 0
}

/** Reads a list of tags into the table of attributes, or writes them as fields with the tag `tag`. */
function readTags<P, T>(at: usize, end: usize, tag: u32): usize {
  at = readStructs<P>(at, end)
  if (at == 0) return 0
  const count = elementCount
  for (let i: u32 = 0; i < count; i++) {
    at = readTag<P>(at, end)
    if (at == 0) return 0
    if (isOtlp<T>()) attribute(tagKey, tagKeyBytes, tagType, tagValue, tagValueBytes)
    else putKeyValue(tag, tagKey, tagKeyBytes, tagType, tagValue, tagValueBytes)
  }
  return at
}

/** The fields 1 to 5 and 7 to 9, as bits. */
const REQUIRED: u32 = 0x3be

function readSpan<P, T>(at: usize, end: usize): usize {
  if (!(isOtlp<T>() ? spanBegin() : protoSpanBegin())) return 0
  return readSpanFields<P, T>(at, end, false)
}

let startUs: i64 = 0
let durationUs: i64 = 0

/** Keeps the number that was read of the field `id`. */
@inline
function keepNumber(id: i32): void {
  if (id == 1) store<i64>(span, integer, TRACE_LOW)
  else if (id == 2) store<i64>(span, integer, TRACE_HIGH)
  else if (id == 3) store<i64>(span, integer, SPAN_ID)
  else if (id == 4) store<i64>(span, integer, PARENT_ID)
  else if (id == 8) startUs = integer
  else durationUs = integer
}

/** The logs come last, so that they are written while they are read; when it is not so, they are passed over first (`isLate`). */
function readSpanFields<P, T>(start: usize, end: usize, isLate: bool): usize {
  let at = start
  let id: i32 = 0
  let seen: u32 = 0
  let logsAt: usize = 0
  let isHeadDone = false
  spanForget()
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return 0
    const type = fieldType
    if (type == T_STOP) break
    id = fieldId
    if (isHeadDone && <u32>id <= 11) {
      spanAgain()
      return readSpanFields<P, T>(start, end, true)
    }
    if (type == T_I64 && <u32>id <= 9 && (0x31e >> id & 1) != 0) {
      at = readI64<P>(at, end)
      keepNumber(id)
      seen |= 1 << id
    } else if (id == 5 && type == T_STRING) {
      at = readText<P>(at, end)
      store<u32>(span, <u32>textAt, NAME)
      store<u32>(span, <u32>textBytes, NAME_BYTES)
      seen |= 1 << 5
    } else if (id == 7 && type == T_I32) {
      at = readI32<P>(at, end)
      store<i64>(span, integer, FLAGS)
      seen |= 1 << 7
    } else if (id == 6 && type == T_LIST) {
      referencesForget()
      at = readReferences<P>(at, end)
    } else if (id == 10 && type == T_LIST) {
      attributesForget()
      at = readTags<P, T>(at, end, 0x42)
    } else if (id == 11 && type == T_LIST) {
      if (!isOtlp<T>()) at = readLogs<P, T>(at, end)
      else if (isLate || seen != REQUIRED) {
        logsAt = at
        at = skipField<P>(at, end)
      } else {
        keepFlags()
        timesOfMicros(startUs, durationUs)
        if (!writeHead()) return 0
        isHeadDone = true
        at = readLogs<P, T>(at, end)
      }
    } else at = skipField<P>(at, end)
    if (at == 0) return 0
  }
  if (seen != REQUIRED) return fault(at - 1)
  if (problem != 0) return 0
  if (!isOtlp<T>()) return protoSpanEnd(startUs, durationUs) ? at : 0
  if (!isHeadDone) {
    keepFlags()
    timesOfMicros(startUs, durationUs)
    if (!writeHead()) return 0
    if (logsAt != 0 && readLogs<P, T>(logsAt, end) == 0) return 0
  }
  writeTail()
  return spanEnd() ? at : 0
}

function readLogs<P, T>(at: usize, end: usize): usize {
  at = readStructs<P>(at, end)
  if (at == 0) return 0
  const count = elementCount
  for (let i: u32 = 0; i < count; i++) {
    at = readLog<P, T>(at, end)
    if (at == 0) return 0
  }
  return at
}

function readLog<P, T>(at: usize, end: usize): usize {
  let seen: u32 = 0
  let id: i32 = 0
  let timeUs: i64 = 0
  if (!isOtlp<T>() && !logBegin()) return 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return 0
    if (fieldType == T_STOP) break
    id = fieldId
    if (id == 1 && fieldType == T_I64) {
      at = readI64<P>(at, end)
      timeUs = integer
      seen |= 1
    } else if (id == 2 && fieldType == T_LIST) {
      attributesForget()
      at = readTags<P, T>(at, end, 0x12)
      seen |= 2
    } else at = skipField<P>(at, end)
    if (at == 0) return 0
  }
  if (seen != 3) return fault(at - 1)
  if (isOtlp<T>()) return writeEvent(eventTimeOfMicros(timeUs)) ? at : 0
  logEnd(timeUs)
  return at
}
