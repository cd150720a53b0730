// The links of a span of OTLP as references of one of Jaeger's. Sources: opentelemetry-collector-contrib
// pkg/translator/jaeger v0.145.0, traces_to_jaegerproto.go; of the same, pkg/translator/zipkin v0.145.0, for `otlp.link.N`,
// the tag that keeps what a reference cannot say of a link; the Collector loses it here.
//
//   Span of OTLP: 13 links. Link: 1 trace_id, 2 span_id, 3 trace_state, 4 attributes, 5 dropped_attributes_count.
//   Span of Jaeger: 4 references. SpanRef: 1 trace_id, 2 span_id, 3 ref_type (0 child_of, 1 follows_from).

import { ANY_TEXT, anyAt, anyBytes, anyKind, bytesOf, isText, keep, next, readPair } from './otlp-to-jaeger-any'
import { putByte, putDigits, putHex, putMember } from './otlp-to-jaeger-json'
import { closeText, openText } from './otlp-to-jaeger-tags'
import { keyAt, keyBytes, readKey } from './otlp-schema'
import { putBytes, putTag, putText, putVarint, room } from './output'
import { fieldNumber, length, readLength, readTag, skipValue, varint, wireType } from './wire'

const CHILD_OF: u32 = 0
const FOLLOWS_FROM: u32 = 1
const key_refType = keep('opentracing.ref_type')
const key_link = keep('otlp.link.')
const word_childOf = keep('child_of')
const word_followsFrom = keep('follows_from')
const linkKey = memory.data(32)

/** An id that is absent. */
export const zeros = memory.data(16)

/** The address of an id that has `bytes` bytes at `at`. */
@inline
export function idAt(at: usize, bytes: usize): usize {
  return bytes == 0 ? zeros : at
}

// The link at hand.
let linkTrace: usize = 0
let linkSpan: usize = 0
let linkStateAt: usize = 0
let linkStateBytes: usize = 0
let linkDropped: u32 = 0
let linkType: u32 = 0
/** It has something that a reference does not have. */
let isLinkRich: bool = false

function readLink(at: usize, end: usize): void {
  linkTrace = zeros
  linkSpan = zeros
  linkStateBytes = 0
  linkDropped = 0
  linkType = FOLLOWS_FROM
  isLinkRich = false
  let isTyped = false
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return
    const field = fieldNumber
    const type = wireType
    if (type != 2) {
      at = skipValue(at, end, type)
      if (at == 0) return
      if (field == 5) linkDropped = <u32>varint
      continue
    }
    at = readLength(at, end)
    if (at == 0) return
    const bytes = length
    if (field == 1) linkTrace = idAt(at, bytes)
    else if (field == 2) linkSpan = idAt(at, bytes)
    else if (field == 3) {
      linkStateAt = at
      linkStateBytes = bytes
    } else if (field == 4) {
      if (!isTyped && readType(at, at + bytes)) isTyped = true
      else isLinkRich = true
    }
    at += bytes
  }
  if (linkStateBytes != 0 || linkDropped != 0) isLinkRich = true
}

/** Whether an attribute says nothing but the type of a reference. */
function readType(at: usize, end: usize): bool {
  readKey(at, end)
  if (!isText(keyAt, keyBytes, key_refType)) return false
  readPair(at, end)
  if (anyKind != ANY_TEXT) return false
  const isChild = isText(anyAt, anyBytes, word_childOf)
  if (isChild) linkType = CHILD_OF
  return isChild || isText(anyAt, anyBytes, word_followsFrom)
}

@inline
function isTraceOfLink(traceId: usize): bool {
  return load<u64>(linkTrace) == load<u64>(traceId) && load<u64>(linkTrace, 8) == load<u64>(traceId, 8)
}

/**
 * Writes the references of the span at `at`; its ids are addresses, and those of zeros are none.
 *
 * The parent comes first, and one link to it says the type. Readers take for the parent the first child_of of the trace,
 * else the first follows_from; so when any link is a child_of of the trace, the parent must be one, too.
 */
export function putReferences(at: usize, end: usize, traceId: usize, parentId: usize): void {
  const parent = load<u64>(parentId)
  let parentType = CHILD_OF
  if (parent != 0) {
    let isFollowed = false
    let hasChildOf = false
    for (let link = next(at, end, 13); link != 0; ) {
      const linkEnd = link + length
      readLink(link, linkEnd)
      if (isTraceOfLink(traceId)) {
        if (linkType == CHILD_OF) hasChildOf = true
        else if (load<u64>(linkSpan) == parent) isFollowed = true
      }
      link = next(linkEnd, end, 13)
    }
    if (isFollowed && !hasChildOf) parentType = FOLLOWS_FROM
    putReference(traceId, parentId, parentType)
  }
  let isSaid = parent == 0
  for (let link = next(at, end, 13); link != 0; ) {
    const linkEnd = link + length
    readLink(link, linkEnd)
    if (!isSaid && linkType == parentType && load<u64>(linkSpan) == parent && isTraceOfLink(traceId)) isSaid = true
    else putReference(linkTrace, linkSpan, linkType)
    link = next(linkEnd, end, 13)
  }
}

function putReference(trace: usize, span: usize, type: u32): void {
  if (!room(64)) return
  putTag(0x22)
  putVarint(type == CHILD_OF ? 28 : 30)
  putText(0x0a, trace, 16)
  putText(0x12, span, 8)
  if (type == CHILD_OF) return
  putTag(0x18)
  putVarint(type)
}

/** Writes tags `otlp.link.N`: trace id, span id, trace state, attributes as JSON, their dropped count; N counts all links from 0. */
export function putLinkTags(at: usize, end: usize, tag: u32): void {
  let number: u32 = 0
  for (let link = next(at, end, 13); link != 0; number++) {
    const linkEnd = link + length
    readLink(link, linkEnd)
    if (isLinkRich) putLinkTag(tag, number, link, linkEnd)
    link = next(linkEnd, end, 13)
  }
}

function putLinkTag(tag: u32, number: u32, at: usize, end: usize): void {
  let keyEnd = linkKey + 32
  let rest = number
  do {
    store<u8>(--keyEnd, 0x30 + rest % 10)
    rest /= 10
  } while (rest != 0)
  const prefix = bytesOf(key_link)
  memory.copy(keyEnd - prefix, key_link, prefix)
  const mark = openText(tag, keyEnd - prefix, linkKey + 32 - keyEnd + prefix)
  if (mark == 0) return
  if (!room(linkStateBytes + 96)) return
  putHex(linkTrace, 16)
  putByte(0x7c)
  putHex(linkSpan, 8)
  putByte(0x7c)
  putBytes(linkStateAt, linkStateBytes)
  putByte(0x7c)
  putByte(0x7b)
  for (let pair = next(at, end, 4); pair != 0; ) {
    const pairEnd = pair + length
    putMember(pair, pairEnd)
    pair = next(pairEnd, end, 4)
  }
  if (!room(2)) return
  putByte(0x7d)
  putByte(0x7c)
  putDigits(linkDropped)
  closeText(mark)
}
