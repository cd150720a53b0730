// How a Resource* is written: whole, by copying ranges, or in several parts when it alone is larger than a record.
//
// A part repeats what encloses its items: the Resource* with its `resource`, the Scope*, in metrics the Metric and its
// Gauge, Sum, …, each with all its fields but the items (its head, first). What fits a part whole is copied whole; only
// what does not is opened. Nothing is cut within an item. Where the heads would take more than half of a part, nothing is
// cut below, and the part is as large as it is. A Scope* or Metric without items is left out of what is cut.
//
// Parts that are cut are written at once, one behind the other; a length is written in the size that the largest
// record needs, and what follows it moves when it turns out shorter.

import { E_MEMORY, E_TOO_LARGE, arenaResize, arenaTake, copyLoose } from './memory'
import { isStrange, itemsOf, itemsUpTo } from './otlp-items'
import { METRIC, RESOURCE_SPANS, SCOPE_LOGS, SCOPE_SPANS, SUMMARY, SUMMARY_POINT, isForged, nestedIn } from './otlp-schema'
import { ROW, SLOT, partAt, partCount, partNew, partsTake, rowCount, rows, slots, verdicts } from './plan'
import { fieldNumber, length, readLength, readTag, skipValue, varintBytes, wireType, writeVarint } from './wire'

/** Bytes of the row as it will be written whole. */
export function rowSize(row: usize, stampBytes: u32): u32 {
  const body = bodyBytes(row, stampBytes)
  return 1 + <u32>varintBytes(body) + body
}

function bodyBytes(row: usize, stampBytes: u32): u32 {
  return load<u32>(row, 4) - load<u32>(row) - load<u32>(row, 16) + resourceSize(row, stampBytes)
}

function resourceSize(row: usize, stampBytes: u32): u32 {
  const resource = (load<u32>(row, 20) >> 4) + stampBytes
  return 1 + <u32>varintBytes(resource) + resource
}

/** Writes the row whole; the address behind it. */
export function writeRow(out: usize, row: usize, stampAt: usize, stampBytes: usize): usize {
  const start = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  const resourceAt = <usize>load<u32>(row, 12)
  store<u8>(out, 0x0a)
  out = writeVarint(out + 1, bodyBytes(row, <u32>stampBytes))
  if (resourceAt == 0) return put(putResource(out, row, stampAt, stampBytes), start, end)
  out = put(out, start, resourceAt)
  out = putResource(out, row, stampAt, stampBytes)
  const rest = skipValue(readTag(resourceAt, end), end, 2)
  if (rest - resourceAt == <usize>load<u32>(row, 16)) return put(out, rest, end)
  return putWithoutResource(out, rest, end)
}

/** Writes the one `resource` field that the row gets. */
function putResource(out: usize, row: usize, stampAt: usize, stampBytes: usize): usize {
  const end = <usize>load<u32>(row, 4)
  const kept = <usize>load<u32>(row, 20) >> 4
  let left = <usize>load<u32>(row, 16)
  let at = <usize>load<u32>(row, 12)
  const isOnly = at != 0 && skipValue(readTag(at, end), end, 2) - at == left
  store<u8>(out, 0x0a)
  out = writeVarint(out + 1, <u32>(kept + stampBytes))
  while (left > 0) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    if (field != 1) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const last = at + length
    out = isOnly && last - at == kept ? put(out, at, last) : putUnforged(out, at, last)
    left -= last - fieldAt
    at = last
  }
  return put(out, stampAt, stampAt + stampBytes)
}

/** Copies the fields of a Resource, less the attributes of the stamp's name. */
function putUnforged(out: usize, at: usize, end: usize): usize {
  let from = at
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (fieldNumber != 1) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const last = at + length
    if (isForged(at, last)) {
      out = put(out, from, fieldAt)
      from = last
    }
    at = last
  }
  return put(out, from, end)
}

function putWithoutResource(out: usize, at: usize, end: usize): usize {
  let from = at
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    at = skipValue(at, end, wireType)
    if (field == 1) {
      out = put(out, from, fieldAt)
      from = at
    }
  }
  return put(out, from, end)
}

/** Copies the fields of a message that neither are items nor hold them, and of a Resource* not its `resource`. */
function putHead(out: usize, message: u32, at: usize, end: usize): usize {
  let from = at
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    at = skipValue(at, end, wireType)
    if (childOf(message, field) >= 0 || (message < SCOPE_SPANS && field == 1)) {
      out = put(out, from, fieldAt)
      // Items mostly stand in a row.
      const tag = load<u8>(fieldAt)
      while (at < end && tag < 0x80 && load<u8>(at) == tag) at = readLength(at + 1, end) + length
      from = at
    }
  }
  return put(out, from, end)
}

/** The message in a field that is an item or holds items, or -1. */
@inline
function childOf(message: u32, field: u32): i32 {
  const nested = nestedIn(message, field)
  return nested >= <i32>SCOPE_SPANS && nested <= <i32>SUMMARY ? nested : -1
}

@inline
function isItem(message: u32): bool {
  return message > SCOPE_LOGS && message <= SUMMARY_POINT && message != METRIC
}

@inline
function put(out: usize, from: usize, to: usize): usize {
  copyLoose(out, from, to - from)
  return out + (to - from)
}

// ---- cutting: levels 0 Resource*, 1 Scope*, 2 Metric, 3 Gauge, Sum, … ----------------------------------------------------

const LEVELS = 4
const headAt = memory.data(LEVELS * 4)
const headBytes = memory.data(LEVELS * 4)
/** Where the length of the level's message stands in the part at hand; 0 while it is not open. */
const openAt = memory.data(LEVELS * 4)
const tags = memory.data(LEVELS * 4)

let resources: u32 = 0
let partBytesMax: usize = 0
let lengthBytes: usize = 0
let outputMax: usize = 0
/** How many parts there is room for. */
export let partsRoom: i32 = 0
let scratch: usize = 0
let scratchBytes: usize = 0
let region: usize = 0
let out: usize = 0
let slotOf: i32 = 0
let part: i32 = -1
let partStart: usize = 0
let partItems: u32 = 0

/** Makes room for the parts. 0 or E_MEMORY. */
export function splitBegin(signal: u32, recordBytesMax: u32, outputBytesMax: u32, partsMax: i32): i32 {
  resources = RESOURCE_SPANS + signal
  partBytesMax = <usize>recordBytesMax
  lengthBytes = varintBytes(recordBytesMax)
  outputMax = <usize>outputBytesMax
  scratch = 0
  scratchBytes = 0
  region = 0
  let room: u64 = <u64>rowCount
  for (let i = 0; i < rowCount; i++) {
    const row = rows + <usize>i * ROW
    const items = load<u32>(row, 8)
    const slot = load<i32>(verdicts + (<usize>load<u32>(row, 24) << 2))
    if (items < 2 || slot < 0) continue
    const size = rowSize(row, load<u32>(slots + <usize>slot * SLOT, 4))
    if (size <= recordBytesMax) continue
    // Of two neighbouring parts the items fill at least half of one, since their heads take at most the other half.
    room += min(<u64>items, (<u64>size << 2) / <u64>max(recordBytesMax, 1) + 4)
    scratchBytes = max(scratchBytes, <usize>size)
  }
  partsRoom = <i32>min(room, <u64>partsMax)
  return partsTake(partsRoom)
}

/** Cuts the row and writes its parts. Bytes written, or E_MEMORY, E_TOO_LARGE. */
export function splitRow(row: usize, slot: i32): i32 {
  if (region == 0) {
    scratch = arenaTake(scratchBytes)
    region = arenaTake(0)
    if (scratch == 0 || region == 0) return E_MEMORY
    out = region
  }
  const before = out
  const start = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  const slotAt = slots + <usize>slot * SLOT
  slotOf = slot
  part = -1
  memory.fill(openAt, 0, LEVELS * 4)
  store<u32>(tags, 0x0a)
  store<u32>(headAt, <u32>scratch)
  const headEnd = putResource(scratch, row, <usize>load<u32>(slotAt), <usize>load<u32>(slotAt, 4))
  store<u32>(headBytes, <u32>(putHead(headEnd, resources, start, end) - scratch))
  let code = 0
  if (headsBytes(0) > partBytesMax >> 1) code = writeUncut(row, <usize>load<u32>(slotAt), <usize>load<u32>(slotAt, 4))
  else {
    code = cut(resources, 0, start, end)
    if (code == 0 && part >= 0) closePart()
  }
  return code < 0 ? code : <i32>(out - before)
}

/** A row whose heads leave no room for items: one part, as large as it is. */
function writeUncut(row: usize, stampAt: usize, stampBytes: usize): i32 {
  const size = <usize>rowSize(row, <u32>stampBytes)
  const code = partOpen(size)
  if (code < 0) return code
  out = writeRow(out, row, stampAt, stampBytes)
  partItems = load<u32>(row, 8)
  closePart()
  return 0
}

/** Copies a field of a later version behind the last part. */
export function appendToSplit(row: usize): bool {
  const start = <usize>load<u32>(row)
  const end = <usize>load<u32>(row, 4)
  if (!arenaResize(region, out - region + (end - start))) return false
  out = put(out, start, end)
  const last = partAt(partCount - 1)
  store<u32>(last, load<u32>(last, 4) + <u32>(end - start), 4)
  return true
}

/** Shares the items of a message, whose head is prepared, out among parts. 0 or a code. */
function cut(message: u32, level: i32, at: usize, end: usize): i32 {
  // Items in a row that go to one part are copied together.
  let runAt: usize = 0
  let runEnd: usize = 0
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const child = childOf(message, fieldNumber)
    if (child < 0) {
      at = skipValue(at, end, wireType)
      continue
    }
    const tag = fieldNumber << 3 | 2
    at = readLength(at, end)
    const last = at + length
    if (isItem(child)) {
      if (runEnd == fieldAt && out - partStart + (last - runAt) <= partBytesMax) {
        runEnd = last
        partItems++
      } else {
        if (runAt != 0 && !copyRun(runAt, runEnd)) return E_MEMORY
        const code = makeRoom(level, last - fieldAt)
        if (code < 0) return code
        runAt = fieldAt
        runEnd = last
        partItems++
      }
      at = last
      const room = partBytesMax - min(partBytesMax, out - partStart)
      while (tag < 0x80 && at < end && <u32>load<u8>(at) == tag) {
        const next = readLength(at + 1, end) + length
        if (next - runAt > room) break
        at = next
        runEnd = next
        partItems++
      }
    } else {
      const code = cutChild(child, tag, level, fieldAt, at, last)
      if (code < 0) return code
      at = last
    }
  }
  return runAt == 0 || copyRun(runAt, runEnd) ? 0 : E_MEMORY
}

function copyRun(from: usize, to: usize): bool {
  if (!arenaResize(region, out - region + (to - from))) return false
  out = put(out, from, to)
  return true
}

/** A Scope*, a Metric or its data: whole when a part can hold it, else cut. 0 or a code. */
function cutChild(message: u32, tag: u32, level: i32, fieldAt: usize, at: usize, end: usize): i32 {
  let isWhole = headsBytes(level) + (end - fieldAt) <= partBytesMax
  // What is to be cut is not counted beforehand, but for one item, which cannot be.
  const items = isWhole || message == METRIC ? itemsOf(message, at, end) : itemsUpTo(message, at, end, 2)
  if (items == 0) return 0
  if (items == 1 || (message == METRIC && isStrange)) isWhole = true
  const next = <usize>(level + 1) << 2
  if (!isWhole) {
    const head = <usize>load<u32>(headAt + next - 4) + <usize>load<u32>(headBytes + next - 4)
    store<u32>(tags + next, tag)
    store<u32>(headAt + next, <u32>head)
    store<u32>(headBytes + next, <u32>(putHead(head, message, at, end) - head))
    if (headsBytes(level + 1) <= partBytesMax >> 1) {
      const code = cut(message, level + 1, at, end)
      if (code == 0 && load<u32>(openAt + next) != 0) close(level + 1)
      return code
    }
  }
  const code = makeRoom(level, end - fieldAt)
  if (code < 0) return code
  out = put(out, fieldAt, end)
  partItems += itemsOf(message, at, end)
  return 0
}

/** Bytes that a new part begins with, down to `level`. */
function headsBytes(level: i32): usize {
  let bytes: usize = 0
  for (let i = 0; i <= level; i++) bytes += 1 + lengthBytes + <usize>load<u32>(headBytes + (<usize>i << 2))
  return bytes
}

/** Opens what is not open down to `level`, in the part at hand if `bytes` more fit it, else in a new one. 0 or a code. */
function makeRoom(level: i32, bytes: usize): i32 {
  let heads: usize = 0
  for (let i = 0; i <= level; i++) {
    const at = <usize>i << 2
    if (load<u32>(openAt + at) == 0) heads += 1 + lengthBytes + <usize>load<u32>(headBytes + at)
  }
  if (part >= 0 && partItems > 0 && out - partStart + heads + bytes > partBytesMax) {
    closePart()
    heads = headsBytes(level)
  }
  const code = partOpen(heads + bytes)
  if (code < 0) return code
  for (let i = 0; i <= level; i++) {
    const at = <usize>i << 2
    if (load<u32>(openAt + at) != 0) continue
    store<u8>(out, load<u8>(tags + at))
    store<u32>(openAt + at, <u32>(out + 1))
    const head = <usize>load<u32>(headAt + at)
    out = put(out + 1 + lengthBytes, head, head + <usize>load<u32>(headBytes + at))
  }
  return 0
}

/** Makes sure that there is a part, and memory for `bytes` more of it. */
function partOpen(bytes: usize): i32 {
  if (out - region + bytes > outputMax) return E_TOO_LARGE
  if (!arenaResize(region, out - region + bytes)) return E_MEMORY
  if (part >= 0) return 0
  if (partCount >= partsRoom) return E_TOO_LARGE
  part = partNew(slotOf)
  partStart = out
  partItems = 0
  return 0
}

function closePart(): void {
  for (let level = LEVELS - 1; level >= 0; level--) {
    if (load<u32>(openAt + (<usize>level << 2)) != 0) close(level)
  }
  const at = partAt(part)
  store<u32>(at, <u32>(out - partStart), 4)
  store<u32>(at, partItems, 8)
  store<u32>(at, <u32>partStart, 12)
  store<u32>(at, <u32>out, 16)
  part = -1
}

/** Writes the length of the level's message, which ends here. */
function close(level: i32): void {
  const lengthAt = <usize>load<u32>(openAt + (<usize>level << 2))
  const bytes = out - lengthAt - lengthBytes
  const needed = varintBytes(<u32>bytes)
  if (needed != lengthBytes) {
    memory.copy(lengthAt + needed, lengthAt + lengthBytes, bytes)
    out = out + needed - lengthBytes
  }
  writeVarint(lengthAt, <u32>bytes)
  store<u32>(openAt + (<usize>level << 2), 0)
}
