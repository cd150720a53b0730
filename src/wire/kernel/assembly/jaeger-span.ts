// One Jaeger span on its way to OTLP, whatever it is read from: the readers fill `span`, the table of attributes
// (`attributes.ts`) and that of references, and this file writes opentelemetry.proto.trace.v1.Span and what is in it
// (open-telemetry/opentelemetry-proto 1.11). The head goes first, which is everything up to the attributes; the events
// follow while they are read, then links and status.

import {
  A_BOOL,
  A_INT,
  A_TEXT,
  E_ROWS,
  attribute,
  attributesBegin,
  attributesDropped,
  attributesForget,
  distinctAttributes,
  endOfAttributes,
  firstAttribute,
  keyBytesOf,
  keyOf,
  nextAttribute,
  takeAttribute,
  typeOf,
  valueBytesOf,
  valueOf,
  writeAttribute,
  writeAttributes,
} from './attributes'
import {
  CHILD_OF_BYTES,
  ERROR,
  FLAGS_BYTES,
  FOLLOWS_FROM_BYTES,
  HTTP_CODE,
  HTTP_MESSAGE,
  KIND_CLIENT,
  KIND_SERVER,
  NO_ROLE,
  REF_TYPE_BYTES,
  SCOPE_NAME,
  SCOPE_VERSION,
  SPAN_KIND,
  STATUS_CODE,
  STATUS_DESCRIPTION,
  TRACE_STATE,
  childOf,
  flagsKey,
  followsFrom,
  isEventKey,
  kindOf,
  refType,
  roleOf,
  statusOf,
} from './jaeger-names'
import { scopeIs } from './jaeger-scope'
import { E_MEMORY, arenaTake } from './memory'
import { close, open, openWidth, out, outTo, putTag, putText, putVarint, room } from './output'

/** Why a translation ends, or begins again; 0 while it goes on. */
export let problem: i32 = 0

export function setProblem(code: i32): void {
  problem = code
}

// ---- the span at hand: ids as numbers, times in nanoseconds ---------------------------------------------------------------

export const span = memory.data(64, 16)
export const TRACE_HIGH: usize = 0
export const TRACE_LOW: usize = 8
export const SPAN_ID: usize = 16
/** Thrift's parentSpanId; 0 when there is none, and in protobuf. */
export const PARENT_ID: usize = 24
export const START: usize = 32
export const END: usize = 40
export const NAME: usize = 48
export const NAME_BYTES: usize = 52
/** As a signed number of 64 bits. */
export const FLAGS: usize = 56

// ---- references: rows of 32 bytes, u64 trace id high and low, u64 span id, i32 type (0 child_of, 1 follows_from) -------------

const REFERENCE: usize = 32
let references: usize = 0
let referenceCount: i32 = 0
let rowsMax: i32 = 0

/** Makes room for the attributes and the references of one span. 0 or E_MEMORY. */
export function tablesBegin(max: i32): i32 {
  problem = 0
  rowsMax = max
  references = arenaTake(<usize>max * REFERENCE)
  return references == 0 ? E_MEMORY : attributesBegin(max)
}

/** Forgets the span before. */
@inline
export function spanForget(): void {
  referenceCount = 0
  attributesForget()
  const none = i64x2.splat(0)
  store<v128>(span, none)
  store<v128>(span, none, 16)
  store<v128>(span, none, 32)
  store<v128>(span, none, 48)
}

export function referencesForget(): void {
  referenceCount = 0
}

export function reference(traceHigh: u64, traceLow: u64, spanId: u64, type: i32): void {
  if (referenceCount == rowsMax) {
    problem = E_ROWS
    return
  }
  const row = references + <usize>referenceCount * REFERENCE
  referenceCount++
  store<u64>(row, traceHigh)
  store<u64>(row, traceLow, 8)
  store<u64>(row, spanId, 16)
  store<i32>(row, type, 24)
}

@inline
function isOfTrace(row: usize): bool {
  return load<u64>(row) == load<u64>(span, TRACE_HIGH) && load<u64>(row, 8) == load<u64>(span, TRACE_LOW)
}

/** The parent: Thrift's own field, else the first child_of of the trace, else the first follows_from of it. */
function parentOfSpan(): u64 {
  const own = load<u64>(span, PARENT_ID)
  if (own != 0) return own
  let parent: u64 = 0
  let isFound = false
  for (let i = 0; i < referenceCount; i++) {
    const row = references + <usize>i * REFERENCE
    if (!isOfTrace(row)) continue
    if (load<i32>(row, 24) == 0) return load<u64>(row, 16)
    if (!isFound) parent = load<u64>(row, 16)
    isFound = true
  }
  return parent
}

export function firstReference(): usize {
  return references
}

export function endOfReferences(): usize {
  return references + <usize>referenceCount * REFERENCE
}

export function nextReference(row: usize): usize {
  return row + REFERENCE
}

/** True for a reference that says nothing but that the parent is the parent. */
export function isParent(row: usize, parent: u64): bool {
  return load<i32>(row, 24) == 0 && load<u64>(row, 16) == parent && isOfTrace(row)
}

// ---- the head -------------------------------------------------------------------------------------------------------------

const roles = memory.data(16 * 4)
/** Bits of the roles that the span's tags have. */
let found: u32 = 0
let statusNumber: u32 = 0
let messageAt: usize = 0
let messageBytes: usize = 0
let parentId: u64 = 0

@inline
function has(role: i32): bool {
  return (found >> role & 1) != 0
}

@inline
function rowOf(role: i32): usize {
  return <usize>load<u32>(roles + (<usize>role << 2))
}

@inline
function hasText(role: i32): bool {
  return has(role) && typeOf(rowOf(role)) == A_TEXT
}

/** Keeps flags that say more than `sampled` as an attribute. */
export function keepFlags(): void {
  const flags = load<i64>(span, FLAGS)
  if (flags != 0 && flags != 1) attribute(flagsKey, FLAGS_BYTES, A_INT, <u64>flags, 0)
}

/** Writes the span up to its attributes, from `span` and the table of attributes. False when the span cannot be finished. */
export function writeHead(): bool {
  problem = distinctAttributes()
  if (problem != 0) return false
  findRoles()
  parentId = parentOfSpan()
  let kind: u32 = 0
  let traceState: usize = 0
  statusNumber = 0
  messageBytes = 0
  if (found == 0) scopeIs(0, 0)
  else {
    takeScope()
    if (hasText(SPAN_KIND)) {
      const row = rowOf(SPAN_KIND)
      kind = kindOf(<usize>valueOf(row), valueBytesOf(row))
      if (kind != 0) takeAttribute(row)
    }
    takeStatus(kind)
    if (hasText(TRACE_STATE)) {
      traceState = rowOf(TRACE_STATE)
      takeAttribute(traceState)
    }
  }
  const stateBytes = traceState == 0 ? <usize>0 : valueBytesOf(traceState)
  const nameBytes = <usize>load<u32>(span, NAME_BYTES)
  if (!room(96 + nameBytes + stateBytes)) return false
  let at = out
  store<u16>(at, 0x100a)
  store<u64>(at, bswap(load<u64>(span, TRACE_HIGH)), 2)
  store<u64>(at, bswap(load<u64>(span, TRACE_LOW)), 10)
  store<u16>(at, 0x0812, 18)
  store<u64>(at, bswap(load<u64>(span, SPAN_ID)), 20)
  outTo(at + 28)
  if (stateBytes != 0) putText(0x1a, <usize>valueOf(traceState), stateBytes)
  if (parentId != 0) {
    store<u16>(out, 0x0822)
    store<u64>(out, bswap(parentId), 2)
    outTo(out + 10)
  }
  putText(0x2a, <usize>load<u32>(span, NAME), nameBytes)
  at = out
  if (kind != 0) {
    store<u16>(at, 0x30 | kind << 8)
    at += 2
  }
  store<u8>(at, 0x39)
  store<u64>(at, load<u64>(span, START), 1)
  store<u8>(at, 0x41, 9)
  store<u64>(at, load<u64>(span, END), 10)
  outTo(at + 18)
  writeAttributes(0x4a)
  writeDropped(0x50)
  attributesForget()
  return true
}

function findRoles(): void {
  found = 0
  const end = endOfAttributes()
  for (let row = firstAttribute(); row < end; row = nextAttribute(row)) {
    const role = roleOf(keyOf(row), keyBytesOf(row))
    // A repeated key has its row before, and is none any more.
    if (role == NO_ROLE || (found >> role & 1) != 0) continue
    found |= 1 << role
    store<u32>(roles + (<usize>role << 2), <u32>row)
  }
}

function takeScope(): void {
  if (!hasText(SCOPE_NAME)) {
    scopeIs(0, 0)
    return
  }
  const name = rowOf(SCOPE_NAME)
  takeAttribute(name)
  let version: usize = 0
  if (hasText(SCOPE_VERSION)) {
    version = rowOf(SCOPE_VERSION)
    takeAttribute(version)
  }
  scopeIs(name, version)
}

/** `error` being true is above `otel.status_code`, and that above `http.status_code`. */
function takeStatus(kind: u32): void {
  let code: u32 = 0
  if (hasText(STATUS_CODE)) {
    const row = rowOf(STATUS_CODE)
    code = statusOf(<usize>valueOf(row), valueBytesOf(row))
  }
  if (has(ERROR) && typeOf(rowOf(ERROR)) == A_BOOL && valueOf(rowOf(ERROR)) != 0) {
    takeAttribute(rowOf(ERROR))
    if (code == 2) takeAttribute(rowOf(STATUS_CODE))
    statusNumber = 2
    if (!takeDescription()) useHttpMessage()
  } else if (code != 0) {
    takeAttribute(rowOf(STATUS_CODE))
    statusNumber = code
    takeDescription()
  } else if (!has(STATUS_CODE) && has(HTTP_CODE) && isHttpError(rowOf(HTTP_CODE), kind)) {
    statusNumber = 2
    useHttpMessage()
  }
}

function takeDescription(): bool {
  if (!hasText(STATUS_DESCRIPTION)) return false
  const row = rowOf(STATUS_DESCRIPTION)
  messageAt = <usize>valueOf(row)
  messageBytes = valueBytesOf(row)
  takeAttribute(row)
  return true
}

/** It stays an attribute, too. */
function useHttpMessage(): void {
  if (!hasText(HTTP_MESSAGE)) return
  messageAt = <usize>valueOf(rowOf(HTTP_MESSAGE))
  messageBytes = valueBytesOf(rowOf(HTTP_MESSAGE))
}

/** 4xx is an error for a client and none for a server; else everything is that is not from 100 to 398. */
function isHttpError(row: usize, kind: u32): bool {
  let code: i64
  if (typeOf(row) == A_INT) code = <i64>valueOf(row)
  else if (typeOf(row) == A_TEXT && isInteger(<usize>valueOf(row), valueBytesOf(row))) code = integer
  else return false
  if (code >= 400 && code < 500) {
    if (kind == KIND_CLIENT) return true
    if (kind == KIND_SERVER) return false
  }
  return code < 100 || code >= 399
}

let integer: i64 = 0

/** A decimal number that fits 64 bits, with or without a sign. */
function isInteger(at: usize, bytes: usize): bool {
  const end = at + bytes
  const sign = bytes == 0 ? 0 : <u32>load<u8>(at)
  const isNegative = sign == 0x2d
  if (isNegative || sign == 0x2b) at++
  if (at == end) return false
  const most: u64 = isNegative ? 1 << 63 : (1 << 63) - 1
  let value: u64 = 0
  for (; at < end; at++) {
    const digit = <u64>load<u8>(at) - 48
    if (digit > 9 || value > (most - digit) / 10) return false
    value = value * 10 + digit
  }
  integer = isNegative ? -(<i64>value) : <i64>value
  return true
}

function writeDropped(tag: u32): void {
  if (attributesDropped == 0 || !room(8)) return
  putTag(tag)
  putVarint(attributesDropped)
}

// ---- events, links, status ------------------------------------------------------------------------------------------------

/** Writes an event of the attributes in the table. */
export function writeEvent(timeNs: u64): bool {
  problem = distinctAttributes()
  if (problem != 0) return false
  let name: usize = 0
  const end = endOfAttributes()
  for (let row = firstAttribute(); row < end; row = nextAttribute(row)) {
    if (!isEventKey(keyOf(row), keyBytesOf(row))) continue
    // The first row of the name holds its last value.
    if (typeOf(row) == A_TEXT) {
      name = row
      takeAttribute(row)
    }
    break
  }
  const nameBytes = name == 0 ? <usize>0 : valueBytesOf(name)
  if (!room(32 + nameBytes)) return false
  const mark = openWidth(0x5a, 1)
  store<u8>(out, 0x09)
  store<u64>(out, timeNs, 1)
  outTo(out + 9)
  if (nameBytes != 0) putText(0x12, <usize>valueOf(name), nameBytes)
  writeAttributes(0x1a)
  writeDropped(0x20)
  close(mark, 1)
  attributesForget()
  return true
}

/** Writes what comes behind the events. */
export function writeTail(): void {
  const end = endOfReferences()
  for (let row = references; row < end; row += REFERENCE) {
    if (!isParent(row, parentId)) writeLink(row)
  }
  if (statusNumber == 0 || !room(32 + messageBytes)) return
  const mark = messageBytes < 120 ? openWidth(0x7a, 1) : open(0x7a)
  if (messageBytes != 0) putText(0x12, messageAt, messageBytes)
  store<u16>(out, 0x18 | statusNumber << 8)
  outTo(out + 2)
  close(mark, messageBytes < 120 ? 1 : 2)
}

function writeLink(row: usize): void {
  if (!room(160)) return
  const mark = openWidth(0x6a, 1)
  const at = out
  store<u16>(at, 0x100a)
  store<u64>(at, bswap(load<u64>(row)), 2)
  store<u64>(at, bswap(load<u64>(row, 8)), 10)
  store<u16>(at, 0x0812, 18)
  store<u64>(at, bswap(load<u64>(row, 16)), 20)
  outTo(at + 28)
  const isChild = load<i32>(row, 24) == 0
  const textAt = isChild ? childOf : followsFrom
  const textBytes = isChild ? CHILD_OF_BYTES : FOLLOWS_FROM_BYTES
  writeAttribute(0x22, A_TEXT, refType, REF_TYPE_BYTES, <u64>textAt, textBytes)
  close(mark, 1)
}
