// Jaeger's PostSpansRequest (jaegertracing/jaeger-idl v0.6.0, proto/api_v2/collector.proto and model.proto) to one record
// for each span: a bare Span with its process inside, as Jaeger's ingester reads it.
//   PostSpansRequest  1 batch
//   Batch             1 spans, 2 process
//   Span              1 trace_id, 2 span_id, 3 operation_name, 4 references, 5 flags, 6 start_time, 7 duration, 8 tags,
//                     9 logs, 10 process, 11 process_id, 12 warnings
//   Process           1 service_name, 2 tags (KeyValue)
// `walkJaegerRecords` checks all of it; `planJaegerRecords` sizes the records; `jaeger-records-write.ts` copies them. A
// span's own process counts, else its batch's. Fields that come several times are one: spans follow each other, the
// contents of processes are joined, which is how protobuf merges them. The process loses every tag of the stamp's name and
// gets the stamp at its end; all else of a span goes out byte for byte. What a later version may put beside the spans into
// a batch or request has no place in a span and is left out.
//
//   row  start, end, processAt, restBytes, keptBytes, kind, tuple, state
//     processAt  the tag of the span's first `process`, 0 when it has none
//     restBytes  of the span without its processes, less the tags that are taken out of it
//     keptBytes  of the contents of its processes, less the tags that are taken out

import { E_ITEMS, E_MEMORY, E_PROTOBUF, E_TOO_LARGE, arenaTake } from './memory'
import {
  checkDuration,
  checkLog,
  checkReference,
  checkTag,
  checkText,
  checkTimestamp,
  forgedBegin,
  isForged,
  isTextBroken,
  keyAt,
  keyBytes,
  readKeyValue,
  textAt,
  textBytes,
  textsBegin,
  valueType,
} from './jaeger-records-check'
import { pickTags, restBytesOf } from './jaeger-records-pick'
import { ROW, R_TEXT, SLOT, partAt, partCount, partNew, partsTake, refuse, rowCount, rowNext, rows, rowsOpen, slots, verdicts } from './plan'
import { DEEP, EXISTING, NOT_TEXT, keepValue, matchName, tupleOf, tuplesBegin } from './rules'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varintBytes, wireType } from './wire'

/** A span that takes its batch's process. */
export const KIND_BATCH: u32 = 0
/** A span with one process of its own, of which nothing is taken out. */
export const KIND_OWN: u32 = 1
/** A span that is copied field by field. */
const KIND_PICKED: u32 = 2
/** The same, and tags of the stamp's name are taken out of the span and its logs. */
export const KIND_FORGED: u32 = 3

/** Contents of the batch's process, less what is taken out; 0 bytes when there is none. */
export let batchProcess: usize = 0
export let batchProcessBytes: usize = 0

// What the processes of a span or batch said so far.
let found: u32 = 0
let notText: u32 = 0
let keptBytes: usize = 0
let processes: i32 = 0
/** The last of them. */
let processFrom: usize = 0
let processTo: usize = 0

let isBatchMet: bool = false

/**
 * Checks and notes every span. `options`: 1 the value under the stamp's name matters, 2 tags of that name are removed from
 * spans and logs, too. 0, or the code that refuses the request as a whole.
 */
export function walkJaegerRecords(at: usize, bytes: usize, itemsMax: i32, active: u32, opaque: u32, options: u32): i32 {
  const wantExisting = (options & EXISTING) != 0
  const isDeep = (options & DEEP) != 0
  if (rowsOpen() != 0) return E_MEMORY
  isBatchMet = false
  textsBegin()
  processesBegin()
  let code = frameRequest(at, at + bytes, itemsMax)
  if (code != 0) return code
  // Fields of a later version beside a batch pass; a message of nothing else is something else.
  if (!isBatchMet && bytes > 0) return E_PROTOBUF
  const isBatchBroken = isTextBroken
  batchProcess = processFrom
  batchProcessBytes = keptBytes
  if (processes > 1 || keptBytes != processTo - processFrom) {
    batchProcess = arenaTake(keptBytes)
    if (batchProcess == 0) return E_MEMORY
    pickBatchProcess(at, at + bytes)
  }
  if (tuplesBegin(<usize>rowCount + 1) < 0) return E_MEMORY
  const batchTuple = tupleOf(found, active, opaque | notText, wantExisting)
  if (batchTuple < 0) return batchTuple
  const last = rows + <usize>rowCount * ROW
  for (let row = rows; row < last; row += ROW) {
    textsBegin()
    if (!walkSpan(row, isDeep)) return E_PROTOBUF
    let tuple = batchTuple
    let isBroken = isTextBroken
    if (processes == 0) isBroken = isBroken || isBatchBroken
    else {
      tuple = tupleOf(found, active, opaque | notText, wantExisting)
      if (tuple < 0) return tuple
    }
    store<i32>(row, tuple, 24)
    store<i32>(row, isBroken ? -R_TEXT : 0, 28)
  }
  return 0
}

/** Gives each span its row and reads the batch's processes. 0 or a code. */
function frameRequest(at: usize, end: usize, itemsMax: i32): i32 {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return E_PROTOBUF
    if (fieldNumber != 1) {
      at = skipValue(at, end, wireType)
      if (at == 0) return E_PROTOBUF
      continue
    }
    if (wireType != 2) return E_PROTOBUF
    at = readLength(at, end)
    if (at == 0) return E_PROTOBUF
    const last = at + length
    isBatchMet = true
    const code = frameBatch(at, last, itemsMax)
    if (code != 0) return code
    at = last
  }
  return 0
}

function frameBatch(at: usize, end: usize, itemsMax: i32): i32 {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return E_PROTOBUF
    const field = fieldNumber
    if (field > 2) {
      at = skipValue(at, end, wireType)
      if (at == 0) return E_PROTOBUF
      continue
    }
    if (wireType != 2) return E_PROTOBUF
    at = readLength(at, end)
    if (at == 0) return E_PROTOBUF
    const last = at + length
    if (field == 1) {
      if (rowCount >= itemsMax) return E_ITEMS
      const row = rowNext()
      if (row == 0) return E_MEMORY
      store<u32>(row, <u32>at)
      store<u32>(row, <u32>last, 4)
    } else if (!walkProcess(at, last)) return E_PROTOBUF
    at = last
  }
  return 0
}

/** Joins what is kept of the batch's processes. The request was framed before. */
function pickBatchProcess(at: usize, end: usize): void {
  let out = batchProcess
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber != 1) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const last = at + length
    while (at < last) {
      at = readTag(at, last)
      const field = fieldNumber
      const valueAt = at
      at = skipValue(at, last, wireType)
      if (field == 2) out = pickTags(out, readLength(valueAt, last), at)
    }
  }
}

function processesBegin(): void {
  found = 0
  notText = 0
  keptBytes = 0
  processes = 0
  processFrom = 0
  processTo = 0
}

/** Checks a process and keeps the values of the sources that it has. */
function walkProcess(at: usize, end: usize): bool {
  processes++
  processFrom = at
  processTo = end
  keptBytes += end - at
  while (at < end) {
    const fieldAt = at
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
    const last = at + length
    if (field == 1) checkText(at, last)
    else {
      if (!readKeyValue(at, last)) return false
      const bits = matchName(keyAt, keyBytes)
      if (bits != 0) {
        if (valueType == 0) found = keepValue(bits, found, textAt, textBytes)
        else {
          notText |= bits & ~found
          found = keepValue(bits, found, at, (last - at) | <usize>NOT_TEXT)
        }
        if ((bits & 1) != 0) keptBytes -= last - fieldAt
      }
    }
    at = last
  }
  return true
}

/** Checks one span and fills its row up to the kind. False: malformed. */
function walkSpan(row: usize, isDeep: bool): bool {
  const start = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  let at = start
  let processAt: usize = 0
  let processesBytes: usize = 0
  processesBegin()
  forgedBegin()
  while (at < end) {
    const fieldAt = at
    let field = <u32>load<u8>(at)
    let type = field & 7
    if (field < 0x80) {
      field >>= 3
      at++
    } else {
      at = readTag(at, end)
      if (at == 0) return false
      field = fieldNumber
      type = wireType
    }
    if (field == 0) return false
    if (field == 5 || field > 12) {
      if (field == 5 && type != 0) return false
      at = type == 0 ? readVarint(at, end) : skipValue(at, end, type)
      if (at == 0) return false
      continue
    }
    if (type != 2) return false
    let bytes = at < end ? <usize>load<u8>(at) : 0x80
    if (bytes < 0x80 && bytes < end - at) at++
    else {
      at = readLength(at, end)
      if (at == 0) return false
      bytes = length
    }
    const last = at + bytes
    if (field == 8) {
      if (!checkTag(at, last)) return false
    } else if (field == 10) {
      if (processAt == 0) processAt = fieldAt
      processesBytes += last - fieldAt
      if (!walkProcess(at, last)) return false
    } else if (!checkField(field, at, last)) return false
    at = last
  }
  let restBytes = end - start - processesBytes
  let kind = KIND_BATCH
  if (isDeep && isForged) {
    kind = KIND_FORGED
    restBytes = restBytesOf(start, end)
  } else if (processes == 1) kind = keptBytes == processTo - processFrom ? KIND_OWN : KIND_PICKED
  else if (processes > 1) kind = KIND_PICKED
  store<u32>(row, <u32>processAt, 8)
  store<u32>(row, <u32>restBytes, 12)
  store<u32>(row, <u32>keptBytes, 16)
  store<u32>(row, kind, 20)
  return true
}

/** Checks a field of a span that is neither a tag nor a process. */
function checkField(field: u32, at: usize, end: usize): bool {
  switch (field) {
    case 1:
      return end - at == 16 || end - at == 8
    case 2:
      return end - at == 8
    case 4:
      return checkReference(at, end)
    case 6:
      return checkTimestamp(at, end)
    case 7:
      return checkDuration(at, end)
    case 9:
      return checkLog(at, end)
    default:
      checkText(at, end)
      return true
  }
}

/** Gives each span its record or refuses it. The number of records, E_MEMORY or E_TOO_LARGE. */
export function planJaegerRecords(outputBytesMax: u32, partsMax: i32): i32 {
  if (partsTake(min(rowCount, partsMax)) != 0) return E_MEMORY
  let total: u64 = 0
  const last = rows + <usize>rowCount * ROW
  for (let row = rows; row < last; row += ROW) {
    const state = load<i32>(row, 28)
    const slot = state < 0 ? state : load<i32>(verdicts + (<usize>load<u32>(row, 24) << 2))
    if (slot < 0) {
      refuse(row, -slot)
      continue
    }
    const kept = load<u32>(row, 8) != 0 ? load<u32>(row, 16) : <u32>batchProcessBytes
    const process = kept + load<u32>(slots + <usize>slot * SLOT, 4)
    const size = load<u32>(row, 12) + 1 + <u32>varintBytes(process) + process
    total += size
    if (total > <u64>outputBytesMax || partCount >= partsMax) return E_TOO_LARGE
    const i = partNew(slot)
    const part = partAt(i)
    store<u32>(part, size, 4)
    store<u32>(part, 1, 8)
    store<i32>(row, i, 28)
  }
  return partCount
}
