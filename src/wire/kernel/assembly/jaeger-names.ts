// Names of Jaeger tags that become more than an attribute, and the names of attributes that the translation makes itself.
// Sources: OpenTelemetry specification "OpenTelemetry to Jaeger Transformation"; opentelemetry-collector-contrib
// pkg/translator/jaeger v0.145.0; jaegertracing/jaeger internal/jptrace for `@jaeger@warnings`.

import { sameBytes } from './memory'

const texts = memory.data(512)
let textsEnd: usize = texts

/** Puts a text of ASCII where it stays; its address. */
function keep(text: string): usize {
  const at = textsEnd
  for (let i = 0; i < text.length; i++) store<u8>(textsEnd++, text.charCodeAt(i))
  return at
}

// Names of a span's tags; the numbers are places in a table by role.
export const ERROR: i32 = 0
export const SPAN_KIND: i32 = 1
export const TRACE_STATE: i32 = 2
export const SCOPE_NAME: i32 = 3
export const STATUS_CODE: i32 = 4
export const HTTP_CODE: i32 = 5
export const SCOPE_VERSION: i32 = 6
export const HTTP_MESSAGE: i32 = 7
export const STATUS_DESCRIPTION: i32 = 8
/** Of all other names. */
export const NO_ROLE: i32 = -1
/** Bit n is set when one of the names has n bytes. */
const LENGTHS: u32 = 1 << 5 | 1 << 9 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 19 | 1 << 23

const error = keep('error')
const spanKind = keep('span.kind')
const traceState = keep('w3c.tracestate')
const scopeName = keep('otel.scope.name')
const statusCode = keep('otel.status_code')
const httpCode = keep('http.status_code')
const scopeVersion = keep('otel.scope.version')
const httpMessage = keep('http.status_message')
const statusDescription = keep('otel.status_description')

/** What a span's tag means. */
@inline
export function roleOf(at: usize, bytes: usize): i32 {
  return bytes < 24 && (LENGTHS >> <u32>bytes & 1) != 0 ? roleOfLength(at, <u32>bytes) : NO_ROLE
}

function roleOfLength(at: usize, bytes: u32): i32 {
  switch (bytes) {
    case 5:
      return is(at, error, 5) ? ERROR : NO_ROLE
    case 9:
      return is(at, spanKind, 9) ? SPAN_KIND : NO_ROLE
    case 14:
      return is(at, traceState, 14) ? TRACE_STATE : NO_ROLE
    case 15:
      return is(at, scopeName, 15) ? SCOPE_NAME : NO_ROLE
    case 16:
      return is(at, statusCode, 16) ? STATUS_CODE : is(at, httpCode, 16) ? HTTP_CODE : NO_ROLE
    case 18:
      return is(at, scopeVersion, 18) ? SCOPE_VERSION : NO_ROLE
    case 19:
      return is(at, httpMessage, 19) ? HTTP_MESSAGE : NO_ROLE
    default:
      return is(at, statusDescription, 23) ? STATUS_DESCRIPTION : NO_ROLE
  }
}

@inline
function is(at: usize, text: usize, bytes: usize): bool {
  return load<u32>(at) == load<u32>(text) && sameBytes(at, text, bytes)
}

const eventKey = keep('event')

@inline
export function isEventKey(at: usize, bytes: usize): bool {
  return bytes == 5 && is(at, eventKey, 5)
}

// Values of `span.kind`, as SpanKind of OTLP.
const internal = keep('internal')
const server = keep('server')
const client = keep('client')
const producer = keep('producer')
const consumer = keep('consumer')
export const KIND_SERVER: u32 = 2
export const KIND_CLIENT: u32 = 3

/** The number of a kind; 0 when it is none. */
export function kindOf(at: usize, bytes: usize): u32 {
  if (bytes == 6) return is(at, server, 6) ? KIND_SERVER : is(at, client, 6) ? KIND_CLIENT : 0
  if (bytes != 8) return 0
  return is(at, internal, 8) ? 1 : is(at, producer, 8) ? 4 : is(at, consumer, 8) ? 5 : 0
}

/** Status of OTLP by `otel.status_code`, in letters of either case: 1 ok, 2 error, 0 for any other text. */
export function statusOf(at: usize, bytes: usize): u32 {
  const word = load<u32>(at) & 0xdfdfdfdf
  // "OK", "ERRO" "R"
  if (bytes == 2) return (word & 0xffff) == 0x4b4f ? 1 : 0
  return bytes == 5 && word == 0x4f525245 && (load<u8>(at, 4) & 0xdf) == 0x52 ? 2 : 0
}

// Names of a process's tags.
export const serviceName = keep('service.name')
export const SERVICE_NAME_BYTES: usize = 12
const hostname = keep('hostname')
export const hostName = keep('host.name')
export const HOST_NAME_BYTES: usize = 9
const jaegerVersion = keep('jaeger.version')
export const exporterVersion = keep('opencensus.exporterversion')
export const EXPORTER_VERSION_BYTES: usize = 26
/** What stands before the version there. */
export const jaegerPrefix = keep('Jaeger-')
export const JAEGER_PREFIX_BYTES: usize = 7
/** The service name that the Collector gives when it has none. */
const noService = keep('OTLPResourceNoServiceName')

export const HOSTNAME: i32 = 0
export const HOST_NAME: i32 = 1
export const JAEGER_VERSION: i32 = 2
export const EXPORTER_VERSION: i32 = 3

/** What a process's tag means. */
export function processRoleOf(at: usize, bytes: usize): i32 {
  switch (<u32>bytes) {
    case 8:
      return is(at, hostname, 8) ? HOSTNAME : NO_ROLE
    case 9:
      return is(at, hostName, 9) ? HOST_NAME : NO_ROLE
    case 14:
      return is(at, jaegerVersion, 14) ? JAEGER_VERSION : NO_ROLE
    case 26:
      return is(at, exporterVersion, 26) ? EXPORTER_VERSION : NO_ROLE
    default:
      return NO_ROLE
  }
}

export function isNoService(at: usize, bytes: usize): bool {
  return bytes == 0 || (bytes == 25 && is(at, noService, 25))
}

// Attributes that the translation makes.
export const refType = keep('opentracing.ref_type')
export const REF_TYPE_BYTES: usize = 20
export const childOf = keep('child_of')
export const CHILD_OF_BYTES: usize = 8
export const followsFrom = keep('follows_from')
export const FOLLOWS_FROM_BYTES: usize = 12
export const flagsKey = keep('jaeger.flags')
export const FLAGS_BYTES: usize = 12
export const warningsKey = keep('@jaeger@warnings')
export const WARNINGS_BYTES: usize = 16
export const processIdKey = keep('jaeger.process_id')
export const PROCESS_ID_BYTES: usize = 17
export const startKey = keep('jaeger.start_time')
export const START_BYTES: usize = 17
export const durationKey = keep('jaeger.duration')
export const DURATION_BYTES: usize = 15
export const timestampKey = keep('jaeger.timestamp')
export const TIMESTAMP_BYTES: usize = 16
