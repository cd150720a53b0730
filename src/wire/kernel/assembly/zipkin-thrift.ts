// Reads Zipkin's spans of version 1: a Thrift list of zipkincore.Span (openzipkin/zipkin-api thrift/zipkinCore.thrift), from
// the list's header on; what follows the list is nobody's.
//   Span              1 trace_id i64, 3 name, 4 id i64, 5 parent_id i64, 6 annotations, 8 binary_annotations, 9 debug bool,
//                     10 timestamp i64, 11 duration i64, 12 trace_id_high i64
//   Annotation        1 timestamp i64, 2 value, 3 host
//   BinaryAnnotation  1 key, 2 value, 3 annotation_type (0 bool, 1 bytes, 2 i16, 3 i32, 4 i64, 5 double, 6 string), 4 host
// No field is required, and one of another type than its own is passed over, as generated readers do.
//
// A span of version 1 has no kind and no endpoint of its own: they follow from the annotations cs, cr (client), sr, ss
// (server), ms (producer) and mr (consumer), from the hosts of annotations, and from the addresses sa, ca and ma.

import { A_BOOL, A_BYTES, A_DOUBLE, A_INT, A_TEXT } from './attributes'
import { E_ITEMS, E_THRIFT } from './memory'
import { outputCode } from './output'
import {
  T_BOOL,
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
  readI32,
  readI64,
  readList,
  readText,
  skipField,
  textAt,
  textBytes,
} from './thrift'
import { considerHost, copyHost, host, hostElsewhere, hostNone, hostsBegin, hostsDiffer, hostsForget, isHost, isOther, ownHost, readHost } from './zipkin-hosts'
import * as name from './zipkin-names'
import { roleName, roleNameBytes } from './zipkin-names'
import { closeEndpoints, closeSpan, openEndpoints, openSpan, requestBegin, requestEnd, writeEndpoint, writeEvent } from './zipkin-otlp'
import { tag } from './zipkin-slots'
import * as z from './zipkin-span'
import { finishSpan, local, nsOf, remote, setTimes, setTimesFrom, span, spanBegin } from './zipkin-span'

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
  hostsForget()
  if (spans != 0 && elementType != T_STRUCT) {
    fault(at)
    return E_THRIFT
  }
  if (spans > itemsMax) return E_ITEMS
  let code = requestBegin(spans, outputBytesMax, bytes + <usize>spans * SPAN_MORE)
  for (let i: u32 = 0; i < spans && code == 0; i++) {
    const spanAt = at
    at = readSpan<P>(spanAt, end, false)
    if (isOutOfOrder) at = readSpan<P>(spanAt, end, true)
    if (at == 0) return E_THRIFT
    code = writeSpan<P>(end)
  }
  return code != 0 ? code : requestEnd()
}

/** Whether the span's lists came more than once or in another order than most writers', or its addresses did; it is then read again. */
let isOutOfOrder = false

/**
 * Reads a span. Its annotations are read where they stand, and the binary ones, whose meaning depends on them, behind them;
 * with `isLate` both are read at the end of the span.
 */
function readSpan<P>(at: usize, end: usize, isLate: bool): usize {
  spanBegin(true)
  hostsBegin()
  annotationsAt = 0
  annotationCount = 0
  binaryAt = 0
  binaryCount = 0
  componentAt = 0
  componentBytes = 0
  bestAddress = 0
  remoteBinary = -1
  isOutOfOrder = false
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return 0
    if (fieldType == T_STOP) break
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
      if (!isLate && (binaryAt != 0 || (id == 6 && annotationsAt != 0))) {
        isOutOfOrder = true
        return 0
      }
      at = readLists<P>(at, end, id, isLate)
      if (at == 0) return 0
    } else {
      at = skipField<P>(at, end)
      if (at == 0) return 0
    }
  }
  if (isLate) {
    if (readAnnotations<P>(annotationsAt, end) == 0) return 0
    chooseRemote<P>(binaryAt, end)
    if (readBinaries<P>(binaryAt, end) == 0) return 0
  }
  return at
}

function setNumber(id: i32, value: i64): void {
  if (id == 1) store<u64>(span, bswap(<u64>value), z.TRACE_ID + 8)
  else if (id == 12) store<u64>(span, bswap(<u64>value), z.TRACE_ID)
  else if (id == 4) store<u64>(span, bswap(<u64>value), z.SPAN_ID)
  else if (id == 5) store<u64>(span, bswap(<u64>value), z.PARENT_ID)
  else if (id == 10) store<u64>(span, value, z.TIMESTAMP)
  else if (id == 11) store<u64>(span, value, z.DURATION)
}

/** Notes where a list's elements begin, unless they are no structs, and reads them if they are not late. The address behind it. */
function readLists<P>(at: usize, end: usize, id: i32, isLate: bool): usize {
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
  if (isLate || count == 0) {
    return skipField<P>(at, end)
  }
  return id == 6 ? readAnnotations<P>(first, end) : readBinaries<P>(first, end)
}

/** Writes the span that was read. 0 or a code. */
function writeSpan<P>(end: usize): i32 {
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
  hostNone()
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
function readAnnotations<P>(at: usize, end: usize): usize {
  firstUs = i64.MAX_VALUE
  lastUs = i64.MIN_VALUE
  for (let i: u32 = 0; i < annotationCount; i++) {
    at = readAnnotation<P>(at, end)
    if (at == 0) return 0
    firstUs = min(firstUs, annotationUs)
    lastUs = max(lastUs, annotationUs)
    if (coreKind != 0 && load<u32>(span, z.KIND) == 0) store<u32>(span, coreKind, z.KIND)
    considerHost(coreKind != 0 ? 4 : 2)
  }
  // Any address but 0 says that all is well, with no annotation too.
  return max(at, 1)
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
  hostNone()
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
  if (keyBytes != 2 || binaryType != 0 || valueBytes != 1 || load<u8>(valueAt) != 1 || !isHost) return 0
  const key = load<u16>(keyAt)
  const kind = load<u32>(span, z.KIND)
  if (key == 0x6173) return kind <= 1 ? 3 : -1
  if (key == 0x6163) return kind == 2 ? 3 : kind == 0 ? 2 : -1
  if (key == 0x616d) return kind > 2 ? 3 : kind == 0 ? 1 : -1
  return 0
}

/** Tags, the remote endpoint, and the best host. */
function readBinaries<P>(at: usize, end: usize): usize {
  for (let i: u32 = 0; i < binaryCount; i++) {
    at = readBinary<P>(at, end)
    if (at == 0) return 0
    const rank = addressRank()
    if (rank > bestAddress && bestAddress != 0) {
      // One before was taken, and should have been an attribute.
      isOutOfOrder = true
      return 0
    }
    if (rank > bestAddress || <i32>i == remoteBinary) {
      bestAddress = rank
      remoteBinary = <i32>i
      copyHost(remote, host)
      continue
    }
    if (rank != 0) hostElsewhere()
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
  return max(at, 1)
}

/** The rank of the remote endpoint so far. */
let bestAddress: i32 = 0

/** Looks for the address that suits best, the first of its like. */
function chooseRemote<P>(at: usize, end: usize): void {
  for (let i: u32 = 0; i < binaryCount && at != 0; i++) {
    at = readBinary<P>(at, end)
    const rank = at == 0 ? 0 : addressRank()
    if (rank <= bestAddress) continue
    bestAddress = rank
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
