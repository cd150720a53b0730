// Zipkin to OTLP, from each of the forms in which spans arrive. See `zipkin-span.ts` for what becomes what.

import { E_ROWS, attributesBegin, moreRows } from './attributes'
import { E_ITEMS, E_MEMORY, arenaBytes } from './memory'
import { Binary, Compact } from './thrift'
import { namesBegin } from './zipkin-names'
import { translateProto } from './zipkin-proto'
import { translateThrift } from './zipkin-thrift'

/** Attributes of one span, with those of one of its events, for which there is room at first. */
const ROWS: i32 = 1024

/**
 * Translates `bytes` bytes at `at`. `from`: 0 zipkin.proto3.ListOfSpans, 1 a list of zipkincore.Span in Thrift's binary protocol,
 * 2 in the compact one. The bytes of an ExportTraceServiceRequest, which begins at `translated`, or E_PROTOBUF, E_THRIFT
 * (`faultAt`), E_ITEMS when there are more than `itemsMax` spans, or attributes of a span, E_TOO_LARGE, E_MEMORY.
 */
export function zipkinToOtlp(from: i32, at: usize, bytes: usize, itemsMax: i32, outputBytesMax: usize): i32 {
  namesBegin()
  const regionsAt = arenaBytes()
  let rows = min(ROWS, itemsMax)
  while (true) {
    if (attributesBegin(rows) != 0) return E_MEMORY
    const code = translate(from, at, bytes, itemsMax, outputBytesMax)
    if (code != E_ROWS) return code
    rows = moreRows(rows, itemsMax, regionsAt)
    if (rows == 0) return E_ITEMS
  }
}

function translate(from: i32, at: usize, bytes: usize, itemsMax: i32, outputBytesMax: usize): i32 {
  if (from == 0) return translateProto(at, bytes, itemsMax, outputBytesMax)
  if (from == 1) return translateThrift<Binary>(at, bytes, itemsMax, outputBytesMax)
  return translateThrift<Compact>(at, bytes, itemsMax, outputBytesMax)
}
