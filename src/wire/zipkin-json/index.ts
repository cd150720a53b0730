/** Lists of Zipkin's spans as JSON, made into the binary forms that Zipkin has for them. */
import { convert, type FromJson } from '../json/conversion.ts'
import { ConversionV1 } from './version-1.ts'
import { ConversionV2 } from './version-2.ts'

export type ZipkinFromJson = FromJson

/** What most lists become is less than the text, and a buffer that is too small is copied. */
const bytesExpectedMin = 64
const shareExpected = { v1: 0.75, v2: 0.625 }

/**
 * A list of spans of version 2 as zipkin.proto3.ListOfSpans, everything in the order of the text; empty for an empty list
 * and for a text without any value. Ids of fewer digits are filled up to 8 bytes, or to 16; what version 2 does not know is
 * left out, and what version 1 alone has is refused.
 *
 * `chunks` hold `bytes` bytes together and are borrowed for the call; the message is the caller's. Besides them it takes, for
 * as long as it runs, at most a copy of the text and twice `outputBytesMax`. Never throws for what the text is.
 */
export function zipkinJsonV2(
  chunks: readonly Buffer[],
  bytes: number,
  outputBytesMax: number,
): ZipkinFromJson {
  const bytesExpected = Math.ceil(bytes * shareExpected.v2) + bytesExpectedMin
  return convert(chunks, bytes, (scanner) => new ConversionV2(scanner, bytesExpected, outputBytesMax))
}

/**
 * A list of spans of version 1 as zipkincore.Span in Thrift's binary protocol: a list from its header on (the byte 12, the
 * number of spans, the spans). As `zipkinJsonV2` otherwise; the message of an empty list is its header.
 */
export function zipkinJsonV1(
  chunks: readonly Buffer[],
  bytes: number,
  outputBytesMax: number,
): ZipkinFromJson {
  const bytesExpected = Math.ceil(bytes * shareExpected.v1) + bytesExpectedMin
  return convert(chunks, bytes, (scanner) => new ConversionV1(scanner, bytesExpected, outputBytesMax))
}
