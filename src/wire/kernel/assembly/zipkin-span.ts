// One Zipkin span on its way to OTLP. The readers (`zipkin-proto.ts`, `zipkin-thrift.ts`) fill `span`, `local`, `remote` and
// hand over each tag (`zipkin-slots.ts`); `finishSpan` then decides what the tags with a role mean, and the writer takes the
// results. Nothing is copied: addresses point into the payload. What has no place in OTLP becomes an attribute.
//
// Mapping: opentelemetry-collector-contrib pkg/translator/zipkin v0.145.0 (zipkinv2/to_translator.go, zipkinv1/json.go,
// zipkinv1/status_code.go), with the differences that docs/zipkin.md lists.

import { A_BOOL, A_BYTES, A_INT, A_TEXT } from './attributes'
import * as name from './zipkin-names'
import { NO_ROLE, RESOURCE_ROLES, roleName, roleNameBytes, roleOf } from './zipkin-names'
import { S_BYTES, S_VALUE, holds, isUsed, isV1, ownAttribute, release, setSlot, slotOf, slotsBegin, slotsEnd, take, takeEither } from './zipkin-slots'
import { findStatus } from './zipkin-status'
import { formatIp } from './zipkin-text'

/** The span's scalars. Ids as they stand in OTLP; times in microseconds, signed when the span is of version 1. */
export const span = memory.data(64)
export const TRACE_ID: usize = 0
export const SPAN_ID: usize = 16
export const PARENT_ID: usize = 24
export const TIMESTAMP: usize = 32
export const DURATION: usize = 40
export const NAME: usize = 48
export const NAME_BYTES: usize = 52
/** 0 none, 1 client, 2 server, 3 producer, 4 consumer. */
export const KIND: usize = 56
export const DEBUG: usize = 60
export const SHARED: usize = 61

/** Endpoints: addresses and lengths of the name and of the two addresses' bytes, the port. */
export const local = memory.data(32)
export const remote = memory.data(32)
export const E_NAME: usize = 0
export const E_NAME_BYTES: usize = 4
export const E_IPV4: usize = 8
export const E_IPV4_BYTES: usize = 12
export const E_IPV6: usize = 16
export const E_IPV6_BYTES: usize = 20
export const E_PORT: usize = 24
/** Four bytes for an address that does not stand as such in the payload. */
export const E_IPV4_VALUE: usize = 28

// ---- what the writer takes --------------------------------------------------------------------------------------------------

/** In nanoseconds. */
export let startNs: u64 = 0
export let endNs: u64 = 0
/** As OTLP numbers them. */
export let spanKind: u32 = 0
/** The role whose value is the trace state, the scope's name, its version; NO_ROLE: none. */
export let traceStateRole: i32 = NO_ROLE
export let scopeNameRole: i32 = NO_ROLE
export let scopeVersionRole: i32 = NO_ROLE

const ipTexts = memory.data(4 * 48)

/** Zeroes 32 bytes. For so few, a call of memory.fill costs more than all else here. */
@inline
export function clear(at: usize): void {
  store<v128>(at, i64x2.splat(0))
  store<v128>(at, i64x2.splat(0), 16)
}

export function spanBegin(v1: bool): void {
  slotsBegin(v1)
  clear(span)
  clear(span + 32)
  clear(local)
  clear(remote)
}

// ---- the end of a span --------------------------------------------------------------------------------------------------------

/** Decides what the tags with a role mean, when all have been handed over. */
export function finishSpan(): void {
  finishEndpoints()
  finishKind()
  traceStateRole = take(name.TRACE_STATE)
  scopeNameRole = takeEither(name.SCOPE_NAME, name.LIBRARY_NAME)
  scopeVersionRole = takeEither(name.SCOPE_VERSION, name.LIBRARY_VERSION)
  findStatus()
  if (load<u8>(span, DEBUG) != 0) ownAttribute(name.ZIPKIN_DEBUG, A_BOOL, 1, 0)
  if (load<u8>(span, SHARED) != 0) ownAttribute(name.ZIPKIN_SHARED, A_BOOL, 1, 0)
  slotsEnd()
}

function finishEndpoints(): void {
  const bytes = <usize>load<u32>(local, E_NAME_BYTES)
  if (bytes != 0) finishService(load<u32>(local, E_NAME), bytes)
  finishAddress(local, name.NET_HOST_IP, name.ZIPKIN_LOCAL_IPV4, ipTexts)
  const localPort = load<i32>(local, E_PORT)
  if (localPort != 0) ownAttribute(name.NET_HOST_PORT, A_INT, <u64><i64>localPort, 0)
  const peerBytes = load<u32>(remote, E_NAME_BYTES)
  if (peerBytes != 0) ownAttribute(name.PEER_SERVICE, A_TEXT, load<u32>(remote, E_NAME), peerBytes)
  finishAddress(remote, name.NET_PEER_IP, name.ZIPKIN_REMOTE_IPV4, ipTexts + 96)
  const remotePort = load<i32>(remote, E_PORT)
  if (remotePort != 0) ownAttribute(name.NET_PEER_PORT, A_INT, <u64><i64>remotePort, 0)
}

/** The service's name goes to the resource, under the name that the tag of its source says. A tag of that name counts more. */
function finishService(at: usize, bytes: usize): void {
  let role = name.SERVICE_NAME
  if (isUsed(name.SERVICE_SOURCE)) {
    const source = slotOf(name.SERVICE_SOURCE)
    const sourceBytes = <usize>load<u32>(source, S_BYTES)
    const named = sourceBytes == 0 ? role : roleOf(<usize>load<u64>(source, S_VALUE), sourceBytes)
    if (named >= 0 && named < RESOURCE_ROLES) {
      role = named
      release(name.SERVICE_SOURCE)
    }
  }
  if (!isUsed(role)) setSlot(role, roleName(role), roleNameBytes(role), A_TEXT, at, bytes)
  else if (!holds(slotOf(role), A_TEXT, at, bytes)) ownAttribute(name.ZIPKIN_LOCAL_NAME, A_TEXT, at, bytes)
}

/** With both kinds of address the newer one keeps the usual name, as in the Collector. An address of odd length stays bytes. */
function finishAddress(endpoint: usize, usual: i32, other: i32, text: usize): void {
  const v4Bytes = <usize>load<u32>(endpoint, E_IPV4_BYTES)
  const v6Bytes = <usize>load<u32>(endpoint, E_IPV6_BYTES)
  if (v4Bytes != 0) address(v6Bytes == 0 ? usual : other, load<u32>(endpoint, E_IPV4), v4Bytes, text)
  if (v6Bytes != 0) address(usual, load<u32>(endpoint, E_IPV6), v6Bytes, text + 48)
}

/** Neighbours mostly have the same: behind each text, its length and the four bytes that it was made of. */
function address(text: i32, at: usize, bytes: usize, to: usize): void {
  let textBytes = <usize>load<u32>(to, 40)
  if (bytes != 4 || textBytes == 0 || load<u32>(to, 44) != load<u32>(at)) {
    textBytes = formatIp(to, at, bytes)
    store<u32>(to, bytes == 4 ? <u32>textBytes : 0, 40)
    store<u32>(to, load<u32>(at), 44)
  }
  if (textBytes == 0) ownAttribute(text, A_BYTES, at, bytes)
  else ownAttribute(text, A_TEXT, to, textBytes)
}

function finishKind(): void {
  const kind = load<u32>(span, KIND)
  spanKind = 0
  if (kind == 1) spanKind = 3
  else if (kind == 2) spanKind = 2
  else if (kind == 3) spanKind = 4
  else if (kind == 4) spanKind = 5
  else if (kind != 0) ownAttribute(name.ZIPKIN_KIND, A_INT, <u64><i64><i32>kind, 0)
  else if (slotIs(name.SPAN_KIND, 0x6c616e7265746e69)) {
    release(name.SPAN_KIND)
    spanKind = 1
  }
}

/** Whether the slot's text is the one of eight letters. */
function slotIs(role: i32, letters: u64): bool {
  return isUsed(role) && load<u32>(slotOf(role), S_BYTES) == 8 && load<u64>(<usize>load<u64>(slotOf(role), S_VALUE)) == letters
}

// ---- times ------------------------------------------------------------------------------------------------------------------

const NS_MAX: u64 = 0xffffffffffffffff
const US_MAX: u64 = 18446744073709551

/** Whether the last `nsOf` had to give the nearest time that OTLP has. */
export let isClamped: bool = false

/**
 * Nanoseconds of a time in microseconds. Version 2 says that it is unsigned, but its writers write what is negative with the
 * same 64 bits, and nobody means the year 294247.
 */
export function nsOf(us: u64): u64 {
  isClamped = false
  if (<i64>us < 0) {
    isClamped = true
    return 0
  }
  if (us <= US_MAX) return us * 1000
  isClamped = true
  return NS_MAX
}

/** Start and end from the timestamp and the duration. */
export function setTimes(): void {
  const timestamp = load<u64>(span, TIMESTAMP)
  const duration = load<u64>(span, DURATION)
  if (timestamp == 0) ownAttribute(name.START_ABSENT, A_BOOL, 1, 0)
  startNs = nsOf(timestamp)
  if (isClamped) keepTime(name.ZIPKIN_TIMESTAMP, timestamp)
  const sum = timestamp + duration
  // Past 63 bits, or below zero after a negative duration.
  const wraps = (<i64>duration < 0) != (<i64>sum < <i64>timestamp)
  if (!wraps) endNs = nsOf(sum)
  if (wraps) endNs = <i64>duration < 0 ? 0 : NS_MAX
  if ((wraps || isClamped) && duration != 0) keepTime(name.ZIPKIN_DURATION, duration)
}

/** Start and end from the first and the last annotation, for a span of version 1 that has no timestamp. */
export function setTimesFrom(firstUs: i64, lastUs: i64): void {
  startNs = nsOf(firstUs)
  if (isClamped) keepTime(name.ZIPKIN_TIMESTAMP, firstUs)
  endNs = nsOf(lastUs)
  const duration = load<u64>(span, DURATION)
  if (duration != 0 && <i64>duration != lastUs - firstUs) keepTime(name.ZIPKIN_DURATION, duration)
}

/** Microseconds as they came. */
function keepTime(text: i32, us: u64): void {
  ownAttribute(text, A_INT, us, 0)
}
