// Writes Zipkin spans as an ExportTraceServiceRequest (open-telemetry/opentelemetry-proto 1.11, trace/v1/trace.proto). Spans of
// one resource stand together whatever order they came in, and within a resource those of one scope.
//
// While spans are read, what belongs together is not known. So the output region first holds nodes, in the order in which
// they were met: resources, scopes of a resource, runs of spans of a scope. A node is
//
//   next in its hash chain, hash, parent, next of the same parent, first child, last child, bytes, size below (u32 each), content
//
// where the content is that of the message Resource or InstrumentationScope, or the run's fields `spans`. With one run,
// which is what one reporter sends, the heads are written in front of it where it stands; else all is copied once.

import { A_BYTES, A_INT, A_TEXT, attributesDropped, attributesOpen, attributesShut, distinctAttributes, hashOf, writeAttribute, writeAttributes } from './attributes'
import { E_MEMORY, arenaTake, sameBytes } from './memory'
import { close, open, out, outTo, outputBegin, outputCode, outputEnd, outputFrom, putBytes, putFixed64, putTag, putText, putVarint, room } from './output'
import { formDropped, linkIds, linkStateAt, linkStateBytes, readEventForm, readLinkForm } from './zipkin-form'
import * as name from './zipkin-names'
import { NO_ROLE, ROLES, roleName, roleNameBytes } from './zipkin-names'
import {
  S_BYTES,
  S_NAME,
  S_NAME_BYTES,
  S_TYPE,
  S_VALUE,
  droppedValues,
  linkAsAttribute,
  linkAt,
  linkBytes,
  nextLink,
  nextResourceRole,
  slotOf,
} from './zipkin-slots'
import * as z from './zipkin-span'
import { span } from './zipkin-span'
import { messageRole, statusCode } from './zipkin-status'
import { formatIp } from './zipkin-text'
import { varintBytes, writeVarint } from './wire'

const N_CHAIN: usize = 0
const N_HASH: usize = 4
const N_PARENT: usize = 8
const N_SIBLING: usize = 12
const N_FIRST: usize = 16
const N_LAST: usize = 20
const N_BYTES: usize = 24
const N_BELOW: usize = 28
const NODE: usize = 32

let table: usize = 0
let tableMask: u32 = 0
/** The node above all resources. */
const root = memory.data(32)
let resource: usize = 0
let scope: usize = 0
let run: usize = 0
let runCount: i32 = 0
let nodeCount: i32 = 0
let bytesMax: usize = 0

/** Begins a request of at most `spans` spans. 0 or E_MEMORY. */
export function requestBegin(spans: u32, outputBytesMax: usize, bytesLikely: usize): i32 {
  let size: u32 = 16
  while (size < spans << 1) size <<= 1
  table = arenaTake(<usize>size << 2)
  if (table == 0) return E_MEMORY
  memory.fill(table, 0, <usize>size << 2)
  memory.fill(root, 0, NODE)
  tableMask = size - 1
  resource = 0
  scope = 0
  run = 0
  runCount = 0
  nodeCount = 0
  bytesMax = outputBytesMax
  return outputBegin(outputBytesMax, bytesLikely)
}

// ---- nodes --------------------------------------------------------------------------------------------------------------------

/** The node of `parent` with the content that was just written behind the place of a node at `at`. */
function nodeOf(parent: usize, at: usize, last: usize): usize {
  const bytes = out - at - NODE
  if (last != 0 && <usize>load<u32>(last, N_PARENT) == parent && sameContent(last, at, bytes)) {
    outTo(at)
    return last
  }
  const hash = hashOf(at + NODE, bytes) ^ (<u32>parent * 0x9e3779b1)
  const place = table + (<usize>(hash & tableMask) << 2)
  for (let node = <usize>load<u32>(place); node != 0; node = <usize>load<u32>(node, N_CHAIN)) {
    if (load<u32>(node, N_HASH) == hash && <usize>load<u32>(node, N_PARENT) == parent && sameContent(node, at, bytes)) {
      outTo(at)
      return node
    }
  }
  newNode(at, parent)
  nodeCount++
  store<u32>(at, load<u32>(place), N_CHAIN)
  store<u32>(at, hash, N_HASH)
  store<u32>(at, <u32>bytes, N_BYTES)
  store<u32>(place, <u32>at)
  return at
}

function sameContent(node: usize, at: usize, bytes: usize): bool {
  return <usize>load<u32>(node, N_BYTES) == bytes && sameBytes(node + NODE, at + NODE, bytes)
}

/** Makes the node at `at` the last child of `parent`. */
function newNode(at: usize, parent: usize): void {
  memory.fill(at, 0, NODE)
  store<u32>(at, <u32>parent, N_PARENT)
  const last = <usize>load<u32>(parent, N_LAST)
  if (last == 0) store<u32>(parent, <u32>at, N_FIRST)
  else store<u32>(last, <u32>at, N_SIBLING)
  store<u32>(parent, <u32>at, N_LAST)
}

/** Finds resource and scope of the span at hand, and goes on with their run or begins another one. */
function enterRun(): void {
  const at = out
  if (!room(NODE)) return
  outTo(at + NODE)
  for (let role = nextResourceRole(0); role < ROLES; role = nextResourceRole(role + 1)) {
    const slot = slotOf(role)
    writeAttribute(0x0a, load<u32>(slot, S_TYPE), load<u32>(slot, S_NAME), load<u32>(slot, S_NAME_BYTES), load<u64>(slot, S_VALUE), load<u32>(slot, S_BYTES))
  }
  if (outputCode != 0) return
  resource = nodeOf(root, at, resource)
  const scopeAt = out
  if (!room(NODE)) return
  outTo(scopeAt + NODE)
  putRole(0x0a, z.scopeNameRole)
  putRole(0x12, z.scopeVersionRole)
  if (outputCode != 0) return
  scope = nodeOf(resource, scopeAt, scope)
  // Nothing new was written, so the run before still ends here.
  if (out == at && run != 0 && <usize>load<u32>(run, N_PARENT) == scope) return
  if (!room(NODE)) return
  runEnd(at)
  run = out
  outTo(run + NODE)
  newNode(run, scope)
  runCount++
}

/** The run before ends where what follows it began. */
function runEnd(at: usize): void {
  if (run != 0) store<u32>(run, <u32>(at - run - NODE), N_BYTES)
}

/** A text field with the value of a role's slot; an empty one is not written. */
function putRole(tag: u32, role: i32): void {
  if (role == NO_ROLE) return
  const slot = slotOf(role)
  const bytes = <usize>load<u32>(slot, S_BYTES)
  if (load<u32>(slot, S_TYPE) == A_TEXT && bytes != 0 && room(bytes + 8)) putText(tag, <usize>load<u64>(slot, S_VALUE), bytes)
}

// ---- a span -------------------------------------------------------------------------------------------------------------------
// 1 trace_id, 2 span_id, 3 trace_state, 4 parent_span_id, 5 name, 6 kind, 7 start, 8 end (fixed64), 9 attributes,
// 10 dropped_attributes_count, 11 events, 13 links, 15 status (2 message, 3 code)

let spanMark: usize = 0

/** Writes the span at hand up to its events. 0 or a code. */
export function openSpan(): i32 {
  checkLinks()
  const code = distinctAttributes()
  if (code != 0) return code
  const dropped = attributesDropped + droppedValues
  enterRun()
  const nameBytes = <usize>load<u32>(span, z.NAME_BYTES)
  if (!room(nameBytes + 128)) return outputCode
  spanMark = open(0x12)
  let at = out
  store<u16>(at, 0x100a)
  store<v128>(at, load<v128>(span, z.TRACE_ID), 2)
  store<u16>(at, 0x0812, 18)
  store<u64>(at, load<u64>(span, z.SPAN_ID), 20)
  outTo(at + 28)
  putRole(0x1a, z.traceStateRole)
  if (!room(nameBytes + 128)) return outputCode
  const parent = load<u64>(span, z.PARENT_ID)
  if (parent != 0 && parent != load<u64>(span, z.SPAN_ID)) {
    at = out
    store<u16>(at, 0x0822)
    store<u64>(at, parent, 2)
    outTo(at + 10)
  }
  if (nameBytes != 0) putText(0x2a, load<u32>(span, z.NAME), nameBytes)
  at = out
  if (z.spanKind != 0) {
    store<u16>(at, 0x30 | (z.spanKind << 8))
    at += 2
  }
  store<u8>(at, 0x39)
  store<u64>(at, z.startNs, 1)
  store<u8>(at, 0x41, 9)
  store<u64>(at, z.endNs, 10)
  outTo(at + 18)
  writeAttributes(0x4a)
  if (dropped != 0 && room(8)) {
    putTag(0x50)
    putVarint(dropped)
  }
  return outputCode
}

/** Writes the rest of the span. 0 or a code. */
export function closeSpan(): i32 {
  for (let link = nextLink(0); link < name.LINKS; link = nextLink(link + 1)) {
    const code = writeLink(link)
    if (code != 0) return code
  }
  const message = messageRole
  if (statusCode != 0 || message != NO_ROLE) {
    if (!room(16)) return outputCode
    const mark = open(0x7a)
    putRole(0x12, message)
    if (statusCode != 0 && room(8)) {
      putTag(0x18)
      putVarint(statusCode)
    }
    close(mark)
  }
  if (outputCode != 0) return outputCode
  close(spanMark)
  return 0
}

/** Links that cannot be read become attributes. */
function checkLinks(): void {
  for (let link = nextLink(0); link < name.LINKS; link = nextLink(link + 1)) {
    const waiting = attributesOpen()
    const isForm = readLinkForm(linkAt(link), linkBytes(link))
    attributesShut(waiting)
    if (!isForm) linkAsAttribute(link)
  }
}

/** Link: 1 trace_id, 2 span_id, 3 trace_state, 4 attributes, 5 dropped_attributes_count. */
function writeLink(link: i32): i32 {
  const waiting = attributesOpen()
  readLinkForm(linkAt(link), linkBytes(link))
  const code = distinctAttributes()
  if (code == 0 && room(linkStateBytes + 64)) {
    const mark = open(0x6a)
    putText(0x0a, linkIds, 16)
    putText(0x12, linkIds + 16, 8)
    if (linkStateBytes != 0) putText(0x1a, linkStateAt, linkStateBytes)
    writeAttributes(0x22)
    const dropped = formDropped + attributesDropped
    if (dropped != 0 && room(8)) {
      putTag(0x28)
      putVarint(dropped)
    }
    if (outputCode == 0) close(mark)
  }
  attributesShut(waiting)
  return code
}

/**
 * Event: 1 time_unix_nano (fixed64), 2 name, 3 attributes, 4 dropped_attributes_count. `mayBeForm`: the name may have attributes
 * in itself. `host`: the endpoint that said so, when it is not the span's own; 0: it is. 0 or a code.
 */
export function writeEvent(us: u64, nameAt: usize, nameBytes: usize, mayBeForm: bool, host: usize): i32 {
  const ns = z.nsOf(us)
  const isClamped = z.isClamped
  const waiting = attributesOpen()
  const formBytes = mayBeForm ? readEventForm(nameAt, nameBytes) : -1
  let code: i32 = 0
  let dropped: u32 = 0
  if (formBytes >= 0) {
    nameBytes = <usize>formBytes
    code = distinctAttributes()
    dropped = formDropped + attributesDropped
  }
  if (code == 0 && room(nameBytes + 64)) {
    if (formBytes < 0 && !isClamped && host == 0) writeBareEvent(ns, nameAt, nameBytes)
    else {
      const mark = open(0x5a)
      putTag(0x09)
      putFixed64(ns)
      if (nameBytes != 0) putText(0x12, nameAt, nameBytes)
      if (formBytes >= 0) writeAttributes(0x1a)
      if (isClamped) writeClamped(us)
      if (host != 0) writeEndpoint(0x1a, roleName(name.ZIPKIN_ENDPOINT), roleNameBytes(name.ZIPKIN_ENDPOINT), host)
      if (dropped != 0 && room(8)) {
        putTag(0x20)
        putVarint(dropped)
      }
      if (outputCode == 0) close(mark)
    }
  }
  attributesShut(waiting)
  return code != 0 ? code : outputCode
}

@inline
function writeBareEvent(ns: u64, nameAt: usize, nameBytes: usize): void {
  putTag(0x5a)
  putVarint(9 + (nameBytes == 0 ? 0 : 1 + varintBytes(<u32>nameBytes) + nameBytes))
  putTag(0x09)
  putFixed64(ns)
  if (nameBytes != 0) putText(0x12, nameAt, nameBytes)
}

/** The time that OTLP cannot hold, as it came. */
function writeClamped(us: u64): void {
  const at = roleName(name.ZIPKIN_TIMESTAMP)
  const bytes = roleNameBytes(name.ZIPKIN_TIMESTAMP)
  writeAttribute(0x1a, A_INT, at, bytes, us, 0)
}

const ipText = memory.data(48)

/** An attribute whose value is an endpoint, as a map: KeyValue { key, AnyValue { 6 kvlist_value { 1 values } } }. */
export function writeEndpoint(tag: u32, keyAt: usize, keyBytes: usize, endpoint: usize): void {
  if (!room(keyBytes + 64)) return
  const mark = open(tag)
  putText(0x0a, keyAt, keyBytes)
  const value = open(0x12)
  const list = open(0x32)
  const nameBytes = load<u32>(endpoint, z.E_NAME_BYTES)
  if (nameBytes != 0) endpointField(name.ENDPOINT_SERVICE, load<u32>(endpoint, z.E_NAME), nameBytes)
  const v4Bytes = load<u32>(endpoint, z.E_IPV4_BYTES)
  if (v4Bytes != 0) endpointField(name.ENDPOINT_IPV4, ipText, formatIp(ipText, load<u32>(endpoint, z.E_IPV4), v4Bytes))
  const v6Bytes = load<u32>(endpoint, z.E_IPV6_BYTES)
  if (v6Bytes != 0) {
    const bytes = formatIp(ipText, load<u32>(endpoint, z.E_IPV6), v6Bytes)
    if (bytes != 0) endpointField(name.ENDPOINT_IPV6, ipText, bytes)
    else writeAttribute(0x0a, A_BYTES, roleName(name.ENDPOINT_IPV6), roleNameBytes(name.ENDPOINT_IPV6), load<u32>(endpoint, z.E_IPV6), v6Bytes)
  }
  const port = load<i32>(endpoint, z.E_PORT)
  if (port != 0) writeAttribute(0x0a, A_INT, roleName(name.ENDPOINT_PORT), roleNameBytes(name.ENDPOINT_PORT), <u64><i64>port, 0)
  if (outputCode != 0) return
  close(list)
  close(value)
  close(mark)
}

let endpointsMark: usize = 0
let endpointsValue: usize = 0
let endpointsList: usize = 0

/** Begins the attribute with the endpoints of single tags, each of which is written by `writeEndpoint(0x0a, …)`. */
export function openEndpoints(): bool {
  if (!room(64)) return false
  endpointsMark = open(0x4a)
  putText(0x0a, roleName(name.ZIPKIN_ENDPOINTS), roleNameBytes(name.ZIPKIN_ENDPOINTS))
  endpointsValue = open(0x12)
  endpointsList = open(0x32)
  return true
}

export function closeEndpoints(): void {
  if (outputCode != 0) return
  close(endpointsList)
  close(endpointsValue)
  close(endpointsMark)
}

function endpointField(text: i32, at: usize, bytes: usize): void {
  writeAttribute(0x0a, A_TEXT, roleName(text), roleNameBytes(text), at, bytes)
}

// ---- the whole ------------------------------------------------------------------------------------------------------------------
// ExportTraceServiceRequest 1 resource_spans; ResourceSpans 1 resource, 2 scope_spans; ScopeSpans 1 scope, 2 spans

/** Ends the request: its bytes, or a code. */
export function requestEnd(): i32 {
  if (outputCode != 0) return outputCode
  runEnd(out)
  if (runCount == 0) return outputEnd()
  return runCount == 1 && nodeCount == 2 ? endInPlace() : endGathered()
}

/** Bytes of a field with a length. */
@inline
function fieldBytes(bytes: usize): usize {
  return 1 + varintBytes(<u32>bytes) + bytes
}

/** Resource, scope and run stand one behind the other, and the nodes' own bytes are more than the heads need. */
function endInPlace(): i32 {
  const resourceBytes = <usize>load<u32>(resource, N_BYTES)
  const scopeBytes = <usize>load<u32>(scope, N_BYTES)
  const spans = run + NODE
  const spansBytes = out - spans
  // From the back, so that nothing is overwritten that is still to be moved.
  let at = spans
  if (scopeBytes != 0) at = moveField(at, 0x0a, scope + NODE, scopeBytes)
  at = head(at, 0x12, spans + spansBytes - at)
  at = moveField(at, 0x0a, resource + NODE, resourceBytes)
  at = head(at, 0x0a, spans + spansBytes - at)
  outputFrom(at)
  return outputEnd()
}

/** Writes a field's tag and length right before `at`; where it begins. */
function head(at: usize, tag: u32, bytes: usize): usize {
  at -= varintBytes(<u32>bytes) + 1
  store<u8>(at, tag)
  writeVarint(at + 1, <u32>bytes)
  return at
}

function moveField(at: usize, tag: u32, from: usize, bytes: usize): usize {
  memory.copy(at - bytes, from, bytes)
  return head(at - bytes, tag, bytes)
}

/** Copies what belongs together to one place. */
function endGathered(): i32 {
  let total: usize = 0
  for (let node = firstOf(root); node != 0; node = siblingOf(node)) {
    let below = fieldBytes(load<u32>(node, N_BYTES))
    for (let child = firstOf(node); child != 0; child = siblingOf(child)) {
      const scopeBytes = <usize>load<u32>(child, N_BYTES)
      let spans: usize = scopeBytes == 0 ? 0 : fieldBytes(scopeBytes)
      for (let part = firstOf(child); part != 0; part = siblingOf(part)) spans += load<u32>(part, N_BYTES)
      store<u32>(child, <u32>spans, N_BELOW)
      below += fieldBytes(spans)
    }
    store<u32>(node, <u32>below, N_BELOW)
    total += fieldBytes(below)
  }
  if (outputEnd() == E_MEMORY || outputBegin(bytesMax, total) != 0) return E_MEMORY
  if (!room(total)) return outputCode
  for (let node = firstOf(root); node != 0; node = siblingOf(node)) {
    putTag(0x0a)
    putVarint(load<u32>(node, N_BELOW))
    putText(0x0a, node + NODE, load<u32>(node, N_BYTES))
    for (let child = firstOf(node); child != 0; child = siblingOf(child)) {
      putTag(0x12)
      putVarint(load<u32>(child, N_BELOW))
      if (load<u32>(child, N_BYTES) != 0) putText(0x0a, child + NODE, load<u32>(child, N_BYTES))
      for (let part = firstOf(child); part != 0; part = siblingOf(part)) putBytes(part + NODE, load<u32>(part, N_BYTES))
    }
  }
  return outputEnd()
}

@inline
function firstOf(node: usize): usize {
  return <usize>load<u32>(node, N_FIRST)
}

@inline
function siblingOf(node: usize): usize {
  return <usize>load<u32>(node, N_SIBLING)
}
