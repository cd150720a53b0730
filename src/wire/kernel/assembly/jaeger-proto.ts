// jaeger.api_v2.PostSpansRequest (jaegertracing/jaeger-idl proto/api_v2/{collector,model}.proto v0.6.0) to an
// ExportTraceServiceRequest of OTLP.
//
//   PostSpansRequest  1 batch
//   Batch             1 spans, 2 process
//
// A span's own process counts before the batch's. Mostly no span has one, and all spans are written as they come; when one
// is met that is not the batch's, byte for byte, the spans are put into groups first, one for each distinct process.
// Messages that came in several parts are joined, as protobuf has it: the bytes of the parts, one behind the other, are
// the whole.

import { E_ROWS, hashOf, moreRows } from './attributes'
import { E_GROUPS, writeProcess, writeSpan } from './jaeger-proto-span'
import { resourceSpansBegin, resourceSpansEnd } from './jaeger-scope'
import { problem, setProblem, tablesBegin } from './jaeger-span'
import { E_ITEMS, E_MEMORY, E_PROTOBUF, arenaBytes, arenaResize, arenaTake, sameBytes } from './memory'
import { outputBegin, outputCode, outputEnd, translated } from './output'
import { fieldNumber, length, readLength, readTag, skipValue, wireType } from './wire'

/** Rows of the tables at first. */
const ROWS: i32 = 256

let payload: usize = 0
let payloadEnd: usize = 0
let spansMax: u32 = 0
let spanCount: u32 = 0

/**
 * Translates the request at `at`. The bytes of the translation at `translated`, or E_PROTOBUF, E_ITEMS when there are more
 * than `itemsMax` spans or tags in a span, E_TOO_LARGE, E_MEMORY.
 */
export function jaegerProtoToOtlp(at: usize, bytes: usize, itemsMax: i32, outputBytesMax: usize): i32 {
  payload = at
  payloadEnd = at + bytes
  spansMax = itemsMax
  const regionsAt = arenaBytes()
  let rows = min(ROWS, itemsMax)
  while (true) {
    const code = translateOnce(bytes, rows, outputBytesMax)
    if (code != E_ROWS) return code
    rows = moreRows(rows, itemsMax, regionsAt)
    if (rows == 0) return E_ITEMS
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
      } else if (pass == COUNT && ++spanCount > spansMax) {
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
  if (!writeProcess(processAt, processBytes, false) || !eachBatch(WRITE)) return false
  resourceSpansEnd()
  return true
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
  const likely = (payloadEnd - payload) / <usize>groupCount
  for (let i: u32 = 0; i < groupCount; i++) {
    const group = groups + <usize>i * 24
    resourceSpansBegin(likely)
    if (!writeProcess(<usize>load<u32>(group), <usize>load<u32>(group, 4), true)) return false
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
