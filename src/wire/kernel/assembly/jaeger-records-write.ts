// Writes the records that `jaeger-records.ts` has planned. Everything here reads spans that were checked.

import { E_MEMORY, arenaTake } from './memory'
import { KIND_BATCH, KIND_FORGED, KIND_OWN, batchProcess, batchProcessBytes } from './jaeger-records'
import { isStampTag, pickTags, put, putLog } from './jaeger-records-pick'
import { ROW, SLOT, partAt, partCount, rowCount, rows, slots } from './plan'
import { fieldNumber, length, readLength, readTag, skipValue, wireType, writeVarint } from './wire'

/** Span.process = 10, with a length. */
const PROCESS_TAG: u8 = 0x52

/** Writes every record into a new region; parts hold their addresses. 0 or E_MEMORY. */
export function writeJaegerRecords(): i32 {
  let total: usize = 0
  for (let i = 0; i < partCount; i++) total += <usize>load<u32>(partAt(i), 4)
  // Records stand one behind the other in the order in which they are written, so that a loose copy touches none before.
  let out = arenaTake(total)
  if (out == 0) return E_MEMORY
  const last = rows + <usize>rowCount * ROW
  for (let row = rows; row < last; row += ROW) {
    const state = load<i32>(row, 28)
    if (state < 0) continue
    const part = partAt(state)
    const slot = slots + <usize>load<u32>(part) * SLOT
    store<u32>(part, <u32>out, 12)
    out = writeSpan(out, row, <usize>load<u32>(slot), <usize>load<u32>(slot, 4))
    store<u32>(part, <u32>out, 16)
  }
  return 0
}

@inline
function putHead(out: usize, bytes: usize): usize {
  store<u8>(out, PROCESS_TAG)
  return writeVarint(out + 1, <u32>bytes)
}

function writeSpan(out: usize, row: usize, stampAt: usize, stampBytes: usize): usize {
  const start = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  const kind = load<u32>(row, 20)
  if (kind == KIND_BATCH) {
    out = put(out, start, end)
    return putBatchProcess(out, stampAt, stampBytes)
  }
  if (kind == KIND_OWN) {
    const processAt = <usize>load<u32>(row, 8)
    out = put(out, start, processAt)
    const at = readLength(readTag(processAt, end), end)
    const last = at + length
    out = putHead(out, length + stampBytes)
    out = put(out, at, last)
    out = put(out, stampAt, stampAt + stampBytes)
    return put(out, last, end)
  }
  return writePicked(out, row, start, end, stampAt, stampBytes)
}

function putBatchProcess(out: usize, stampAt: usize, stampBytes: usize): usize {
  out = putHead(out, batchProcessBytes + stampBytes)
  out = put(out, batchProcess, batchProcess + batchProcessBytes)
  return put(out, stampAt, stampAt + stampBytes)
}

/** The rare span, field by field; all its processes become one in the place of the first. */
function writePicked(out: usize, row: usize, at: usize, end: usize, stampAt: usize, stampBytes: usize): usize {
  const isForged = load<u32>(row, 20) == KIND_FORGED
  const processAt = <usize>load<u32>(row, 8)
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    const valueAt = at
    at = skipValue(at, end, wireType)
    if (field == 10) {
      if (fieldAt != processAt) continue
      out = putHead(out, <usize>load<u32>(row, 16) + stampBytes)
      out = pickProcesses(out, fieldAt, end)
      out = put(out, stampAt, stampAt + stampBytes)
    } else if (isForged && field == 8) {
      if (!isStampTag(readLength(valueAt, end), at)) out = put(out, fieldAt, at)
    } else if (isForged && field == 9) out = putLog(out, fieldAt, valueAt, at)
    else out = put(out, fieldAt, at)
  }
  return processAt == 0 ? putBatchProcess(out, stampAt, stampBytes) : out
}

function pickProcesses(out: usize, at: usize, end: usize): usize {
  while (at < end) {
    at = readTag(at, end)
    const field = fieldNumber
    const valueAt = at
    at = skipValue(at, end, wireType)
    if (field == 10) out = pickTags(out, readLength(valueAt, end), at)
  }
  return out
}
