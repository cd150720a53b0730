// jaeger.api_v2.PostSpansRequest (jaegertracing/jaeger-idl proto/api_v2/{collector,model}.proto v0.6.0) to an
// ExportTraceServiceRequest of OTLP.
//
//   PostSpansRequest  1 batch
//   Batch             1 spans, 2 process
//   Process           1 service_name, 2 tags
//   Span              1 trace_id, 2 span_id, 3 operation_name, 4 references, 5 flags, 6 start_time, 7 duration, 8 tags,
//                     9 logs, 10 process, 11 process_id, 12 warnings
//
// A span's own process counts before the batch's. Mostly no span has one, and all spans are written as they come; when one
// is met that is not the batch's, byte for byte, the spans are put into groups first, one for each distinct process.
// Messages that came in several parts are joined, as protobuf has it: the bytes of the parts, one behind the other, are
// the whole.

import { A_TEXT, A_TEXTS, E_ROWS, attribute, attributesForget, hashOf } from './attributes'
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
import {
  resourceSpansBegin,
  resourceSpansEnd,
  serviceIs,
  spanBegin,
  spanEnd,
  writeResource,
} from './jaeger-scope'
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
  tablesBegin,
  writeHead,
  writeTail,
} from './jaeger-span'
import { timesOf } from './jaeger-times'
import { E_ITEMS, E_MEMORY, E_PROTOBUF, arenaBytes, arenaResize, arenaTake, sameBytes } from './memory'
import { outputBegin, outputCode, outputEnd, translated } from './output'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

/** A span's process is not the batch's; never shown to the host. */
const E_GROUPS: i32 = -101
/** Rows of the tables at first. */
const ROWS: i32 = 256

let payload: usize = 0
let payloadEnd: usize = 0
let itemsMax: u32 = 0
let spanCount: u32 = 0

/**
 * Translates the request at `at`. The bytes of the translation at `translated`, or E_PROTOBUF, E_ITEMS when there are more
 * than `items` spans or tags in a span, E_TOO_LARGE, E_MEMORY.
 */
export function jaegerFromProto(at: usize, bytes: usize, items: i32, bytesMax: usize): i32 {
  payload = at
  payloadEnd = at + bytes
  itemsMax = items
  const regionsAt = arenaBytes()
  let rows = min(ROWS, items)
  while (true) {
    const code = translateOnce(bytes, rows, bytesMax)
    if (code != E_ROWS) return code
    if (rows == items) return E_ITEMS
    rows = <i32>min(<i64>rows * 16, <i64>items)
    arenaResize(regionsAt, 0)
  }
}

function translateOnce(bytes: usize, rows: i32, bytesMax: usize): i32 {
  const likely = bytes + (bytes >> 1)
  const begun = tablesBegin(rows)
  if (begun != 0) return begun
  joined = 0
  processParts = 0
  processAt = 0
  processBytes = 0
  spanCount = 0
  if (!eachBatch(COUNT)) return problem != 0 ? problem : E_PROTOBUF
  if (processParts > 1 && !joinProcess()) return E_MEMORY
  if (outputBegin(bytesMax, likely) != 0) return E_MEMORY
  if (spanCount == 0) return outputEnd()
  let isWhole = writeTogether(likely)
  if (problem == E_GROUPS) {
    setProblem(0)
    arenaResize(translated, 0)
    const code = groupSpans()
    if (code != 0) return code
    if (outputBegin(bytesMax, likely) != 0) return E_MEMORY
    isWhole = writeGroups()
  }
  if (problem != 0) return problem
  if (outputCode != 0) return outputCode
  return isWhole ? outputEnd() : E_PROTOBUF
}

// ---- batches: of what a request should have one -----------------------------------------------------------------------------

const COUNT: u32 = 0
const JOIN: u32 = 1
const WRITE: u32 = 2
const GROUP: u32 = 3

/** The batch's process: its parts while they are counted, then the whole. */
let processParts: u32 = 0
let processAt: usize = 0
let processBytes: usize = 0

/** Goes through the spans and processes of the request; what is done with them, `pass` says. */
function eachBatch(pass: u32): bool {
  let at = payload
  while (at < payloadEnd) {
    at = readTag(at, payloadEnd)
    if (at == 0) return false
    if (fieldNumber != 1) {
      at = skipValue(at, payloadEnd, wireType)
      if (at == 0) return false
      continue
    }
    if (wireType != 2) return false
    at = readLength(at, payloadEnd)
    if (at == 0) return false
    const end = at + length
    if (!eachField(pass, at, end)) return false
    at = end
  }
  return true
}

function eachField(pass: u32, at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    if (field > 2) {
      at = skipValue(at, end, wireType)
      if (at == 0) return false
      continue
    }
    if (wireType != 2) return false
    at = readLength(at, end)
    if (at == 0) return false
    const next = at + length
    if (field == 1) {
      if (pass == WRITE) {
        if (!writeSpan(at, next)) return false
      } else if (pass == GROUP) {
        if (!groupSpan(at, next)) return false
      } else if (pass == COUNT && ++spanCount > itemsMax) {
        setProblem(E_ITEMS)
        return false
      }
    } else if (pass == COUNT) {
      processParts++
      processAt = at
      processBytes = length
    } else if (pass == JOIN) {
      memory.copy(joined + joinedBytes, at, length)
      joinedBytes += length
    }
    at = next
  }
  return true
}

/** Where parts of processes are put together; all of them are no longer than the payload. */
let joined: usize = 0
let joinedBytes: usize = 0

function joinBegin(): bool {
  if (joined != 0) return true
  joined = arenaTake(payloadEnd - payload)
  joinedBytes = 0
  return joined != 0
}

function joinProcess(): bool {
  if (!joinBegin()) return false
  eachBatch(JOIN)
  processAt = joined
  processBytes = joinedBytes
  return true
}

// ---- writing ----------------------------------------------------------------------------------------------------------------

function writeTogether(likely: usize): bool {
  resourceSpansBegin(likely)
  isGrouped = false
  if (!writeProcess(processAt, processBytes) || !eachBatch(WRITE)) return false
  resourceSpansEnd()
  return true
}

/** Process: 1 service_name, 2 tags. */
function writeProcess(start: usize, bytes: usize): bool {
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

/** Whether processes of spans have been seen to. */
let isGrouped: bool = false

function writeSpan(start: usize, end: usize): bool {
  let at = start
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
  let processes: u32 = 0
  if (!spanBegin()) return false
  spanForget()
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (at == 0) return false
    const tag = fieldNumber << 3 | wireType
    if (tag == 0x28) {
      at = readVarint(at, end)
      if (at == 0) return false
      store<u64>(span, <u64><u32>varint, FLAGS)
      continue
    }
    if (fieldNumber > 12) {
      at = skipValue(at, end, wireType)
      if (at == 0) return false
      continue
    }
    if (wireType != 2 || fieldNumber == 5) return false
    if (fieldNumber == 1) {
      at = readTraceId(at, end)
      if (at == 0) return false
      store<u64>(span, traceHigh, TRACE_HIGH)
      store<u64>(span, traceLow, TRACE_LOW)
      continue
    }
    if (fieldNumber == 2) {
      at = readSpanId(at, end)
      if (at == 0) return false
      store<u64>(span, spanId, SPAN_ID)
      continue
    }
    at = readLength(at, end)
    if (at == 0) return false
    const next = at + length
    switch (tag >> 3) {
      case 3:
        store<u32>(span, <u32>at, NAME)
        store<u32>(span, <u32>length, NAME_BYTES)
        break
      case 4:
        if (!readReference(at, next)) return false
        break
      case 6:
        secondsAre(startSeconds, startNanos)
        if (!readSeconds(at, next)) return false
        startSeconds = seconds
        startNanos = nanos
        break
      case 7:
        secondsAre(durationSeconds, durationNanos)
        if (!readSeconds(at, next)) return false
        durationSeconds = seconds
        durationNanos = nanos
        break
      case 8:
        if (!readKeyValue(at, next)) return false
        break
      case 9:
        if (logsAt == 0) logsAt = fieldAt
        logsEnd = next
        break
      case 10:
        processes++
        if (!isGrouped && (processes > 1 || !isProcess(at, length))) {
          setProblem(E_GROUPS)
          return false
        }
        break
      case 11:
        processId = at
        processIdBytes = length
        break
      default:
        if (warningsAt == 0) warningsAt = fieldAt
        warningsEnd = next
    }
    at = next
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

// ---- groups: one for each distinct process, in the order of their first spans -------------------------------------------------

/** Rows of 16 bytes: address and end of a span, number of the group's next span plus one. */
let spans: usize = 0
/** Rows of 24 bytes: address and bytes of the process, its hash, first span, last span (both plus one), all u32. */
let groups: usize = 0
let groupCount: u32 = 0
let table: usize = 0
let tableMask: u32 = 0

function groupSpans(): i32 {
  let size: u32 = 16
  while (size < spanCount << 1) size <<= 1
  spans = arenaTake(<usize>spanCount * 16)
  groups = arenaTake(<usize>spanCount * 24)
  table = arenaTake(<usize>size << 2)
  if (spans == 0 || groups == 0 || table == 0) return E_MEMORY
  memory.fill(table, 0, <usize>size << 2)
  tableMask = size - 1
  groupCount = 0
  spanCount = 0
  return eachBatch(GROUP) ? 0 : problem != 0 ? problem : E_PROTOBUF
}

function groupSpan(start: usize, end: usize): bool {
  let process: usize = 0
  let bytes: usize = 0
  for (let at = start; at < end; ) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber != 10) {
      at = skipValue(at, end, wireType)
      if (at == 0) return false
      continue
    }
    if (wireType != 2) return false
    at = readLength(at, end)
    if (at == 0) return false
    const next = at + length
    if (process == 0) {
      process = at
      bytes = length
    } else {
      if (!joinBegin()) {
        setProblem(E_MEMORY)
        return false
      }
      // The first part is copied when the second is met; further ones go behind it.
      const isLast = process >= joined && process + bytes == joined + joinedBytes
      if (!isLast) {
        memory.copy(joined + joinedBytes, process, bytes)
        process = joined + joinedBytes
        joinedBytes += bytes
      }
      memory.copy(joined + joinedBytes, at, length)
      joinedBytes += length
      bytes += length
    }
    at = next
  }
  if (process == 0) {
    process = processAt
    bytes = processBytes
  }
  addToGroup(groupOf(process, bytes), start, end)
  return true
}

/** The group of a process; 0 bytes stand for none. */
function groupOf(process: usize, bytes: usize): usize {
  const hash = hashOf(process, bytes)
  let slot = hash & tableMask
  while (true) {
    const place = table + (<usize>slot << 2)
    const other = <usize>load<u32>(place)
    slot = (slot + 1) & tableMask
    if (other == 0) {
      const group = groups + <usize>groupCount * 24
      groupCount++
      store<u32>(group, <u32>process)
      store<u32>(group, <u32>bytes, 4)
      store<u32>(group, hash, 8)
      store<u32>(group, 0, 12)
      store<u32>(group, 0, 16)
      store<u32>(place, <u32>group)
      return group
    }
    if (load<u32>(other, 8) != hash || <usize>load<u32>(other, 4) != bytes) continue
    if (sameBytes(<usize>load<u32>(other), process, bytes)) return other
  }
}

function addToGroup(group: usize, start: usize, end: usize): void {
  const row = spans + <usize>spanCount * 16
  spanCount++
  store<u32>(row, <u32>start)
  store<u32>(row, <u32>end, 4)
  store<u32>(row, 0, 8)
  const last = load<u32>(group, 16)
  if (last == 0) store<u32>(group, spanCount, 12)
  else store<u32>(spans + <usize>(last - 1) * 16, spanCount, 8)
  store<u32>(group, spanCount, 16)
}

function writeGroups(): bool {
  isGrouped = true
  const likely = (payloadEnd - payload) / <usize>groupCount
  for (let i: u32 = 0; i < groupCount; i++) {
    const group = groups + <usize>i * 24
    resourceSpansBegin(likely)
    if (!writeProcess(<usize>load<u32>(group), <usize>load<u32>(group, 4))) return false
    let number = load<u32>(group, 12)
    while (number != 0) {
      const row = spans + <usize>(number - 1) * 16
      if (!writeSpan(<usize>load<u32>(row), <usize>load<u32>(row, 4))) return false
      number = load<u32>(row, 8)
    }
    resourceSpansEnd()
  }
  return true
}
