// The status of a Zipkin span, from its tags: `otel.status_code` and `error` in both versions (OpenTelemetry specification, "SDK
// exporters: Zipkin"), and in version 1 what older libraries of OpenCensus and HTTP said (opentelemetry-collector-contrib
// pkg/translator/zipkin v0.145.0, zipkinv1/status_code.go).

import { A_BOOL, A_INT, A_TEXT } from './attributes'
import * as name from './zipkin-names'
import { NO_ROLE } from './zipkin-names'
import { S_BYTES, S_TYPE, S_VALUE, isUsed, isV1, release, slotAsAttribute, slotOf, take } from './zipkin-slots'

/** As OTLP numbers it. */
export let statusCode: u32 = 0
/** The role whose value is the status' message; NO_ROLE: none. */
export let messageRole: i32 = NO_ROLE

/** Decides the status of the span at hand, whose tags with a role are taken out as far as it says what they do. */
export function findStatus(): void {
  statusCode = 0
  messageRole = NO_ROLE
  if (isV1) finishStatusV1()
  else finishStatus()
}

const NO_CODE: i64 = -1

function finishStatus(): void {
  if (isUsed(name.STATUS_CODE)) {
    const code = codeByName(slotOf(name.STATUS_CODE))
    if (code != NO_CODE) {
      statusCode = <u32>code
      release(name.STATUS_CODE)
      messageRole = take(name.STATUS_DESCRIPTION)
    }
  }
  if (isUsed(name.ERROR)) {
    statusCode = 2
    takeError()
  }
}

/** An error that says no more than that it is one is in the status; a text stays an attribute as well. */
function takeError(): void {
  const slot = slotOf(name.ERROR)
  const type = load<u32>(slot, S_TYPE)
  const value = load<u64>(slot, S_VALUE)
  if (type == A_BOOL ? value != 0 : type == A_TEXT && load<u32>(slot, S_BYTES) == 4 && load<u32>(<usize>value) == 0x65757274) release(name.ERROR)
}

/** UNSET, OK, ERROR as the specification has them, and the spellings of the Collector's exporter, old and new. */
function codeByName(slot: usize): i64 {
  if (load<u32>(slot, S_TYPE) != A_TEXT) return NO_CODE
  let at = <usize>load<u64>(slot, S_VALUE)
  let bytes = <usize>load<u32>(slot, S_BYTES)
  // "STATUS_C" "ODE_", then capitals.
  const isLong = bytes > 12 && load<u64>(at) == 0x435f535554415453 && load<u32>(at, 8) == 0x5f45444f
  if (isLong) {
    at += 12
    bytes -= 12
  }
  if (bytes == 2) {
    const text = load<u16>(at)
    return text == 0x4b4f || (!isLong && text == 0x6b4f) ? 1 : NO_CODE
  }
  if (bytes != 5 || (load<u8>(at) != 0x55 && load<u8>(at) != 0x45)) return NO_CODE
  const text = load<u32>(at, 1)
  const isSmall = !isLong && (text & 0x20202020) == 0x20202020
  if (!isSmall && (text & 0x20202020) != 0) return NO_CODE
  const capitals = text & 0xdfdfdfdf
  if (load<u8>(at) == 0x55) return capitals == 0x5445534e ? 0 : NO_CODE
  return capitals == 0x524f5252 ? 2 : NO_CODE
}

const NO_NUMBER: i64 = i64.MIN_VALUE

/** The whole number of 32 bits that a slot holds, as text or as such. */
function numberOf(role: i32): i64 {
  if (!isUsed(role)) return NO_NUMBER
  const slot = slotOf(role)
  const value = load<u64>(slot, S_VALUE)
  let number: i64 = 0
  if (load<u32>(slot, S_TYPE) == A_INT) number = <i64>value
  else {
    let at = <usize>value
    const end = at + <usize>load<u32>(slot, S_BYTES)
    const sign = at < end ? load<u8>(at) : 0
    if (sign == 0x2d || sign == 0x2b) at++
    if (at == end || end - at > 10) return NO_NUMBER
    for (; at < end; at++) {
      const digit = <i64>load<u8>(at) - 0x30
      if (digit < 0 || digit > 9) return NO_NUMBER
      number = number * 10 + digit
    }
    if (sign == 0x2d) number = -number
  }
  return number == <i64><i32>number ? number : NO_NUMBER
}

/**
 * In the order of the Collector: census, status, error, HTTP; a status by name, which the Collector does not read, comes before
 * HTTP. What is not chosen stays an attribute.
 */
function finishStatusV1(): void {
  const census = numberOf(name.CENSUS_CODE)
  const code = numberOf(name.STATUS_CODE)
  const named = isUsed(name.STATUS_CODE) ? codeByName(slotOf(name.STATUS_CODE)) : NO_CODE
  const http = numberOf(name.HTTP_CODE)
  // These two are attributes in any case, and are taken in only for their meaning.
  const httpCode = isUsed(name.HTTP_CODE)
  const httpMessage = isUsed(name.HTTP_MESSAGE)
  if (httpCode) slotAsAttribute(name.HTTP_CODE)
  if (httpMessage) slotAsAttribute(name.HTTP_MESSAGE)
  if (census != NO_NUMBER) {
    statusCode = census == 0 ? 1 : 2
    release(name.CENSUS_CODE)
    messageRole = takeCensusMessage()
  } else if (code >= 0 && code <= 2) {
    statusCode = <u32>code
    release(name.STATUS_CODE)
    messageRole = take(name.STATUS_DESCRIPTION)
  } else if (isUsed(name.ERROR)) {
    statusCode = 2
    messageRole = takeCensusMessage()
    if (messageRole == NO_ROLE) messageRole = take(name.STATUS_DESCRIPTION)
    if (named == 2) release(name.STATUS_CODE)
  } else if (named != NO_CODE) {
    statusCode = <u32>named
    release(name.STATUS_CODE)
    messageRole = take(name.STATUS_DESCRIPTION)
  } else if (http != NO_NUMBER) {
    statusCode = http >= 100 && http < 400 ? 0 : 2
    if (httpMessage) messageRole = name.HTTP_MESSAGE
  }
  if (isUsed(name.ERROR) && statusCode == 2) takeError()
}

function takeCensusMessage(): i32 {
  const role = take(name.CENSUS_DESCRIPTION)
  return role == NO_ROLE ? take(name.OPENCENSUS_DESCRIPTION) : role
}
