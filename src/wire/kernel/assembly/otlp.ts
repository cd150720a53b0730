// OTLP export requests (open-telemetry/opentelemetry-proto 1.11, collector/{trace,metrics,logs}/v1), all three alike:
//   Export*Request  1 resource_spans, resource_metrics, resource_logs
//   Resource*       1 resource, 2 scopes, 3 schema_url
//   Resource        1 attributes (KeyValue: 1 key, 2 value), 2 dropped_attributes_count, 3 entity_refs
// A row is one Resource* that holds items. `walkOtlp` checks all of it; `planOtlp` sizes the records and cuts what is
// larger than one; `writeOtlp` copies the rest. Each Resource* goes out with one `resource`: the contents of all that it
// came with, joined (which is how protobuf merges them), less every attribute of the stamp's name, and the stamp at the end.
//
//   row  start, end, items, resourceAt, resourceBytes, keptBytes << 4 | kind, tuple, state
//     resourceAt     the tag of the first `resource` field, 0 when there is none
//     resourceBytes  of all `resource` fields with their tags and lengths
//     keptBytes      of their contents, less the attributes that are taken out

import { E_ITEMS, E_MEMORY, E_PROTOBUF, E_TOO_LARGE, E_UNKNOWN, arenaTake, copyLoose } from './memory'
import { cleanForget, cleanPayload, cleaned, idsTakenOut, textsTakenOut } from './otlp-clean'
import { metricItems } from './otlp-items'
import { RESOURCE, SCOPE_METRICS, SCOPE_SPANS, SPAN, check, checkBegin, checkText, faults, keyAt, keyBytes, readKey } from './otlp-schema'
import { appendToSplit, rowSize, partsRoom, splitBegin, splitRow, writeRow } from './otlp-split'
import {
  KIND_SERIES,
  KIND_UNKNOWN,
  ROW,
  R_ID_LENGTH,
  R_TEXT,
  SLOT,
  countRefused,
  partAt,
  partCount,
  partNew,
  refuseItems,
  rowCount,
  rowNext,
  rows,
  rowsKeep,
  rowsOpen,
  slots,
  verdicts,
} from './plan'
import { DEEP, EXISTING, NOT_TEXT, keepValue, matchName, tupleOf, tuplesBegin } from './rules'
import { fieldNumber, length, readLength, readTag, skipValue, wireType } from './wire'

/** Items of the request, those that were taken out too. */
export let itemCountOtlp: i32 = 0

/** State of a row that `planOtlp` has written already. */
const WRITTEN: i32 = 0x7fffffff

const OLD_SCOPES: u32 = 1000

/**
 * Checks and notes every Resource*. `signal`: 0 traces, 1 metrics, 2 logs. `options`: 1 the value under the stamp's name
 * matters, 2 attributes of that name are removed everywhere. 0, or the code that refuses the request as a whole.
 */
export function walkOtlp(signal: u32, at: usize, bytes: usize, itemsMax: i32, unknownBytesMax: u32, levelsMax: i32, active: u32, opaque: u32, options: u32): i32 {
  const wantExisting = (options & EXISTING) != 0
  checkBegin(levelsMax, (options & DEEP) != 0)
  cleanForget()
  let code = walkRows(signal, at, at + bytes, itemsMax, unknownBytesMax, active, opaque, wantExisting)
  if (code != 0 || faults == 0) return code
  // Rare: what is faulty or forged is taken out first, and the rest walked once more.
  const left = cleanPayload(signal, at, at + bytes)
  if (left < 0) return left
  code = walkRows(signal, cleaned, cleaned + left, itemsMax, unknownBytesMax, active, opaque, wantExisting)
  itemCountOtlp += idsTakenOut + textsTakenOut
  return code
}

function walkRows(signal: u32, at: usize, end: usize, itemsMax: i32, unknownBytesMax: u32, active: u32, opaque: u32, wantExisting: bool): i32 {
  itemCountOtlp = 0
  if (rowsOpen() != 0) return E_MEMORY
  const code = frameFields(at, end, itemsMax, unknownBytesMax)
  if (code != 0) return code
  if (tuplesBegin(<usize>rowCount) < 0) return E_MEMORY
  let kept = rows
  let isResourceMet = false
  const last = rows + <usize>rowCount * ROW
  for (let row = rows; row < last; row += ROW) {
    if (row != kept) memory.copy(kept, row, ROW)
    if (load<u32>(kept, 20) == KIND_UNKNOWN) {
      kept += ROW
      continue
    }
    isResourceMet = true
    const items = walkResources(signal, kept, itemsMax, active, opaque, wantExisting)
    if (items < 0) return items
    // A Resource* that holds no items says nothing, and is left out.
    if (items > 0) kept += ROW
  }
  rowsKeep(itemCountOtlp == 0 && isResourceMet ? 0 : <i32>((kept - rows) / ROW))
  return 0
}

/** Checks the frames of the top-level fields, and gives each its row. */
function frameFields(at: usize, end: usize, itemsMax: i32, unknownBytesMax: u32): i32 {
  let unknownBytes: u32 = 0
  while (at < end) {
    let start = at
    let kind = KIND_SERIES
    at = readTag(at, end)
    if (at == 0) return E_PROTOBUF
    if (fieldNumber == 1) {
      if (wireType != 2) return E_PROTOBUF
      start = readLength(at, end)
      if (start == 0) return E_PROTOBUF
      at = start + length
    } else {
      kind = KIND_UNKNOWN
      at = skipValue(at, end, wireType)
      if (at == 0) return E_PROTOBUF
      unknownBytes += <u32>(at - start)
      if (unknownBytes > unknownBytesMax) return E_UNKNOWN
    }
    if (rowCount >= itemsMax) return E_ITEMS
    const row = rowNext()
    if (row == 0) return E_MEMORY
    store<u32>(row, <u32>start)
    store<u32>(row, <u32>at, 4)
    store<u32>(row, 0, 8)
    store<u32>(row, kind, 20)
    store<i32>(row, 0, 24)
    store<i32>(row, 0, 28)
  }
  return 0
}

// What the attributes of the row's resource said so far.
let found: u32 = 0
let notText: u32 = 0
let keptBytes: usize = 0

/** Checks one Resource* and fills its row. Its items, or E_PROTOBUF, E_ITEMS, E_MEMORY. */
function walkResources(signal: u32, row: usize, itemsMax: i32, active: u32, opaque: u32, wantExisting: bool): i32 {
  let at = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  let items = 0
  let resourceAt: usize = 0
  let resourceBytes: usize = 0
  found = 0
  notText = 0
  keptBytes = 0
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (at == 0) return E_PROTOBUF
    const field = fieldNumber
    if (field > 3) {
      // Where OTLP before 0.19 had its scopes. Some readers still look there, so that nothing unchecked may pass.
      if (field == OLD_SCOPES) return E_PROTOBUF
      at = skipValue(at, end, wireType)
      if (at == 0) return E_PROTOBUF
      continue
    }
    if (wireType != 2) return E_PROTOBUF
    at = readLength(at, end)
    if (at == 0) return E_PROTOBUF
    const last = at + length
    if (field == 2) {
      const more = walkScope(signal, at, last)
      if (more < 0) return more
      items += more
      if (itemCountOtlp + items > itemsMax) return E_ITEMS
    } else if (field == 1) {
      if (!walkResource(at, last)) return E_PROTOBUF
      if (resourceAt == 0) resourceAt = fieldAt
      resourceBytes += last - fieldAt
    } else checkText(at, last)
    at = last
  }
  itemCountOtlp += items
  // The row has 28 bits for it, far more than any request may have.
  if (keptBytes >= 1 << 28) return E_TOO_LARGE
  const tuple = items == 0 ? 0 : tupleOf(found, active, opaque | notText, wantExisting)
  if (tuple < 0) return tuple
  store<u32>(row, items, 8)
  store<u32>(row, <u32>resourceAt, 12)
  store<u32>(row, <u32>resourceBytes, 16)
  store<u32>(row, <u32>(keptBytes << 4) | KIND_SERIES, 20)
  store<i32>(row, tuple, 24)
  return items
}

/** Checks one Scope*. Its items, or E_PROTOBUF. */
function walkScope(signal: u32, at: usize, end: usize): i32 {
  const scope = SCOPE_SPANS + signal
  const item = SPAN + signal
  let items = 0
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (at == 0) return E_PROTOBUF
    if (fieldNumber == 2 && wireType == 2) {
      at = readLength(at, end)
      if (at == 0) return E_PROTOBUF
      const last = at + length
      if (!check(item, at, last, ITEM_LEVEL)) return E_PROTOBUF
      items += scope == SCOPE_METRICS ? metricItems(at, last) : 1
      at = last
    } else {
      at = skipValue(at, end, wireType)
      if (at == 0 || !check(scope, fieldAt, at, ITEM_LEVEL - 1)) return E_PROTOBUF
    }
  }
  return items
}

/** Messages above an item: request, Resource*, Scope*. */
const ITEM_LEVEL: i32 = 3

/** Checks one Resource and keeps the values of the sources that it has. */
function walkResource(at: usize, end: usize): bool {
  if (!check(RESOURCE, at, end, 2)) return false
  keptBytes += end - at
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (fieldNumber != 1) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const last = at + length
    readKey(at, last)
    const bits = matchName(keyAt, keyBytes)
    if (bits != 0) {
      readValue(at, last)
      if (isTextValue) found = keepValue(bits, found, valueAt, valueBytes)
      else {
        notText |= bits & ~found
        found = keepValue(bits, found, at, (last - at) | <usize>NOT_TEXT)
      }
      if ((bits & 1) != 0) keptBytes -= last - fieldAt
    }
    at = last
  }
  return true
}

let isTextValue: bool = false
let valueAt: usize = 0
let valueBytes: usize = 0

/** Finds what a KeyValue means: `value` may come in parts, which merge, and of a oneof the last one counts. */
function readValue(at: usize, end: usize): void {
  // No value is as good as an empty text: it is no guid.
  isTextValue = true
  valueAt = at
  valueBytes = 0
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber != 2) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const last = at + length
    while (at < last) {
      at = readTag(at, last)
      const field = fieldNumber
      if (field == 1) {
        at = readLength(at, last)
        isTextValue = true
        valueAt = at
        valueBytes = length
        at += length
      } else {
        // An index into a table that only profiles have (8) is no value.
        if (field <= 8) isTextValue = field == 8
        if (field == 8) valueBytes = 0
        at = skipValue(at, last, wireType)
      }
    }
  }
}

/** Sizes the records: each row gets its part, is written in several, or is refused. The number of parts or a code. */
export function planOtlp(signal: u32, recordBytesMax: u32, outputBytesMax: u32, partsMax: i32): i32 {
  if (splitBegin(signal, recordBytesMax, outputBytesMax, partsMax) != 0) return E_MEMORY
  countRefused(R_ID_LENGTH, idsTakenOut)
  countRefused(R_TEXT, textsTakenOut)
  let total: u64 = 0
  let current: i32 = 0
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    if ((load<u32>(row, 20) & 15) == KIND_UNKNOWN) {
      planUnknown(row, current)
      continue
    }
    const items = load<i32>(row, 8)
    const slot = load<i32>(verdicts + (<usize>load<u32>(row, 24) << 2))
    if (slot < 0) {
      refuseItems(row, -slot, items)
      continue
    }
    const slotAt = slots + <usize>slot * SLOT
    const size = rowSize(row, load<u32>(slotAt, 4))
    const isFirst = partCount == 0
    if (size > recordBytesMax && items > 1) {
      const written = splitRow(row, slot)
      if (written < 0) return written
      total += <u64>written
      store<i32>(row, WRITTEN, 28)
      current = partCount - 1
      // What follows for this guid begins a part of its own.
      store<i32>(slotAt, -1, 12)
      if (isFirst) planLeading(i)
    } else {
      current = load<i32>(slotAt, 12)
      if (current < 0 || load<u32>(partAt(current), 4) + size > recordBytesMax) {
        if (partCount >= partsRoom) return E_TOO_LARGE
        current = partNew(slot)
      }
      total += size
      partAdd(current, size, items)
      store<i32>(row, current, 28)
      if (isFirst) planLeading(i)
    }
    if (total > <u64>outputBytesMax) return E_TOO_LARGE
  }
  return partCount
}

/** A field of a later version has no guid of its own; it stays with what stands before it (at the start: behind). */
function planUnknown(row: usize, current: i32): void {
  store<i32>(row, current, 28)
  if (partCount == 0) return
  const bytes = load<u32>(row, 4) - load<u32>(row)
  if (load<u32>(partAt(current), 12) != 0) {
    appendToSplit(row)
    store<i32>(row, WRITTEN, 28)
  } else partAdd(current, bytes, 0)
}

/** Gives the fields of later versions that came before the first kept row to its part. */
function planLeading(rowsBefore: i32): void {
  for (let i = 0; i < rowsBefore; i++) {
    const row = rows + <usize>i * ROW
    if ((load<u32>(row, 20) & 15) == KIND_UNKNOWN) planUnknown(row, partCount - 1)
  }
}

function partAdd(i: i32, bytes: u32, items: u32): void {
  const part = partAt(i)
  store<u32>(part, load<u32>(part, 4) + bytes, 4)
  store<u32>(part, load<u32>(part, 8) + items, 8)
}

/** Writes every part that is not written yet into a new region; parts hold their addresses. 0 or E_MEMORY. */
export function writeOtlp(): i32 {
  let total: usize = 0
  for (let i = 0; i < partCount; i++) {
    if (load<u32>(partAt(i), 12) == 0) total += <usize>load<u32>(partAt(i), 4) + 32
  }
  if (total == 0) return 0
  let out = arenaTake(total)
  if (out == 0) return E_MEMORY
  for (let i = 0; i < partCount; i++) {
    const part = partAt(i)
    if (load<u32>(part, 12) != 0) continue
    store<u32>(part, <u32>out, 12)
    store<u32>(part, <u32>out, 16)
    out += <usize>load<u32>(part, 4) + 32
  }
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const state = load<i32>(row, 28)
    if (state < 0 || state == WRITTEN) continue
    const part = partAt(state)
    let cursor = <usize>load<u32>(part, 16)
    if ((load<u32>(row, 20) & 15) == KIND_UNKNOWN) {
      const start = <usize>load<u32>(row)
      const bytes = <usize>load<u32>(row, 4) - start
      copyLoose(cursor, start, bytes)
      cursor += bytes
    } else {
      const slot = slots + <usize>load<u32>(part) * SLOT
      cursor = writeRow(cursor, row, <usize>load<u32>(slot), <usize>load<u32>(slot, 4))
    }
    store<u32>(part, <u32>cursor, 16)
  }
  return 0
}
