// Checks of the messages inside a series that are copied as they are: samples, histograms, metadata and the labels of
// exemplars. A known field with another wire type than its own is malformed, as Prometheus' own decoder has it; an
// unknown field passes. The readers leave their results in globals (`length`, `fieldNumber`, …) that the next call
// overwrites: what is needed later is kept in a local. Field numbers: prometheus/prometheus prompb/types.proto and prompb/io/prometheus/write/v2/types.proto.

import { fieldNumber, isUtf8, length, readLength, readTag, readVarint, skipValue, wireType } from './wire'

/** Set when a string is met that is not UTF-8: the frame is whole, so only the item that holds it is refused. */
export let brokenText: bool = false

export function textBegin(): void {
  brokenText = false
}


/** Sample: 1 value double, 2 timestamp int64; 2.0 adds 3 start_timestamp int64. */
@inline
export function checkSample(at: usize, end: usize): bool {
  // As every sender writes it: 09, eight bytes (left out when the value is 0), 10, a varint of six bytes (any time from
  // 1971 to 2109).
  const bytes = end - at
  if (bytes == 16) {
    if (load<u8>(at) == 0x09 && (load<u64>(at + 8) & 0x808080808080ff00) == 0x0080808080801000) return true
  } else if (bytes == 7) {
    if ((load<u64>(at) & 0x00808080808080ff) == 0x0000808080808010) return true
  }
  return checkSampleSlow(at, end)
}

function checkSampleSlow(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber == 1 && wireType != 1) return false
    if ((fieldNumber == 2 || fieldNumber == 3) && wireType != 0) return false
    at = skipValue(at, end, wireType)
    if (at == 0) return false
  }
  return true
}

/** Histogram: the fields of both versions (2.0 adds 17 start_timestamp). */
export function checkHistogram(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    const type = wireType
    if (field == 8 || field == 11) {
      if (type != 2) return false
      at = readLength(at, end)
      if (at == 0) return false
      const spanEnd = at + length
      if (!checkVarints(at, spanEnd)) return false
      at = spanEnd
      continue
    }
    if (field == 9 || field == 12) {
      // Signed deltas, packed or one by one.
      if (type == 2) {
        at = readLength(at, end)
        if (at == 0 || !checkPackedVarints(at, at + length)) return false
        at += length
        continue
      }
      if (type != 0) return false
    } else if (field == 10 || field == 13 || field == 16) {
      if (type == 2) {
        at = readLength(at, end)
        if (at == 0 || (length & 7) != 0) return false
        at += length
        continue
      }
      if (type != 1) return false
    } else if (field == 2 || field == 3 || field == 5 || field == 7) {
      if (type != 1) return false
    } else if (field <= 17) {
      if (type != 0) return false
    }
    at = skipValue(at, end, type)
    if (at == 0) return false
  }
  return true
}

/** BucketSpan: 1 offset sint32, 2 length uint32. */
function checkVarints(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber <= 2 && wireType != 0) return false
    at = skipValue(at, end, wireType)
    if (at == 0) return false
  }
  return true
}

function checkPackedVarints(at: usize, end: usize): bool {
  while (at < end) {
    at = readVarint(at, end)
    if (at == 0) return false
  }
  return true
}

/** 1.0 Exemplar: 1 labels (Label), 2 value double, 3 timestamp int64. */
export function checkExemplarV1(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber == 1) {
      if (wireType != 2) return false
      at = readLength(at, end)
      if (at == 0) return false
      const labelEnd = at + length
      if (!checkStrings(at, labelEnd, 1, 2)) return false
      at = labelEnd
      continue
    }
    if (fieldNumber == 2 && wireType != 1) return false
    if (fieldNumber == 3 && wireType != 0) return false
    at = skipValue(at, end, wireType)
    if (at == 0) return false
  }
  return true
}

/** 1.0 MetricMetadata: 1 type enum, 2 metric_family_name, 4 help, 5 unit. */
export function checkMetadataV1(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber == 1 && wireType != 0) return false
    if (fieldNumber == 2 || fieldNumber == 4 || fieldNumber == 5) {
      if (wireType != 2) return false
      at = readLength(at, end)
      if (at == 0) return false
      if (!isUtf8(at, at + length)) brokenText = true
      at += length
      continue
    }
    at = skipValue(at, end, wireType)
    if (at == 0) return false
  }
  return true
}

/** A message whose fields from `first` to `last` are strings. */
export function checkStrings(at: usize, end: usize, first: u32, last: u32): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber >= first && fieldNumber <= last) {
      if (wireType != 2) return false
      at = readLength(at, end)
      if (at == 0) return false
      if (!isUtf8(at, at + length)) brokenText = true
      at += length
      continue
    }
    at = skipValue(at, end, wireType)
    if (at == 0) return false
  }
  return true
}
