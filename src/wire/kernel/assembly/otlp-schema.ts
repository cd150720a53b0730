// The messages of OTLP (open-telemetry/opentelemetry-proto 1.11, opentelemetry/proto/{common,resource,trace,metrics,logs}/v1)
// as a table: for each message and each field below 32 what may stand there. `check` walks any of them. A known field with
// another wire type than its own is malformed, an unknown field passes; so does field 1000, where the scopes once stood.
//
// A text that is not UTF-8 and an id of a wrong length leave the frame whole: `faults` says that one was met, and
// `otlp-clean.ts` takes out the items that have them.

import { stampName, stampNameBytes } from './rules'
import { sameBytes } from './memory'
import { fieldNumber, isUtf8, length, readLength, readTag, readVarint, skipValue, wireType } from './wire'

// Kinds of field. From MESSAGE on: a message, whose number follows.
const UNKNOWN: u8 = 0
const VARINT: u8 = 1
const FIXED64: u8 = 2
const FIXED32: u8 = 3
/** Repeated words or varints, packed or one by one: a parser takes both, whichever the schema says. */
const WORDS: u8 = 4
const VARINTS: u8 = 5
/** Field 0, which there is not. */
const NONE: u8 = 6
// From STRING on: a length and bytes.
const STRING: u8 = 8
const BYTES: u8 = 9
/** A trace id: 16 bytes or none. */
const ID16: u8 = 10
/** A span id: 8 bytes or none. */
const ID8: u8 = 11
const MESSAGE: u8 = 16

export const RESOURCE_SPANS: u32 = 0
export const RESOURCE_METRICS: u32 = 1
export const RESOURCE_LOGS: u32 = 2
export const SCOPE_SPANS: u32 = 3
export const SCOPE_METRICS: u32 = 4
export const SCOPE_LOGS: u32 = 5
export const SPAN: u32 = 6
export const METRIC: u32 = 7
export const LOG_RECORD: u32 = 8
export const NUMBER_POINT: u32 = 9
export const HISTOGRAM_POINT: u32 = 10
export const EXPONENTIAL_POINT: u32 = 11
export const SUMMARY_POINT: u32 = 12
export const GAUGE: u32 = 13
export const SUM: u32 = 14
export const HISTOGRAM: u32 = 15
export const EXPONENTIAL: u32 = 16
export const SUMMARY: u32 = 17
export const RESOURCE: u32 = 18
/** A KeyValue that is an attribute. */
export const ATTRIBUTE: u32 = 19
/** A KeyValue inside of an AnyValue. */
export const PAIR: u32 = 20
const ENTITY_REF: u32 = 21
const SCOPE: u32 = 22
const ANY_VALUE: u32 = 23
const ARRAY: u32 = 24
const PAIRS: u32 = 25
const EVENT: u32 = 26
const LINK: u32 = 27
const STATUS: u32 = 28
const BUCKETS: u32 = 29
const QUANTILE: u32 = 30
const EXEMPLAR: u32 = 31
const MESSAGES: u32 = 32

const schema = memory.data(32 * 32)

function define(message: u32, field: u32, kind: u8): void {
  store<u8>(schema + (<usize>message << 5) + <usize>field, kind)
}

function defineMessage(message: u32, field: u32, nested: u32): void {
  define(message, field, <u8>(MESSAGE + nested))
}

/** Fields 1 resource, 2 scopes, 3 schema_url; one level down 1 scope, 2 items, 3 schema_url. */
function defineSignal(resources: u32, scopes: u32, item: u32): void {
  defineMessage(resources, 1, RESOURCE)
  defineMessage(resources, 2, scopes)
  define(resources, 3, STRING)
  defineMessage(scopes, 1, SCOPE)
  defineMessage(scopes, 2, item)
  define(scopes, 3, STRING)
}

function defineCommon(): void {
  defineMessage(RESOURCE, 1, ATTRIBUTE)
  define(RESOURCE, 2, VARINT) // dropped_attributes_count
  defineMessage(RESOURCE, 3, ENTITY_REF)
  define(ENTITY_REF, 1, STRING) // schema_url
  define(ENTITY_REF, 2, STRING) // type
  define(ENTITY_REF, 3, STRING) // id_keys
  define(ENTITY_REF, 4, STRING) // description_keys
  define(SCOPE, 1, STRING) // name
  define(SCOPE, 2, STRING) // version
  defineMessage(SCOPE, 3, ATTRIBUTE)
  define(SCOPE, 4, VARINT) // dropped_attributes_count
  for (let message = ATTRIBUTE; message <= PAIR; message++) {
    define(message, 1, STRING) // key
    defineMessage(message, 2, ANY_VALUE)
    define(message, 3, VARINT) // key_strindex, of profiles only
  }
  define(ANY_VALUE, 1, STRING)
  define(ANY_VALUE, 2, VARINT) // bool
  define(ANY_VALUE, 3, VARINT) // int
  define(ANY_VALUE, 4, FIXED64) // double
  defineMessage(ANY_VALUE, 5, ARRAY)
  defineMessage(ANY_VALUE, 6, PAIRS)
  define(ANY_VALUE, 7, BYTES)
  define(ANY_VALUE, 8, VARINT) // string_value_strindex, of profiles only
  defineMessage(ARRAY, 1, ANY_VALUE)
  defineMessage(PAIRS, 1, PAIR)
}

function defineTraces(): void {
  defineSignal(RESOURCE_SPANS, SCOPE_SPANS, SPAN)
  define(SPAN, 1, ID16)
  define(SPAN, 2, ID8)
  define(SPAN, 3, STRING) // trace_state
  define(SPAN, 4, ID8) // parent_span_id
  define(SPAN, 5, STRING) // name
  define(SPAN, 6, VARINT) // kind
  define(SPAN, 7, FIXED64) // start_time_unix_nano
  define(SPAN, 8, FIXED64) // end_time_unix_nano
  defineMessage(SPAN, 9, ATTRIBUTE)
  define(SPAN, 10, VARINT) // dropped_attributes_count
  defineMessage(SPAN, 11, EVENT)
  define(SPAN, 12, VARINT) // dropped_events_count
  defineMessage(SPAN, 13, LINK)
  define(SPAN, 14, VARINT) // dropped_links_count
  defineMessage(SPAN, 15, STATUS)
  define(SPAN, 16, FIXED32) // flags
  define(EVENT, 1, FIXED64) // time_unix_nano
  define(EVENT, 2, STRING) // name
  defineMessage(EVENT, 3, ATTRIBUTE)
  define(EVENT, 4, VARINT) // dropped_attributes_count
  define(LINK, 1, ID16)
  define(LINK, 2, ID8)
  define(LINK, 3, STRING) // trace_state
  defineMessage(LINK, 4, ATTRIBUTE)
  define(LINK, 5, VARINT) // dropped_attributes_count
  define(LINK, 6, FIXED32) // flags
  define(STATUS, 2, STRING) // message
  define(STATUS, 3, VARINT) // code
}

function defineMetrics(): void {
  defineSignal(RESOURCE_METRICS, SCOPE_METRICS, METRIC)
  define(METRIC, 1, STRING) // name
  define(METRIC, 2, STRING) // description
  define(METRIC, 3, STRING) // unit
  defineMessage(METRIC, 5, GAUGE)
  defineMessage(METRIC, 7, SUM)
  defineMessage(METRIC, 9, HISTOGRAM)
  defineMessage(METRIC, 10, EXPONENTIAL)
  defineMessage(METRIC, 11, SUMMARY)
  defineMessage(METRIC, 12, ATTRIBUTE) // metadata
  defineMessage(GAUGE, 1, NUMBER_POINT)
  defineMessage(SUM, 1, NUMBER_POINT)
  defineMessage(HISTOGRAM, 1, HISTOGRAM_POINT)
  defineMessage(EXPONENTIAL, 1, EXPONENTIAL_POINT)
  defineMessage(SUMMARY, 1, SUMMARY_POINT)
  define(SUM, 2, VARINT) // aggregation_temporality
  define(SUM, 3, VARINT) // is_monotonic
  define(HISTOGRAM, 2, VARINT)
  define(EXPONENTIAL, 2, VARINT)
  for (let message = NUMBER_POINT; message <= SUMMARY_POINT; message++) {
    define(message, 2, FIXED64) // start_time_unix_nano
    define(message, 3, FIXED64) // time_unix_nano
    define(message, 4, FIXED64) // as_double, or count
  }
  defineMessage(NUMBER_POINT, 5, EXEMPLAR)
  define(NUMBER_POINT, 6, FIXED64) // as_int
  defineMessage(NUMBER_POINT, 7, ATTRIBUTE)
  define(NUMBER_POINT, 8, VARINT) // flags
  define(HISTOGRAM_POINT, 5, FIXED64) // sum
  define(HISTOGRAM_POINT, 6, WORDS) // bucket_counts
  define(HISTOGRAM_POINT, 7, WORDS) // explicit_bounds
  defineMessage(HISTOGRAM_POINT, 8, EXEMPLAR)
  defineMessage(HISTOGRAM_POINT, 9, ATTRIBUTE)
  define(HISTOGRAM_POINT, 10, VARINT) // flags
  define(HISTOGRAM_POINT, 11, FIXED64) // min
  define(HISTOGRAM_POINT, 12, FIXED64) // max
  defineMessage(EXPONENTIAL_POINT, 1, ATTRIBUTE)
  define(EXPONENTIAL_POINT, 5, FIXED64) // sum
  define(EXPONENTIAL_POINT, 6, VARINT) // scale
  define(EXPONENTIAL_POINT, 7, FIXED64) // zero_count
  defineMessage(EXPONENTIAL_POINT, 8, BUCKETS) // positive
  defineMessage(EXPONENTIAL_POINT, 9, BUCKETS) // negative
  define(EXPONENTIAL_POINT, 10, VARINT) // flags
  defineMessage(EXPONENTIAL_POINT, 11, EXEMPLAR)
  define(EXPONENTIAL_POINT, 12, FIXED64) // min
  define(EXPONENTIAL_POINT, 13, FIXED64) // max
  define(EXPONENTIAL_POINT, 14, FIXED64) // zero_threshold
  define(BUCKETS, 1, VARINT) // offset
  define(BUCKETS, 2, VARINTS) // bucket_counts
  define(SUMMARY_POINT, 5, FIXED64) // sum
  defineMessage(SUMMARY_POINT, 6, QUANTILE)
  defineMessage(SUMMARY_POINT, 7, ATTRIBUTE)
  define(SUMMARY_POINT, 8, VARINT) // flags
  define(QUANTILE, 1, FIXED64)
  define(QUANTILE, 2, FIXED64)
  define(EXEMPLAR, 2, FIXED64) // time_unix_nano
  define(EXEMPLAR, 3, FIXED64) // as_double
  define(EXEMPLAR, 4, ID8)
  define(EXEMPLAR, 5, ID16)
  define(EXEMPLAR, 6, FIXED64) // as_int
  defineMessage(EXEMPLAR, 7, ATTRIBUTE) // filtered_attributes
}

function defineLogs(): void {
  defineSignal(RESOURCE_LOGS, SCOPE_LOGS, LOG_RECORD)
  define(LOG_RECORD, 1, FIXED64) // time_unix_nano
  define(LOG_RECORD, 2, VARINT) // severity_number
  define(LOG_RECORD, 3, STRING) // severity_text
  defineMessage(LOG_RECORD, 5, ANY_VALUE) // body
  defineMessage(LOG_RECORD, 6, ATTRIBUTE)
  define(LOG_RECORD, 7, VARINT) // dropped_attributes_count
  define(LOG_RECORD, 8, FIXED32) // flags
  define(LOG_RECORD, 9, ID16)
  define(LOG_RECORD, 10, ID8)
  define(LOG_RECORD, 11, FIXED64) // observed_time_unix_nano
  define(LOG_RECORD, 12, STRING) // event_name
}

for (let message: u32 = 0; message < MESSAGES; message++) define(message, 0, NONE)
defineCommon()
defineTraces()
defineMetrics()
defineLogs()

/** The message that stands in a field of another one, or -1 when none does. */
export function nestedIn(message: u32, field: u32): i32 {
  const kind = field < 32 ? load<u8>(schema + (<usize>message << 5) + <usize>field) : UNKNOWN
  return kind >= MESSAGE ? <i32>(kind - MESSAGE) : -1
}

/** Whether attributes may stand in the message or below, those of a Resource apart. */
export function hasAttributes(message: u32): bool {
  return message < RESOURCE || message == SCOPE || message == EVENT || message == LINK || message == EXEMPLAR
}

/** What was met and leaves the frame whole. */
export const FAULT_ID: u32 = 1
export const FAULT_TEXT: u32 = 2
/** An attribute of the stamp's name outside of the resource; sought only when `isDeep`. */
export const FAULT_FORGED: u32 = 4
export let faults: u32 = 0

let levelsMax: i32 = 0
export let isDeep: bool = false

/** Begins a walk: how many messages may stand in each other below the request, and whether forged attributes matter. */
export function checkBegin(levels: i32, deep: bool): void {
  levelsMax = levels
  isDeep = deep
  faults = 0
}

export function faultsForget(): void {
  faults = 0
}

export function checkText(at: usize, end: usize): void {
  if (!isUtf8(at, end)) faults |= FAULT_TEXT
}

/** Checks the fields from `at` to `end` of a message that stands at `level`. False: the whole request is malformed. */
export function check(message: u32, at: usize, end: usize, level: i32): bool {
  if (level > levelsMax) return false
  const kinds = schema + (<usize>message << 5)
  const start = at
  // All bytes of the texts so far, one laid over the other: only when one is above 0x7f the texts are looked at in turn.
  let seen = i8x16.splat(0)
  while (at < end) {
    let field = <u32>load<u8>(at)
    let type = field & 7
    if (field < 0x80) {
      field >>= 3
      at++
    } else {
      at = readTag(at, end)
      if (at == 0) return false
      field = fieldNumber
      type = wireType
    }
    const kind = field < 32 ? load<u8>(kinds + <usize>field) : UNKNOWN
    if (kind >= STRING) {
      if (type != 2) return false
      let bytes = at < end ? <usize>load<u8>(at) : 0x80
      if (bytes < 0x80 && bytes < end - at) at++
      else {
        at = readLength(at, end)
        if (at == 0) return false
        bytes = length
      }
      const valueEnd = at + bytes
      if (kind == <u8>(MESSAGE + ATTRIBUTE)) {
        if (isDeep && message != RESOURCE && isForged(at, valueEnd)) faults |= FAULT_FORGED
        const plain = plainText(at, valueEnd)
        if (plain != 0) seen = v128.or(seen, bytesOf(at, plain - at))
        else if (!check(PAIR, at, valueEnd, level + 1)) return false
      } else if (kind >= MESSAGE) {
        if (!check(<u32>(kind - MESSAGE), at, valueEnd, level + 1)) return false
      } else if (kind == STRING) seen = v128.or(seen, bytesOf(at, bytes))
      else if (kind == ID16) {
        if (bytes != 16 && bytes != 0) faults |= FAULT_ID
      } else if (kind == ID8) {
        if (bytes != 8 && bytes != 0) faults |= FAULT_ID
      }
      at = valueEnd
    } else if (kind == VARINT) {
      if (type != 0) return false
      if (at < end && load<u8>(at) < 0x80) at++
      else {
        at = readVarint(at, end)
        if (at == 0) return false
      }
    } else if (kind == FIXED64) {
      if (type != 1 || end - at < 8) return false
      at += 8
    } else if (kind == FIXED32) {
      if (type != 5 || end - at < 4) return false
      at += 4
    } else if (kind == UNKNOWN) {
      at = skipValue(at, end, type)
      if (at == 0) return false
    } else {
      at = checkNumbers(kind, at, end, type)
      if (at == 0) return false
    }
  }
  if (i8x16.bitmask(seen) != 0) checkTexts(message, start, end)
  return true
}

/** The bytes of a text laid over each other; reads up to 15 bytes past a short one, and does not mind them. */
@inline
function bytesOf(at: usize, bytes: usize): v128 {
  if (bytes < 16) return v128.and(v128.load(at), i8x16.lt_u(i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), i8x16.splat(<i8>bytes)))
  let seen = v128.or(v128.load(at), v128.load(at + bytes - 16))
  for (let i: usize = 16; i + 16 < bytes; i += 16) seen = v128.or(seen, v128.load(at + i))
  return seen
}

/** Repeated numbers in either form; the address behind them, or 0. */
function checkNumbers(kind: u8, at: usize, end: usize, type: u32): usize {
  if (kind == NONE) return 0
  if (type != 2) return type == (kind == WORDS ? <u32>1 : <u32>0) ? skipValue(at, end, type) : 0
  at = readLength(at, end)
  if (at == 0) return 0
  const last = at + length
  if (kind == WORDS) return (length & 7) == 0 ? last : 0
  while (at < last) {
    at = readVarint(at, last)
    if (at == 0) return 0
  }
  return at
}

/**
 * The common attribute: a key and one value, once each, in order, both shorter than 128 bytes, the value a string, number or
 * bool. Where its text ends: at its end, or before a value that is no text; 0 for every other attribute.
 */
@inline
function plainText(at: usize, end: usize): usize {
  const n = <usize>load<u8>(at + 1)
  const value = at + 2 + (n & 0x7f)
  const m = <usize>load<u8>(value + 1)
  if (load<u8>(at) != 0x0a || n >= 0x80 || load<u8>(value) != 0x12 || m >= 0x80 || m < 2 || value + 2 + m != end) return 0
  const tag = load<u8>(value + 2)
  if (tag == 0x0a) return <usize>load<u8>(value + 3) == m - 2 ? end : 0
  if (tag == 0x18 || tag == 0x10) {
    if (m > 8) return readVarint(value + 3, end) == end ? value : 0
    // Of its bytes the last one alone is below 0x80.
    const high = load<u64>(value + 3) & (<u64>0x8080808080808080 >> (72 - (<u64>m << 3)))
    return high == <u64>0x0080808080808080 >> (72 - (<u64>m << 3)) ? value : 0
  }
  return tag == 0x21 && m == 9 ? value : 0
}

/** Looks at each text of a message that was checked, where one is not ASCII; nested messages have done so themselves. */
function checkTexts(message: u32, at: usize, end: usize): void {
  const kinds = schema + (<usize>message << 5)
  while (at < end) {
    at = readTag(at, end)
    const kind = fieldNumber < 32 ? load<u8>(kinds + <usize>fieldNumber) : UNKNOWN
    if (kind != STRING && kind != <u8>(MESSAGE + ATTRIBUTE)) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const last = at + length
    // In a plain attribute all between the texts is ASCII, so that they may be looked at as one.
    if (kind == STRING) checkText(at, last)
    else {
      const plain = plainText(at, last)
      if (plain != 0) checkText(at, plain)
    }
    at = last
  }
}

/** Where the key of the last `readKey` is; the last `key` of a KeyValue counts. */
export let keyAt: usize = 0
export let keyBytes: usize = 0

/** Finds the key of a KeyValue that was checked, or is not to be trusted further than its key. */
export function readKey(at: usize, end: usize): void {
  const n = <usize>load<u8>(at + 1)
  const value = at + 2 + (n & 0x7f)
  if (load<u8>(at) == 0x0a && n < 0x80 && value < end && load<u8>(value) == 0x12 && load<u8>(value + 1) < 0x80 && value + 2 + <usize>load<u8>(value + 1) == end) {
    keyAt = at + 2
    keyBytes = n
    return
  }
  keyAt = at
  keyBytes = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return
    const field = fieldNumber
    const type = wireType
    const valueAt = at
    at = skipValue(at, end, type)
    if (at == 0) return
    if (field == 1 && type == 2) {
      keyAt = readLength(valueAt, end)
      keyBytes = length
    }
  }
}

/** True when the KeyValue bears the stamp's name. */
export function isForged(at: usize, end: usize): bool {
  readKey(at, end)
  return keyBytes == stampNameBytes() && sameBytes(keyAt, stampName(), keyBytes)
}
