// Prometheus remote write 2.0 (prometheus/prometheus prompb/io/prometheus/write/v2/types.proto):
//   Request     4 symbols (string), 5 timeseries (TimeSeries); 1..3 reserved
//   TimeSeries  1 labels_refs (packed uint32: name, value, name, value …), 2 samples, 3 histograms, 4 exemplars,
//               5 metadata
//   Exemplar    1 labels_refs, 2 value, 3 timestamp          Metadata  1 type, 3 help_ref, 4 unit_ref
// Labels are compared by their strings, never by their refs: a table may hold a string twice. Fields may come in any
// order, symbols behind the series that use them, refs unpacked or in several runs.
//
// The walk checks everything and notes where the pair of the stamp goes; `prometheus-v2-write.ts` writes the records.

import { E_ITEMS, E_MEMORY, E_OTHER_VERSION, E_PROTOBUF, E_SYMBOLS, E_UNKNOWN, E_SYMBOL_ZERO, arenaTake, compareBytes } from './memory'
import { checkHistogram, checkSample } from './messages'
import { KIND_SERIES, KIND_UNKNOWN, ROW, R_EMPTY_NAME, R_ODD_REFS, R_REF_RANGE, R_REPEATED, R_UNSORTED, rows, rowsBegin } from './plan'
import { keepValue, matchName, stampName, stampNameBytes, tupleOf, tuplesBegin } from './rules'
import { fieldNumber, isUtf8, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

/** Symbol: address, bytes, bits of the names it equals, 1 when it sorts behind the stamp's name. */
export const SYMBOL: usize = 16
/** What a 2.0 row holds besides: refsAt (of the tag; 0: not one packed run), refsValueAt, refsEnd, samples, histograms, exemplars, removed pairs. */
export const EXTRA: usize = 32

export let symbolsAt: usize = 0
export let symbolCount: u32 = 0
/** Where the run of symbol fields begins and ends when nothing stands between them; 0 otherwise. */
export let symbolRunAt: usize = 0
export let symbolRunEnd: usize = 0
export let extras: usize = 0
export let itemCountV2: i32 = 0
/** Bytes of the longest series. */
export let seriesBytesMax: usize = 0
/** Bytes of all fields of a later version. */
export let unknownBytes: u32 = 0

let seriesCount: i32 = 0
let otherCount: i32 = 0

/** Checks and notes every item. 0, or the code that refuses the request as a whole. */
export function walkV2(at: usize, bytes: usize, itemsMax: i32, symbolsMax: i32, unknownBytesMax: u32, active: u32, opaque: u32, wantExisting: bool): i32 {
  const end = at + bytes
  const code = countFieldsV2(at, end, unknownBytesMax)
  if (code != 0) return code
  if (seriesCount + otherCount > itemsMax || symbolCount > <u32>symbolsMax) return E_ITEMS
  const count = seriesCount + otherCount
  symbolsAt = arenaTake(<usize>symbolCount * SYMBOL)
  if (symbolsAt == 0 || rowsBegin(count) != 0) return E_MEMORY
  extras = arenaTake(<usize>count * EXTRA)
  if (extras == 0 || tuplesBegin(<usize>count) < 0) return E_MEMORY
  const symbols = noteSymbols(at, end)
  if (symbols != 0) return symbols
  itemCountV2 = seriesCount
  let row = rows
  let extra = extras
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    let valueAt: usize = 0
    if (wireType == 2) {
      valueAt = readLength(at, end)
      at = valueAt + length
    } else at = skipValue(at, end, wireType)
    if (field == 4) continue
    store<u32>(row, <u32>at, 4)
    store<i32>(row, 0, 28)
    if (field == 5) {
      store<u32>(row, <u32>valueAt)
      store<u32>(row, KIND_SERIES, 20)
      const tuple = walkSeriesV2(valueAt, at, row, extra, active, opaque, wantExisting)
      if (tuple < 0) return tuple
      store<i32>(row, tuple, 24)
    } else {
      store<u32>(row, <u32>fieldAt)
      store<u32>(row, KIND_UNKNOWN, 20)
      store<i32>(row, 0, 24)
    }
    row += ROW
    extra += EXTRA
  }
  return 0
}

function countFieldsV2(at: usize, end: usize, unknownBytesMax: u32): i32 {
  unknownBytes = 0
  seriesCount = 0
  otherCount = 0
  symbolCount = 0
  symbolRunAt = 0
  symbolRunEnd = 0
  seriesBytesMax = 0
  let oneRun = true
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (at == 0) return E_PROTOBUF
    const field = fieldNumber
    if (field <= 3) return E_OTHER_VERSION
    if (field <= 5) {
      if (wireType != 2) return E_PROTOBUF
      at = readLength(at, end)
      if (at == 0) return E_PROTOBUF
      at += length
      if (field == 5) {
        seriesCount++
        if (length > seriesBytesMax) seriesBytesMax = length
        continue
      }
      if (symbolCount++ == 0) symbolRunAt = fieldAt
      else if (fieldAt != symbolRunEnd) oneRun = false
      symbolRunEnd = at
      continue
    }
    at = skipValue(at, end, wireType)
    if (at == 0) return E_PROTOBUF
    unknownBytes += <u32>(at - fieldAt)
    if (unknownBytes > unknownBytesMax) return E_UNKNOWN
    otherCount++
  }
  if (!oneRun) symbolRunAt = 0
  return 0
}

/** Fills the symbol table. A string that is not UTF-8 spoils the table for every reader, so it refuses the request. */
function noteSymbols(at: usize, end: usize): i32 {
  let symbol = symbolsAt
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber != 4) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const bytes = length
    if (!isUtf8(at, at + bytes)) return E_SYMBOLS
    store<u32>(symbol, <u32>at)
    store<u32>(symbol, <u32>bytes, 4)
    store<u32>(symbol, matchName(at, bytes), 8)
    store<u32>(symbol, compareBytes(at, bytes, stampName(), stampNameBytes()) > 0 ? 1 : 0, 12)
    symbol += SYMBOL
    at += bytes
  }
  return symbolCount > 0 && load<u32>(symbolsAt, 4) != 0 ? E_SYMBOL_ZERO : 0
}

// State of one series' labels while their refs stream by.
let nameRef: u32 = 0
let nameRefAt: usize = 0
let halfPair: bool = false
let found: u32 = 0
let insertAt: usize = 0
let removedAt: usize = 0
let removedBytes: usize = 0
let removedPairs: u32 = 0
let before: usize = 0
let reason: i32 = 0

/** Takes the refs of one run (or one unpacked ref); false when a varint does not end. */
function takeRefs(at: usize, end: usize): bool {
  while (at < end) {
    const refAt = at
    let ref = <u32>load<u8>(at)
    if (ref < 0x80) at++
    else {
      at = readVarint(at, end)
      if (at == 0) return false
      ref = varint > 0xffffffff ? 0xffffffff : <u32>varint
    }
    if (!halfPair) {
      nameRef = ref
      nameRefAt = refAt
      halfPair = true
      continue
    }
    halfPair = false
    if (nameRef >= symbolCount || ref >= symbolCount) {
      if (reason == 0) reason = R_REF_RANGE
      continue
    }
    takePair(symbolsAt + <usize>nameRef * SYMBOL, symbolsAt + <usize>ref * SYMBOL, at)
  }
  return true
}

@inline
function takePair(name: usize, value: usize, pairEnd: usize): void {
  const bytes = load<u32>(name, 4)
  if (bytes == 0) {
    reason = R_EMPTY_NAME
    return
  }
  const bits = load<u32>(name, 8)
  if (bits != 0) {
    found = keepValue(bits, found, load<u32>(value), load<u32>(value, 4))
    if ((bits & 1) != 0) {
      if (removedPairs++ == 0) removedAt = nameRefAt
      removedBytes += pairEnd - nameRefAt
      return
    }
  }
  if (before != 0) {
    const at = <usize>load<u32>(name)
    const beforeAt = <usize>load<u32>(before)
    const first = load<u8>(at)
    const beforeFirst = load<u8>(beforeAt)
    if (first <= beforeFirst) {
      const order = first < beforeFirst ? -1 : compareBytes(at, bytes, beforeAt, load<u32>(before, 4))
      if (order <= 0 && reason == 0) reason = order == 0 ? R_REPEATED : R_UNSORTED
    }
  }
  before = name
  if (insertAt == 0 && load<u32>(name, 12) != 0) insertAt = nameRefAt
}

/** Checks one TimeSeries and fills its row; its tuple, or E_PROTOBUF, E_MEMORY. */
function walkSeriesV2(start: usize, end: usize, row: usize, extra: usize, active: u32, opaque: u32, wantExisting: bool): i32 {
  halfPair = false
  found = 0
  insertAt = 0
  removedAt = 0
  removedBytes = 0
  removedPairs = 0
  before = 0
  reason = 0
  let refsAt: usize = 0
  let refsValueAt: usize = 0
  let refsEnd: usize = 0
  let runs = 0
  let samples: u32 = 0
  let histograms: u32 = 0
  let exemplars: u32 = 0
  let at = start
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (at == 0) return E_PROTOBUF
    const field = fieldNumber
    if (field == 1 && wireType == 0) {
      const valueAt = at
      at = readVarint(at, end)
      if (at == 0 || !takeRefs(valueAt, at)) return E_PROTOBUF
      runs += 2
      continue
    }
    if (field > 5) {
      at = skipValue(at, end, wireType)
      if (at == 0) return E_PROTOBUF
      continue
    }
    if (wireType != 2) return E_PROTOBUF
    at = readLength(at, end)
    if (at == 0) return E_PROTOBUF
    const valueAt = at
    const valueEnd = at + length
    at = valueEnd
    if (field == 1) {
      refsAt = fieldAt
      refsValueAt = valueAt
      refsEnd = valueEnd
      runs++
      if (!takeRefs(valueAt, valueEnd)) return E_PROTOBUF
    } else if (field == 2) {
      samples++
      if (!checkSample(valueAt, valueEnd)) return E_PROTOBUF
    } else if (field == 3) {
      histograms++
      if (!checkHistogram(valueAt, valueEnd)) return E_PROTOBUF
    } else if (field == 4) {
      exemplars++
      if (!checkExemplarV2(valueAt, valueEnd)) return E_PROTOBUF
    } else if (!checkMetadataV2(valueAt, valueEnd)) return E_PROTOBUF
  }
  if (halfPair && reason == 0) reason = R_ODD_REFS
  if (runs == 0) {
    refsAt = start
    refsValueAt = start
    refsEnd = start
  }
  store<u32>(row, <u32>(insertAt != 0 ? insertAt : refsEnd), 8)
  store<u32>(row, <u32>removedBytes, 12)
  store<u32>(row, <u32>removedAt, 16)
  store<i32>(row, -reason, 28)
  store<u32>(extra, runs > 1 ? 0 : <u32>refsAt)
  store<u32>(extra, <u32>refsValueAt, 4)
  store<u32>(extra, <u32>refsEnd, 8)
  store<u32>(extra, samples, 12)
  store<u32>(extra, histograms, 16)
  store<u32>(extra, exemplars, 20)
  store<u32>(extra, removedPairs, 24)
  return tupleOf(found, active, opaque, wantExisting)
}

function checkExemplarV2(at: usize, end: usize): bool {
  let refs: u32 = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber == 1) {
      let run = at
      if (wireType == 2) {
        run = readLength(at, end)
        if (run == 0) return false
        at = run + length
      } else {
        if (wireType != 0) return false
        at = skipValue(at, end, 0)
        if (at == 0) return false
      }
      while (run < at) {
        run = readVarint(run, at)
        if (run == 0) return false
        if (varint >= <u64>symbolCount && reason == 0) reason = R_REF_RANGE
        refs++
      }
      continue
    }
    if (fieldNumber == 2 && wireType != 1) return false
    if (fieldNumber == 3 && wireType != 0) return false
    at = skipValue(at, end, wireType)
    if (at == 0) return false
  }
  if ((refs & 1) != 0 && reason == 0) reason = R_ODD_REFS
  return true
}

function checkMetadataV2(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    if ((field == 1 || field == 3 || field == 4) && wireType != 0) return false
    at = skipValue(at, end, wireType)
    if (at == 0) return false
    if ((field == 3 || field == 4) && varint >= <u64>symbolCount && !(varint == 0)) {
      if (reason == 0) reason = R_REF_RANGE
    }
  }
  return true
}
