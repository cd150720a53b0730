// Prometheus remote write 1.0 (prometheus/prometheus prompb/remote.proto and types.proto):
//   WriteRequest  1 timeseries (TimeSeries), 3 metadata (MetricMetadata)
//   TimeSeries    1 labels (Label), 2 samples, 3 exemplars, 4 histograms
//   Label         1 name string, 2 value string
// `walkV1` checks the whole request and notes for each series where the stamp goes; `planV1` sizes the records;
// `writeV1` copies the ranges. The payload is never decoded, and what is not a label is never looked into further than
// its structure.

import { E_ITEMS, E_MEMORY, E_OTHER_VERSION, E_PROTOBUF, E_TOO_LARGE, E_UNKNOWN, arenaTake, compareBytes, copyLoose, sameBytes } from './memory'
import { brokenText, checkExemplarV1, checkHistogram, checkMetadataV1, checkSample, checkStrings, textBegin } from './messages'
import {
  KIND_METADATA,
  KIND_SERIES,
  KIND_UNKNOWN,
  ROW,
  R_EMPTY_NAME,
  R_GUID_MISSING,
  R_METADATA_GUID_MISSING,
  R_REPEATED,
  R_UNSORTED,
  R_UTF8,
  SLOT,
  partAt,
  partCount,
  partNew,
  partsBegin,
  refuse,
  rowCount,
  rows,
  rowNext,
  rowsOpen,
  slots,
  verdicts,
} from './plan'
import { keepValue, matchName, stampName, stampNameBytes, tupleOf, tuplesBegin } from './rules'
import { fieldNumber, isAscii, length, readLength, readTag, skipValue, varintBytes, wireType, writeVarint } from './wire'

/** Items of the request (series and metadata entries), from the walk. */
export let itemCount: i32 = 0

/** Checks and notes every item. 0, or the code that refuses the request as a whole. */
export function walkV1(at: usize, bytes: usize, itemsMax: i32, unknownBytesMax: u32, active: u32, opaque: u32, wantExisting: bool): i32 {
  const end = at + bytes
  if (rowsOpen() != 0) return E_MEMORY
  const code = frameFields(at, end, itemsMax, unknownBytesMax)
  if (code != 0) return code
  if (tuplesBegin(<usize>rowCount) < 0) return E_MEMORY
  itemCount = 0
  const last = rows + <usize>rowCount * ROW
  for (let row = rows; row < last; row += ROW) {
    const kind = load<u32>(row, 20)
    const start = <usize>load<u32>(row)
    if (kind == KIND_SERIES) {
      const tuple = walkSeries(start, load<u32>(row, 4), row, active, opaque, wantExisting)
      if (tuple < 0) return tuple
      store<i32>(row, tuple, 24)
      itemCount++
    } else {
      store<i32>(row, 0, 24)
      store<i32>(row, 0, 28)
      if (kind == KIND_METADATA) {
        const valueAt = readLength(readTag(start, end), end)
        textBegin()
        if (!checkMetadataV1(valueAt, load<u32>(row, 4))) return E_PROTOBUF
        if (brokenText) store<i32>(row, -R_UTF8, 28)
        itemCount++
      }
    }
  }
  return 0
}

/** Checks the frames of the top-level fields, and gives each its row. */
function frameFields(at: usize, end: usize, itemsMax: i32, unknownBytesMax: u32): i32 {
  let unknownBytes: u32 = 0
  while (at < end) {
    let start = at
    let kind = KIND_SERIES
    if (load<u8>(at) == 0x0a) {
      start = readLength(at + 1, end)
      if (start == 0) return E_PROTOBUF
      at = start + length
    } else {
      at = readTag(at, end)
      if (at == 0) return E_PROTOBUF
      const field = fieldNumber
      if (field == 4 || field == 5) return E_OTHER_VERSION
      if ((field == 1 || field == 3) && wireType != 2) return E_PROTOBUF
      if (field == 1) {
        start = readLength(at, end)
        if (start == 0) return E_PROTOBUF
        at = start + length
      } else {
        kind = field == 3 ? KIND_METADATA : KIND_UNKNOWN
        at = skipValue(at, end, wireType)
        if (at == 0) return E_PROTOBUF
        if (kind == KIND_UNKNOWN) {
          // Bytes of no item count for no record's bound, so there is one for all of them.
          unknownBytes += <u32>(at - start)
          if (unknownBytes > unknownBytesMax) return E_UNKNOWN
        }
      }
    }
    if (rowCount >= itemsMax) return E_ITEMS
    const row = rowNext()
    if (row == 0) return E_MEMORY
    store<u32>(row, <u32>start)
    store<u32>(row, <u32>at, 4)
    store<u32>(row, kind, 20)
  }
  return 0
}

let nameAt: usize = 0
let nameBytes: usize = 0
let labelValueAt: usize = 0
let labelValueBytes: usize = 0

/** Reads a Label in any legal form: fields in any order, repeated (the last counts), unknown ones between. */
function readLabel(at: usize, end: usize): bool {
  nameBytes = 0
  labelValueBytes = 0
  nameAt = at
  labelValueAt = at
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    const type = wireType
    if (field <= 2 && type != 2) return false
    if (field == 1) {
      at = readLength(at, end)
      if (at == 0) return false
      nameAt = at
      nameBytes = length
      at += length
    } else if (field == 2) {
      at = readLength(at, end)
      if (at == 0) return false
      labelValueAt = at
      labelValueBytes = length
      at += length
    } else {
      at = skipValue(at, end, type)
      if (at == 0) return false
    }
  }
  return true
}

/** Checks one TimeSeries and fills its row; its tuple, or E_PROTOBUF, E_MEMORY. */
function walkSeries(start: usize, end: usize, row: usize, active: u32, opaque: u32, wantExisting: bool): i32 {
  const stampFirst = <i32>load<u8>(stampName())
  let at = start
  let found: u32 = 0
  let insertAt: usize = 0
  let removedAt: usize = 0
  let removedBytes: usize = 0
  let removedCount: u32 = 0
  let labelsFrom: usize = 0
  let labelsTo: usize = start
  let beforeAt: usize = 0
  let beforeBytes: usize = 0
  let beforeFirst: i32 = -1
  let reason: i32 = 0
  textBegin()
  while (at < end) {
    const fieldAt = at
    const tag = <u32>load<u8>(at)
    let field: u32
    if (tag == 0x0a || tag == 0x12) {
      field = tag >> 3
      at++
    } else {
      at = readTag(at, end)
      if (at == 0) return E_PROTOBUF
      field = fieldNumber
      if (field > 4) {
        at = skipValue(at, end, wireType)
        if (at == 0) return E_PROTOBUF
        continue
      }
      if (wireType != 2) return E_PROTOBUF
    }
    let bytes = at < end ? <usize>load<u8>(at) : 0x80
    if (bytes < 0x80 && bytes < end - at) at++
    else {
      at = readLength(at, end)
      if (at == 0) return E_PROTOBUF
      bytes = length
    }
    const valueEnd = at + bytes
    if (field == 1) {
      let nAt: usize
      let nBytes: usize
      let vAt: usize
      let vBytes: usize
      // The common form: name and value once each, in order, both shorter than 128 bytes.
      const n = <usize>load<u8>(at + 1)
      const m = <usize>load<u8>(at + 3 + (n & 0x7f))
      if (load<u8>(at) == 0x0a && n < 0x80 && load<u8>(at + 2 + n) == 0x12 && m < 0x80 && at + 4 + n + m == valueEnd) {
        nAt = at + 2
        nBytes = n
        vAt = at + 4 + n
        vBytes = m
      } else {
        if (!readLabel(at, valueEnd)) return E_PROTOBUF
        nAt = nameAt
        nBytes = nameBytes
        vAt = labelValueAt
        vBytes = labelValueBytes
      }
      at = valueEnd
      if (labelsFrom == 0) labelsFrom = fieldAt
      labelsTo = at
      if (nBytes == 0) {
        reason = R_EMPTY_NAME
        continue
      }
      const bits = matchName(nAt, nBytes)
      if (bits != 0) {
        found = keepValue(bits, found, vAt, vBytes)
        if ((bits & 1) != 0) {
          if (removedCount++ == 0) removedAt = fieldAt
          removedBytes += at - fieldAt
          continue
        }
      }
      const first = <i32>load<u8>(nAt)
      if (first <= beforeFirst) {
        const order = first < beforeFirst ? -1 : compareBytes(nAt, nBytes, beforeAt, beforeBytes)
        if (order <= 0 && reason == 0) reason = order == 0 ? R_REPEATED : R_UNSORTED
      }
      beforeFirst = first
      beforeAt = nAt
      beforeBytes = nBytes
      if (insertAt == 0 && first >= stampFirst) {
        if (first > stampFirst || compareBytes(nAt, nBytes, stampName(), stampNameBytes()) > 0) insertAt = fieldAt
      }
      continue
    }
    if (field == 2) {
      if (!checkSample(at, valueEnd)) return E_PROTOBUF
    } else if (!(field == 3 ? checkExemplarV1(at, valueEnd) : checkHistogram(at, valueEnd))) return E_PROTOBUF
    at = valueEnd
  }
  if (labelsFrom != 0 && !isAscii(labelsFrom, labelsTo)) checkLabelTexts(labelsFrom, labelsTo)
  if (reason == 0 && brokenText) reason = R_UTF8
  store<u32>(row, <u32>(insertAt != 0 ? insertAt : labelsTo), 8)
  store<u32>(row, <u32>removedBytes, 12)
  store<u32>(row, removedCount > 1 ? 0 : <u32>removedAt, 16)
  store<i32>(row, -reason, 28)
  return tupleOf(found, active, opaque, wantExisting)
}

/** Checks every string of the labels, those that a later one of the same label overrides too, as decoders do. */
function checkLabelTexts(at: usize, end: usize): void {
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber == 1) {
      at = readLength(at, end)
      const labelEnd = at + length
      checkStrings(at, labelEnd, 1, 2)
      at = labelEnd
    } else at = skipValue(at, end, wireType)
  }
}

/** Sizes the records: each row gets its part or is refused. The number of parts, E_MEMORY or E_TOO_LARGE. */
export function planV1(recordBytesMax: u32, outputBytesMax: u32): i32 {
  if (partsBegin() != 0) return E_MEMORY
  let total: u64 = 0
  let current: i32 = 0
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const kind = load<u32>(row, 20)
    const bytes = load<u32>(row, 4) - load<u32>(row)
    if (kind == KIND_UNKNOWN) {
      // A field of a later version has no guid of its own; it stays with the item before it (at the start: behind).
      store<i32>(row, current, 28)
      if (partCount > 0) partAdd(current, bytes, 0)
      continue
    }
    const state = load<i32>(row, 28)
    const slot = state < 0 ? state : load<i32>(verdicts + (<usize>load<u32>(row, 24) << 2))
    if (slot < 0) {
      refuse(row, kind == KIND_METADATA && slot == -R_GUID_MISSING ? R_METADATA_GUID_MISSING : -slot)
      continue
    }
    const slotAt = slots + <usize>slot * SLOT
    let size = bytes
    if (kind == KIND_SERIES) {
      const body = bytes - load<u32>(row, 12) + load<u32>(slotAt, 4)
      size = 1 + <u32>varintBytes(body) + body
    }
    current = load<i32>(slotAt, 12)
    if (current < 0 || load<u32>(partAt(current), 4) + size > recordBytesMax) {
      current = partNew(slot)
    }
    total += size
    if (total > <u64>outputBytesMax) return E_TOO_LARGE
    partAdd(current, size, 1)
    store<i32>(row, current, 28)
  }
  if (partCount > 0) {
    for (let i = 0; i < rowCount; i++) {
      const row = rows + <usize>i * ROW
      if (load<u32>(row, 20) != KIND_UNKNOWN) {
        if (load<i32>(row, 28) >= 0) break
        continue
      }
      partAdd(0, load<u32>(row, 4) - load<u32>(row), 0)
    }
  }
  return partCount
}

function partAdd(i: i32, bytes: u32, items: u32): void {
  const part = partAt(i)
  store<u32>(part, load<u32>(part, 4) + bytes, 4)
  store<u32>(part, load<u32>(part, 8) + items, 8)
}

/** Writes every part into a new region; parts hold their addresses. 0 or E_MEMORY. */
export function writeV1(): i32 {
  let total: usize = 0
  for (let i = 0; i < partCount; i++) total += <usize>load<u32>(partAt(i), 4) + 32
  let out = arenaTake(total)
  if (out == 0) return E_MEMORY
  for (let i = 0; i < partCount; i++) {
    const part = partAt(i)
    store<u32>(part, <u32>out, 12)
    store<u32>(part, <u32>out, 16)
    out += <usize>load<u32>(part, 4) + 32
  }
  if (partCount == 0) return 0
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const state = load<i32>(row, 28)
    if (state < 0) continue
    const part = partAt(state)
    const start = <usize>load<u32>(row)
    const end = <usize>load<u32>(row, 4)
    let cursor = <usize>load<u32>(part, 16)
    if (load<u32>(row, 20) == KIND_SERIES) {
      const slot = slots + <usize>load<u32>(part) * SLOT
      cursor = writeSeries(cursor, row, start, end, <usize>load<u32>(slot), <usize>load<u32>(slot, 4))
    } else {
      copyLoose(cursor, start, end - start)
      cursor += end - start
    }
    store<u32>(part, <u32>cursor, 16)
  }
  return 0
}

function writeSeries(out: usize, row: usize, start: usize, end: usize, stampAt: usize, stampBytes: usize): usize {
  const insertAt = <usize>load<u32>(row, 8)
  const removedBytes = <usize>load<u32>(row, 12)
  const removedAt = <usize>load<u32>(row, 16)
  store<u8>(out++, 0x0a)
  out = writeVarint(out, <u32>(end - start - removedBytes + stampBytes))
  if (removedBytes == 0) {
    out = put(out, start, insertAt)
    out = put(out, stampAt, stampAt + stampBytes)
    return put(out, insertAt, end)
  }
  if (removedAt == 0) return writeWithoutMany(out, start, end, insertAt, stampAt, stampBytes)
  if (insertAt <= removedAt) {
    out = put(out, start, insertAt)
    out = put(out, stampAt, stampAt + stampBytes)
    out = put(out, insertAt, removedAt)
    return put(out, removedAt + removedBytes, end)
  }
  out = put(out, start, removedAt)
  out = put(out, removedAt + removedBytes, insertAt)
  out = put(out, stampAt, stampAt + stampBytes)
  return put(out, insertAt, end)
}

@inline
function put(out: usize, from: usize, to: usize): usize {
  copyLoose(out, from, to - from)
  return out + (to - from)
}

/** The rare series that carries the stamp's name more than once: field by field. */
function writeWithoutMany(out: usize, at: usize, end: usize, insertAt: usize, stampAt: usize, stampBytes: usize): usize {
  let stamped = false
  while (at < end) {
    if (at == insertAt) {
      out = put(out, stampAt, stampAt + stampBytes)
      stamped = true
    }
    const fieldAt = at
    at = readTag(at, end)
    if (fieldNumber == 1) {
      at = readLength(at, end)
      const labelEnd = at + length
      readLabel(at, labelEnd)
      at = labelEnd
      if (nameBytes == stampNameBytes() && sameBytes(nameAt, stampName(), nameBytes)) continue
    } else at = skipValue(at, end, wireType)
    out = put(out, fieldAt, at)
  }
  return stamped ? out : put(out, stampAt, stampAt + stampBytes)
}
