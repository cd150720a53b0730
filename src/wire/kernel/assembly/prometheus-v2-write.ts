// Writes 2.0 records. Two ways:
//
// - All series go to one record: the table is kept as it is, the stamp's name and value are appended to it unless it
//   holds them, and each series gets the pair of refs at its sorted place. Every other byte is the input's.
// - Several guids, or more than one record can hold: each record gets a table of its own with just the strings that its
//   series use, and their refs are renumbered. The work is linear in the refs and in what is written; what is written is
//   bounded, since one long symbol could otherwise be repeated for each guid.

import { E_MEMORY, E_TOO_LARGE, arenaResize, arenaTake, copyLoose, sameBytes } from './memory'
import { KIND_UNKNOWN, ROW, SLOT, partAt, partCount, partNew, partsBegin, refuse, rowCount, rows, slots, verdicts } from './plan'
import { EXTRA, SYMBOL, extras, seriesBytesMax, symbolCount, symbolRunAt, symbolRunEnd, symbolsAt, unknownBytes } from './prometheus-v2'
import { stampName, stampNameBytes } from './rules'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varint, varintBytes, wireType, writeVarint } from './wire'

/** A tag and the longest length: what is left free in front of a message whose length is not known yet. */
const HEAD: usize = 6

let expandedBytesMax: usize = 0
let recordMax: u32 = 0

/** Plans and writes in one go; the parts are complete afterwards. Their number, E_MEMORY or E_TOO_LARGE. */
export function planV2(recordBytesMax: u32, outputBytesMax: u32): i32 {
  recordMax = recordBytesMax
  expandedBytesMax = outputBytesMax
  if (partsBegin() != 0) return E_MEMORY
  let only: i32 = -1
  let many = false
  let bytes: usize = 0
  let accepted = 0
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const state = load<i32>(row, 28)
    if (load<u32>(row, 20) == KIND_UNKNOWN) {
      store<i32>(row, only < 0 ? 0 : only, 28)
      bytes += load<u32>(row, 4) - load<u32>(row)
      continue
    }
    const slot = state < 0 ? state : load<i32>(verdicts + (<usize>load<u32>(row, 24) << 2))
    if (slot < 0) {
      refuse(row, -slot)
      continue
    }
    if (only >= 0 && slot != only) many = true
    only = slot
    store<i32>(row, slot, 28)
    bytes += <usize>(load<u32>(row, 4) - load<u32>(row)) + 22
    accepted++
  }
  if (accepted == 0) return 0
  let wholeTableBytes: usize = 512
  for (let i: u32 = 0; i < symbolCount; i++) wholeTableBytes += <usize>load<u32>(symbolsAt + <usize>i * SYMBOL, 4) + 6
  if (!many && bytes + wholeTableBytes <= <usize>recordMax) return writeWhole(only, bytes + wholeTableBytes)
  return writeRenumbered()
}

/** Nothing is left to do: the plan wrote. */
export function writeV2(): i32 {
  return 0
}

// ---- one record, the table kept --------------------------------------------------------------------------------------

let out: usize = 0
let nameIndex: u32 = 0
let valueIndex: u32 = 0

function writeWhole(slot: i32, bytesMax: usize): i32 {
  const slotAt = slots + <usize>slot * SLOT
  const guidAt = <usize>load<u32>(slotAt)
  const guidBytes = <usize>load<u32>(slotAt, 4)
  // Irregular series are written through a gap of HEAD bytes each, which bytesMax has no room for.
  const start = arenaTake(bytesMax + <usize>rowCount * (HEAD + HEAD))
  if (start == 0) return E_MEMORY
  const part = partAt(partNew(slot))
  out = start
  nameIndex = findSymbol(stampName(), stampNameBytes())
  valueIndex = findSymbol(guidAt, guidBytes)
  let next = symbolCount
  if (next == 0) {
    out = writeSymbol(out, 0, 0)
    next = 1
  } else if (symbolRunAt != 0) {
    memory.copy(out, symbolRunAt, symbolRunEnd - symbolRunAt)
    out += symbolRunEnd - symbolRunAt
  } else {
    for (let i: u32 = 0; i < symbolCount; i++) {
      const symbol = symbolsAt + <usize>i * SYMBOL
      out = writeSymbol(out, load<u32>(symbol), load<u32>(symbol, 4))
    }
  }
  if (nameIndex == NONE) {
    nameIndex = next++
    out = writeSymbol(out, stampName(), stampNameBytes())
  }
  if (valueIndex == NONE) {
    valueIndex = next
    out = writeSymbol(out, guidAt, guidBytes)
  }
  keepRefs = true
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    if (load<i32>(row, 28) < 0) continue
    if (load<u32>(row, 20) == KIND_UNKNOWN) {
      out = copyField(out, load<u32>(row), load<u32>(row, 4))
      continue
    }
    const extra = extras + <usize>i * EXTRA
    if (load<u32>(row, 12) == 0 && load<u32>(extra) != 0) out = writeRegular(out, row, extra)
    else out = writeAnySeries(out, row)
    countItem(part, extra)
  }
  store<u32>(part, <u32>(out - start), 4)
  store<u32>(part, <u32>start, 12)
  return partCount
}

const NONE: u32 = 0xffffffff

function findSymbol(at: usize, bytes: usize): u32 {
  for (let i: u32 = 0; i < symbolCount; i++) {
    const symbol = symbolsAt + <usize>i * SYMBOL
    if (<usize>load<u32>(symbol, 4) == bytes && sameBytes(load<u32>(symbol), at, bytes)) return i
  }
  return NONE
}

function writeSymbol(to: usize, at: usize, bytes: usize): usize {
  store<u8>(to++, 0x22)
  to = writeVarint(to, <u32>bytes)
  copyLoose(to, at, bytes)
  return to + bytes
}

function copyField(to: usize, at: usize, end: usize): usize {
  copyLoose(to, at, end - at)
  return to + (end - at)
}

function countItem(part: usize, extra: usize): void {
  store<u32>(part, load<u32>(part, 8) + 1, 8)
  store<u32>(part, load<u32>(part, 20) + load<u32>(extra, 12), 20)
  store<u32>(part, load<u32>(part, 24) + load<u32>(extra, 16), 24)
  store<u32>(part, load<u32>(part, 28) + load<u32>(extra, 20), 28)
}

/** The series as nearly all senders write it: one packed run of refs, no stamp of its own. */
function writeRegular(to: usize, row: usize, extra: usize): usize {
  const start = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  const insertAt = <usize>load<u32>(row, 8)
  const refsAt = <usize>load<u32>(extra)
  const refsValueAt = <usize>load<u32>(extra, 4)
  const refsEnd = <usize>load<u32>(extra, 8)
  const refs = refsEnd - refsValueAt + varintBytes(nameIndex) + varintBytes(valueIndex)
  store<u8>(to++, 0x2a)
  to = writeVarint(to, <u32>(refsAt - start + 1 + varintBytes(<u32>refs) + refs + (end - refsEnd)))
  to = copyField(to, start, refsAt)
  store<u8>(to++, 0x0a)
  to = writeVarint(to, <u32>refs)
  to = copyField(to, refsValueAt, insertAt)
  to = writeVarint(to, nameIndex)
  to = writeVarint(to, valueIndex)
  to = copyField(to, insertAt, refsEnd)
  return copyField(to, refsEnd, end)
}

// ---- any series, refs kept or renumbered -----------------------------------------------------------------------------

let keepRefs = true

/** Writes a series field by field: its refs first, as one packed run without the stamp's name, then the rest in order. */
function writeAnySeries(to: usize, row: usize): usize {
  const start = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  const body = to + HEAD
  let cursor = writeLabels(body, start, end, <usize>load<u32>(row, 8))
  let at = start
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    const tagEnd = at
    at = skipValue(at, end, wireType)
    if (field == 1) continue
    if (keepRefs || (field != 4 && field != 5)) {
      cursor = copyField(cursor, fieldAt, at)
      continue
    }
    const valueAt = readLength(tagEnd, end)
    const value = cursor + HEAD
    const valueEnd = field == 4 ? writeExemplar(value, valueAt, at) : writeMetadata(value, valueAt, at)
    cursor = close(cursor, <u8>((field << 3) | 2), value, valueEnd)
  }
  return close(to, 0x2a, body, cursor)
}

/** Puts tag and length in front of the message written at `value` and moves it up to them; the address behind it. */
function close(to: usize, tag: u8, value: usize, valueEnd: usize): usize {
  const bytes = valueEnd - value
  store<u8>(to++, tag)
  to = writeVarint(to, <u32>bytes)
  if (to != value) copyLoose(to, value, bytes)
  return to + bytes
}

function writeLabels(to: usize, at: usize, end: usize, insertAt: usize): usize {
  const value = to + HEAD
  let cursor = value
  let stamped = false
  let half = false
  let nameRefAt: usize = 0
  let nameRef: u32 = 0
  while (at < end) {
    at = readTag(at, end)
    const type = wireType
    if (fieldNumber != 1) {
      at = skipValue(at, end, type)
      continue
    }
    let run = at
    if (type == 2) {
      run = readLength(at, end)
      at = run + length
    } else at = readVarint(at, end)
    while (run < at) {
      const refAt = run
      run = readVarint(run, at)
      const ref = <u32>varint
      if (!half) {
        nameRef = ref
        nameRefAt = refAt
        half = true
        continue
      }
      half = false
      if ((load<u32>(symbolsAt + <usize>nameRef * SYMBOL, 8) & 1) != 0) continue
      if (!stamped && nameRefAt == insertAt) {
        cursor = writeVarint(writeVarint(cursor, nameIndex), valueIndex)
        stamped = true
      }
      cursor = writeVarint(cursor, mapRef(nameRef))
      cursor = writeVarint(cursor, mapRef(ref))
    }
  }
  if (!stamped) cursor = writeVarint(writeVarint(cursor, nameIndex), valueIndex)
  return close(to, 0x0a, value, cursor)
}

function writeExemplar(to: usize, start: usize, end: usize): usize {
  const value = to + HEAD
  let refs = value
  let at = start
  while (at < end) {
    at = readTag(at, end)
    const type = wireType
    if (fieldNumber != 1) {
      at = skipValue(at, end, type)
      continue
    }
    let run = at
    if (type == 2) {
      run = readLength(at, end)
      at = run + length
    } else at = readVarint(at, end)
    while (run < at) {
      run = readVarint(run, at)
      refs = writeVarint(refs, mapRef(<u32>varint))
    }
  }
  if (refs != value) to = close(to, 0x0a, value, refs)
  at = start
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    at = skipValue(at, end, wireType)
    if (field != 1) to = copyField(to, fieldAt, at)
  }
  return to
}

function writeMetadata(to: usize, at: usize, end: usize): usize {
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    at = skipValue(at, end, wireType)
    if (field == 3 || field == 4) {
      store<u8>(to++, <u8>(field << 3))
      to = writeVarint(to, varint == 0 ? 0 : mapRef(<u32>varint))
    } else to = copyField(to, fieldAt, at)
  }
  return to
}

// ---- many records, a table each --------------------------------------------------------------------------------------

let mapped: usize = 0
let epochs: usize = 0
let listed: usize = 0
let listedCount: u32 = 0
let epoch: u32 = 0
let tableBytes: usize = 0
let slotGuidAt: usize = 0
let slotGuidBytes: usize = 0

/** The record's own number of a symbol; a new one enters its table. */
function mapRef(ref: u32): u32 {
  if (keepRefs) return ref
  const offset = <usize>ref << 2
  if (load<u32>(epochs + offset) == epoch) return load<u32>(mapped + offset)
  const symbol = symbolsAt + <usize>ref * SYMBOL
  const bytes = <usize>load<u32>(symbol, 4)
  if (bytes == 0) return 0
  if ((load<u32>(symbol, 8) & 1) != 0) return nameIndex
  if (bytes == slotGuidBytes && sameBytes(load<u32>(symbol), slotGuidAt, bytes)) return valueIndex
  store<u32>(epochs + offset, epoch)
  store<u32>(mapped + offset, 3 + listedCount)
  store<u32>(listed + (<usize>listedCount << 2), ref)
  tableBytes += 1 + varintBytes(<u32>bytes) + bytes
  return 3 + listedCount++
}

function writeRenumbered(): i32 {
  const order = orderBySlot()
  mapped = arenaTake(<usize>symbolCount << 2)
  epochs = arenaTake(<usize>symbolCount << 2)
  listed = arenaTake(<usize>symbolCount << 2)
  // A ref of one byte may become one of five; a record's last series is written before it is known to be one too many.
  const series = arenaTake(<usize>recordMax + seriesBytesMax * 12 + <usize>unknownBytes + 64)
  const output = arenaTake(0)
  if (order == 0 || mapped == 0 || epochs == 0 || listed == 0 || series == 0 || output == 0) return E_MEMORY
  memory.fill(epochs, 0, <usize>symbolCount << 2)
  epoch = 0
  keepRefs = false
  nameIndex = 1
  valueIndex = 2
  out = output
  let slot: i32 = -1
  let part: usize = 0
  let cursor = series
  for (let n = 0; n < orderCount; n++) {
    const i = load<u32>(order + (<usize>n << 2))
    const row = rows + <usize>i * ROW
    if (load<i32>(row, 28) != slot) {
      if (part != 0) {
        const code = finish(part, output, series, cursor)
        if (code != 0) return code
      }
      slot = load<i32>(row, 28)
      part = begin(slot)
      cursor = series
    }
    const listedBefore = listedCount
    const tableBefore = tableBytes
    const cursorBefore = cursor
    cursor = writeRow(cursor, row)
    const isSeries = load<u32>(row, 20) != KIND_UNKNOWN
    if (isSeries && cursor - series + tableBytes > <usize>recordMax && load<u32>(part, 8) > 0) {
      // One too many: forget it, finish the record, and write it again as the first of the next.
      while (listedCount > listedBefore) store<u32>(epochs + (<usize>load<u32>(listed + (<usize>(--listedCount) << 2)) << 2), 0)
      tableBytes = tableBefore
      const code = finish(part, output, series, cursorBefore)
      if (code != 0) return code
      part = begin(slot)
      cursor = writeRow(series, row)
    }
    if (isSeries) countItem(part, extras + <usize>i * EXTRA)
  }
  const code = finish(part, output, series, cursor)
  return code != 0 ? code : partCount
}

function writeRow(to: usize, row: usize): usize {
  if (load<u32>(row, 20) == KIND_UNKNOWN) return copyField(to, load<u32>(row), load<u32>(row, 4))
  return writeAnySeries(to, row)
}

function begin(slot: i32): usize {
  const slotAt = slots + <usize>slot * SLOT
  slotGuidAt = load<u32>(slotAt)
  slotGuidBytes = load<u32>(slotAt, 4)
  epoch++
  listedCount = 0
  // The empty string, the stamp's name and the guid are symbols 0, 1 and 2 of every such record.
  tableBytes = 2 + 1 + varintBytes(<u32>stampNameBytes()) + stampNameBytes() + 1 + varintBytes(<u32>slotGuidBytes) + slotGuidBytes
  return partAt(partNew(slot))
}

function finish(part: usize, output: usize, series: usize, seriesEnd: usize): i32 {
  const bytes = tableBytes + (seriesEnd - series)
  const used = out - output
  if (used + bytes > expandedBytesMax) return E_TOO_LARGE
  if (!arenaResize(output, used + bytes + 32)) return E_MEMORY
  const start = out
  out = writeSymbol(out, 0, 0)
  out = writeSymbol(out, stampName(), stampNameBytes())
  out = writeSymbol(out, slotGuidAt, slotGuidBytes)
  for (let i: u32 = 0; i < listedCount; i++) {
    const symbol = symbolsAt + <usize>load<u32>(listed + (<usize>i << 2)) * SYMBOL
    out = writeSymbol(out, load<u32>(symbol), load<u32>(symbol, 4))
  }
  out = copyField(out, series, seriesEnd)
  store<u32>(part, <u32>(out - start), 4)
  store<u32>(part, <u32>start, 12)
  out += 32
  return 0
}

let orderCount: i32 = 0

/** The numbers of the rows that are kept, those of one slot together, in their order (a counting sort). */
function orderBySlot(): usize {
  let slotCount = 0
  let leading = true
  let firstSlot = 0
  orderCount = 0
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const slot = load<i32>(row, 28)
    if (slot < 0) continue
    if (slot >= slotCount) slotCount = slot + 1
    if (leading && load<u32>(row, 20) != KIND_UNKNOWN) {
      leading = false
      firstSlot = slot
    }
    orderCount++
  }
  const order = arenaTake(<usize>orderCount << 2)
  const nexts = arenaTake(<usize>(slotCount + 1) << 2)
  if (order == 0 || nexts == 0) return 0
  memory.fill(nexts, 0, <usize>(slotCount + 1) << 2)
  leading = true
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const slot = load<i32>(row, 28)
    if (slot < 0) continue
    if (load<u32>(row, 20) != KIND_UNKNOWN) leading = false
    // Fields of a later version in front of the first series stay with it.
    else if (leading) store<i32>(row, firstSlot, 28)
    const next = nexts + (<usize>(load<i32>(row, 28) + 1) << 2)
    store<u32>(next, load<u32>(next) + 1)
  }
  for (let s = 1; s <= slotCount; s++) {
    const next = nexts + (<usize>s << 2)
    store<u32>(next, load<u32>(next) + load<u32>(next - 4))
  }
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const slot = load<i32>(row, 28)
    if (slot < 0) continue
    const next = nexts + (<usize>slot << 2)
    const place = load<u32>(next)
    store<u32>(next, place + 1)
    store<u32>(order + (<usize>place << 2), i)
  }
  return order
}
