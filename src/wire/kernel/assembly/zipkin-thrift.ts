// Reads Zipkin's spans of version 1: a Thrift list of zipkincore.Span (openzipkin/zipkin-api thrift/zipkinCore.thrift), from
// the list's header on; what follows the list is nobody's.
//   Span              1 trace_id i64, 3 name, 4 id i64, 5 parent_id i64, 6 annotations, 8 binary_annotations, 9 debug bool,
//                     10 timestamp i64, 11 duration i64, 12 trace_id_high i64
//   Annotation        1 timestamp i64, 2 value, 3 host
//   BinaryAnnotation  1 key, 2 value, 3 annotation_type (0 bool, 1 bytes, 2 i16, 3 i32, 4 i64, 5 double, 6 string), 4 host
//   Endpoint          1 ipv4 i32, 2 port i16 (unsigned), 3 service_name, 4 ipv6
// No field is required, and one of another type than its own is passed over, as generated readers do.
//
// A span of version 1 has no kind and no endpoint of its own: they follow from the annotations cs, cr (client), sr, ss
// (server), ms (producer) and mr (consumer), from the hosts of annotations, and from the addresses sa, ca and ma.

import { A_BOOL, A_BYTES, A_DOUBLE, A_INT, A_TEXT } from './attributes'
import { E_ITEMS, E_THRIFT, sameBytes } from './memory'
import { outputCode } from './output'
import {
  T_BOOL,
  T_I16,
  T_I32,
  T_I64,
  T_LIST,
  T_STOP,
  T_STRING,
  T_STRUCT,
  boolean,
  elementCount,
  elementType,
  fault,
  fieldId,
  fieldType,
  integer,
  isCompact,
  readBool,
  readField,
  readI16,
  readI32,
  readI64,
  readList,
  readText,
  skipField,
  textAt,
  textBytes,
} from './thrift'
import * as name from './zipkin-names'
import { roleName, roleNameBytes } from './zipkin-names'
import { closeEndpoints, closeSpan, openEndpoints, openSpan, requestBegin, requestEnd, writeEndpoint, writeEvent } from './zipkin-otlp'
import * as z from './zipkin-span'
import { ENDPOINT, finishSpan, local, nsOf, remote, setTimes, setTimesFrom, span, spanBegin, tag } from './zipkin-span'

const SPAN_MORE: usize = 256

/** The lists of the span at hand, behind their headers. */
let annotationsAt: usize = 0
let annotationCount: u32 = 0
let binaryAt: usize = 0
let binaryCount: u32 = 0

/** Translates the list in `bytes` bytes. The bytes of the request, or a code. */
export function translateThrift<P>(at: usize, bytes: usize, itemsMax: u32, outputBytesMax: usize): i32 {
  const end = at + bytes
  // Old reporters named the elements strings, and Zipkin lets it pass.
  const isOld = !isCompact<P>() && bytes != 0 && load<u8>(at) == T_STRING
  if (isOld) store<u8>(at, T_STRUCT)
  at = readList<P>(at, end)
  if (at == 0) return E_THRIFT
  const spans = elementCount
  if (spans != 0 && elementType != T_STRUCT) {
    fault(at)
    return E_THRIFT
  }
  if (spans > itemsMax) return E_ITEMS
  let code = requestBegin(spans, outputBytesMax, bytes + <usize>spans * SPAN_MORE)
  for (let i: u32 = 0; i < spans && code == 0; i++) {
    at = readSpan<P>(at, end)
    if (at == 0) return E_THRIFT
    code = writeSpan<P>(end)
  }
  return code != 0 ? code : requestEnd()
}

/** Reads the span's own fields and notes its lists, whose end is looked for. */
function readSpan<P>(at: usize, end: usize): usize {
  spanBegin(true)
  annotationCount = 0
  binaryCount = 0
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0 || fieldType == T_STOP) return at
    id = fieldId
    const type = fieldType
    if (type == T_I64 && id != 3) {
      at = readI64<P>(at, end)
      if (at == 0) return 0
      setNumber(id, integer)
    } else if (type == T_STRING && id == 3) {
      at = readText<P>(at, end)
      if (at == 0) return 0
      store<u32>(span, <u32>textAt, z.NAME)
      store<u32>(span, <u32>textBytes, z.NAME_BYTES)
    } else if (type == T_BOOL && id == 9) {
      at = readBool<P>(at, end)
      if (at == 0) return 0
      store<u8>(span, boolean ? 1 : 0, z.DEBUG)
    } else if (type == T_LIST && (id == 6 || id == 8)) {
      at = noteList<P>(at, end, id)
      if (at == 0) return 0
    } else {
      at = skipField<P>(at, end)
      if (at == 0) return 0
    }
  }
}

function setNumber(id: i32, value: i64): void {
  if (id == 1) store<u64>(span, bswap(<u64>value), z.TRACE_ID + 8)
  else if (id == 12) store<u64>(span, bswap(<u64>value), z.TRACE_ID)
  else if (id == 4) store<u64>(span, bswap(<u64>value), z.SPAN_ID)
  else if (id == 5) store<u64>(span, bswap(<u64>value), z.PARENT_ID)
  else if (id == 10) store<u64>(span, value, z.TIMESTAMP)
  else if (id == 11) store<u64>(span, value, z.DURATION)
}

/** Notes where a list's elements begin, unless they are no structs; the address behind it. */
function noteList<P>(at: usize, end: usize, id: i32): usize {
  const first = readList<P>(at, end)
  if (first == 0) return 0
  const count = elementType == T_STRUCT ? elementCount : 0
  if (id == 6) {
    annotationsAt = first
    annotationCount = count
  } else {
    binaryAt = first
    binaryCount = count
  }
  return skipField<P>(at, end)
}

/** Writes the span that was read. 0 or a code. */
function writeSpan<P>(end: usize): i32 {
  hostBegin()
  if (!readAnnotations<P>(end) || !readBinaries<P>(end)) return E_THRIFT
  copyHost(local, ownHost)
  // Without a name of its host, a local component stands for the service.
  if (load<u32>(local, z.E_NAME_BYTES) == 0) {
    store<u32>(local, <u32>componentAt, z.E_NAME)
    store<u32>(local, <u32>componentBytes, z.E_NAME_BYTES)
  }
  const isTimeless = load<u64>(span, z.TIMESTAMP) == 0 && annotationCount != 0 && (firstUs | lastUs) != 0
  if (isTimeless) setTimesFrom(firstUs, lastUs)
  else setTimes()
  finishSpan()
  let code = openSpan()
  if (code == 0 && hostsDiffer) code = writeHosts<P>(end)
  if (code == 0 && annotationCount != 0) code = writeEvents<P>(end)
  return code == 0 ? closeSpan() : code
}

// ---- hosts ----------------------------------------------------------------------------------------------------------------------

/** The host of the annotation at hand. */
const host = memory.data(40)
/** The first host that the span has. */
const firstHost = memory.data(40)
/** The one that is the local endpoint. */
const ownHost = memory.data(40)
/** How well the local endpoint is known: 1 some host, 2 one with a name, 3 a tag's with a name, 4 that of a core annotation. */
let localRank: i32 = 0
let hasHost = false
/** Whether some host may be another one than the local endpoint. */
let hostsDiffer = false

function hostBegin(): void {
  localRank = 0
  hasHost = false
  hostsDiffer = false
  memory.fill(ownHost, 0, ENDPOINT)
}

function copyHost(to: usize, from: usize): void {
  memory.copy(to, from, ENDPOINT)
  if (load<u32>(to, z.E_IPV4_BYTES) != 0) store<u32>(to, <u32>(to + z.E_IPV4_VALUE), z.E_IPV4)
}

function sameText(a: usize, b: usize): bool {
  const bytes = load<u32>(a, 4)
  return bytes == load<u32>(b, 4) && sameBytes(load<u32>(a), load<u32>(b), bytes)
}

function sameHost(a: usize, b: usize): bool {
  if (load<u32>(a, z.E_PORT) != load<u32>(b, z.E_PORT) || load<u32>(a, z.E_IPV4_VALUE) != load<u32>(b, z.E_IPV4_VALUE)) return false
  return sameText(a + z.E_NAME, b + z.E_NAME) && sameText(a + z.E_IPV6, b + z.E_IPV6)
}

function isEmpty(endpoint: usize): bool {
  return (load<u32>(endpoint, z.E_NAME_BYTES) | load<u32>(endpoint, z.E_IPV4_BYTES) | load<u32>(endpoint, z.E_IPV6_BYTES) | load<u32>(endpoint, z.E_PORT)) == 0
}

/** Whether the host at hand says something that the span's own endpoint does not. */
@inline
function isOther(): bool {
  return !isEmpty(host) && !sameHost(host, ownHost)
}

/** The host at hand may be the local endpoint: the first of the highest rank is, of tags the last. */
function considerHost(rank: i32): void {
  if (isEmpty(host)) return
  if (!hasHost) {
    hasHost = true
    copyHost(firstHost, host)
  } else if (!hostsDiffer && !sameHost(host, firstHost)) hostsDiffer = true
  if (load<u32>(host, z.E_NAME_BYTES) == 0) rank = 1
  if (rank < localRank || (rank == localRank && rank != 3)) return
  localRank = rank
  copyHost(ownHost, host)
}

function readHost<P>(at: usize, end: usize): usize {
  memory.fill(host, 0, ENDPOINT)
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0 || fieldType == T_STOP) return at
    id = fieldId
    const type = fieldType
    if (type == T_I32 && id == 1) {
      at = readI32<P>(at, end)
      store<u32>(host, bswap(<u32>integer), z.E_IPV4_VALUE)
      store<u32>(host, <u32>(host + z.E_IPV4_VALUE), z.E_IPV4)
      store<u32>(host, integer == 0 ? 0 : 4, z.E_IPV4_BYTES)
    } else if (type == T_I16 && id == 2) {
      at = readI16<P>(at, end)
      store<u32>(host, <u32>integer & 0xffff, z.E_PORT)
    } else if (type == T_STRING && (id == 3 || id == 4)) {
      at = readText<P>(at, end)
      const part = host + (id == 3 ? z.E_NAME : z.E_IPV6)
      store<u32>(part, <u32>textAt)
      store<u32>(part, <u32>textBytes, 4)
    } else at = skipField<P>(at, end)
    if (at == 0) return 0
  }
}

// ---- annotations ------------------------------------------------------------------------------------------------------------------

/** The annotation at hand. */
let annotationUs: i64 = 0
let valueAt: usize = 0
let valueBytes: usize = 0
/** Its kind when it is one of the core annotations, else 0; whether it is one that ends the span. */
let coreKind: u32 = 0
let isEnding = false

/** Times of the first and the last annotation. */
let firstUs: i64 = 0
let lastUs: i64 = 0

function readAnnotation<P>(at: usize, end: usize): usize {
  memory.fill(host, 0, ENDPOINT)
  annotationUs = 0
  valueAt = at
  valueBytes = 0
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return 0
    if (fieldType == T_STOP) break
    id = fieldId
    const type = fieldType
    if (type == T_I64 && id == 1) {
      at = readI64<P>(at, end)
      annotationUs = integer
    } else if (type == T_STRING && id == 2) {
      at = readText<P>(at, end)
      valueAt = textAt
      valueBytes = textBytes
    } else if (type == T_STRUCT && id == 3) at = readHost<P>(at, end)
    else at = skipField<P>(at, end)
    if (at == 0) return 0
  }
  readCore()
  return at
}

function readCore(): void {
  coreKind = 0
  if (valueBytes != 2) return
  const text = load<u16>(valueAt)
  isEnding = text == 0x7263 || text == 0x7373
  // cs, cr; sr, ss; ms; mr
  if (text == 0x7363 || text == 0x7263) coreKind = 1
  else if (text == 0x7273 || text == 0x7373) coreKind = 2
  else if (text == 0x736d) coreKind = 3
  else if (text == 0x726d) coreKind = 4
}

/** Kind, times and the best host from all annotations. */
function readAnnotations<P>(end: usize): bool {
  let at = annotationsAt
  firstUs = i64.MAX_VALUE
  lastUs = i64.MIN_VALUE
  for (let i: u32 = 0; i < annotationCount; i++) {
    at = readAnnotation<P>(at, end)
    if (at == 0) return false
    firstUs = min(firstUs, annotationUs)
    lastUs = max(lastUs, annotationUs)
    if (coreKind != 0 && load<u32>(span, z.KIND) == 0) store<u32>(span, coreKind, z.KIND)
    considerHost(coreKind != 0 ? 4 : 2)
  }
  return true
}

/** Events, without the core annotations that the span's kind, start, end and endpoint say already. 0 or a code. */
function writeEvents<P>(end: usize): i32 {
  let at = annotationsAt
  for (let i: u32 = 0; i < annotationCount; i++) {
    at = readAnnotation<P>(at, end)
    const other = isOther()
    if (coreKind != 0 && !other && coreKind == load<u32>(span, z.KIND)) {
      const ns = nsOf(annotationUs)
      if (!z.isClamped && ((!isEnding && ns == z.startNs) || ((isEnding || coreKind > 2) && ns == z.endNs))) continue
    }
    const code = writeEvent(annotationUs, valueAt, valueBytes, false, other ? host : 0)
    if (code != 0) return code
  }
  return 0
}

// ---- binary annotations -----------------------------------------------------------------------------------------------------------

/** The binary annotation at hand, its key as `valueAt` is its value. */
let keyAt: usize = 0
let keyBytes: usize = 0
let binaryType: i32 = 0
/** The value of `lc`. */
let componentAt: usize = 0
let componentBytes: usize = 0
/** Which binary annotation is the remote endpoint; -1: none. */
let remoteBinary: i32 = -1

function readBinary<P>(at: usize, end: usize): usize {
  memory.fill(host, 0, ENDPOINT)
  keyAt = at
  keyBytes = 0
  valueAt = at
  valueBytes = 0
  binaryType = 0
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0 || fieldType == T_STOP) return at
    id = fieldId
    const type = fieldType
    if (type == T_STRING && id == 1) {
      at = readText<P>(at, end)
      keyAt = textAt
      keyBytes = textBytes
    } else if (type == T_STRING && id == 2) {
      at = readText<P>(at, end)
      valueAt = textAt
      valueBytes = textBytes
    } else if (type == T_I32 && id == 3) {
      at = readI32<P>(at, end)
      binaryType = <i32>integer
    } else if (type == T_STRUCT && id == 4) at = readHost<P>(at, end)
    else at = skipField<P>(at, end)
    if (at == 0) return 0
  }
}

/** For an address (sa, ca, ma with a host and the value true): how well it suits the span's kind, 1 to 3. Else 0. */
function addressRank(): i32 {
  if (keyBytes != 2 || binaryType != 0 || valueBytes != 1 || load<u8>(valueAt) != 1 || isEmpty(host)) return 0
  const key = load<u16>(keyAt)
  const kind = load<u32>(span, z.KIND)
  if (key == 0x6173) return kind <= 1 ? 3 : -1
  if (key == 0x6163) return kind == 2 ? 3 : kind == 0 ? 2 : -1
  if (key == 0x616d) return kind > 2 ? 3 : kind == 0 ? 1 : -1
  return 0
}

/** Tags, the remote endpoint, and the best host. */
function readBinaries<P>(end: usize): bool {
  componentAt = 0
  componentBytes = 0
  remoteBinary = -1
  chooseRemote<P>(end)
  let at = binaryAt
  for (let i: u32 = 0; i < binaryCount; i++) {
    at = readBinary<P>(at, end)
    if (at == 0) return false
    if (<i32>i == remoteBinary) {
      copyHost(remote, host)
      continue
    }
    if (addressRank() != 0) hostsDiffer = true
    else considerHost(3)
    if (keyBytes == 2 && load<u16>(keyAt) == 0x636c) {
      if (binaryType == 6) {
        componentAt = valueAt
        componentBytes = valueBytes
      }
      keyAt = roleName(name.COMPONENT)
      keyBytes = roleNameBytes(name.COMPONENT)
    }
    binaryTag()
  }
  return true
}

/** The address that suits best, the first of its like. */
function chooseRemote<P>(end: usize): void {
  let at = binaryAt
  let best: i32 = 0
  for (let i: u32 = 0; i < binaryCount && at != 0; i++) {
    at = readBinary<P>(at, end)
    const rank = at == 0 ? 0 : addressRank()
    if (rank <= best) continue
    best = rank
    remoteBinary = <i32>i
  }
}

/** The value by its type, numbers big endian and signed; bytes when it has another length than its type. */
function binaryTag(): void {
  if (binaryType == 6) tag(keyAt, keyBytes, A_TEXT, valueAt, valueBytes)
  else if (binaryType == 0 && valueBytes == 1 && load<u8>(valueAt) <= 1) tag(keyAt, keyBytes, A_BOOL, load<u8>(valueAt), 0)
  else if (binaryType == 2 && valueBytes == 2) tag(keyAt, keyBytes, A_INT, <u64><i64><i16>bswap(load<u16>(valueAt)), 0)
  else if (binaryType == 3 && valueBytes == 4) tag(keyAt, keyBytes, A_INT, <u64><i64><i32>bswap(load<u32>(valueAt)), 0)
  else if (binaryType == 4 && valueBytes == 8) tag(keyAt, keyBytes, A_INT, bswap(load<u64>(valueAt)), 0)
  else if (binaryType == 5 && valueBytes == 8) tag(keyAt, keyBytes, A_DOUBLE, bswap(load<u64>(valueAt)), 0)
  else tag(keyAt, keyBytes, A_BYTES, valueAt, valueBytes)
}

/** Writes the hosts of binary annotations that are not the span's own endpoint, by key. 0 or a code. */
function writeHosts<P>(end: usize): i32 {
  let isOpen = false
  let at = binaryAt
  for (let i: u32 = 0; i < binaryCount; i++) {
    at = readBinary<P>(at, end)
    if (<i32>i == remoteBinary || !isOther()) continue
    if (!isOpen && !openEndpoints()) break
    isOpen = true
    writeEndpoint(0x0a, keyAt, keyBytes, host)
  }
  if (isOpen) closeEndpoints()
  return outputCode
}
