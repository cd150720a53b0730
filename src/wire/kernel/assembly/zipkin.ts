// Zipkin to OTLP, from each of the forms in which spans arrive. See `zipkin-span.ts` for what becomes what.

import { E_ROWS, attributesBegin } from './attributes'
import { E_ITEMS, E_MEMORY } from './memory'
import { Binary, Compact } from './thrift'
import { namesBegin } from './zipkin-names'
import { translateProto } from './zipkin-proto'
import { translateThrift } from './zipkin-thrift'

/** Attributes of one span, with those of one of its events, for which there is room at first. */
const ROWS: i32 = 1024

/**
 * Translates `bytes` bytes at `at`. `from`: 0 zipkin.proto3.ListOfSpans, 1 a list of zipkincore.Span in Thrift's binary protocol,
 * 2 in the compact one. `rowsMax`: attributes that one span may have. The bytes of an ExportTraceServiceRequest, which begins at
 * `translated`, or a code.
 */
export function translateZipkin(from: i32, at: usize, bytes: usize, itemsMax: i32, outputBytesMax: usize, rowsMax: i32): i32 {
  namesBegin()
  let rows = ROWS
  let code = E_ROWS
  while (code == E_ROWS) {
    if (attributesBegin(min(rows, rowsMax)) != 0) return E_MEMORY
    code = translate(from, at, bytes, itemsMax, outputBytesMax)
    if (code == E_ROWS && rows >= rowsMax) return E_ITEMS
    rows <<= 4
  }
  return code
}

function translate(from: i32, at: usize, bytes: usize, itemsMax: i32, outputBytesMax: usize): i32 {
  if (from == 0) return translateProto(at, bytes, itemsMax, outputBytesMax)
  if (from == 1) return translateThrift<Binary>(at, bytes, itemsMax, outputBytesMax)
  return translateThrift<Compact>(at, bytes, itemsMax, outputBytesMax)
}
