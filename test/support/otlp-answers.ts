/** What OTLP's answers say, read by protobufjs from proto/google/rpc and proto/opentelemetry; nothing is shared with `src/`. */
import assert from 'node:assert/strict'
import { type OtlpSignal, otlpFile, otlpMessage, otlpSignals, protoRoot } from './proto.ts'

const root = protoRoot([
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
  ...otlpSignals.map(otlpFile),
]).resolveAll()
const statusType = root.lookupType('google.rpc.Status')
const retryInfoType = root.lookupType('google.rpc.RetryInfo')

/** A google.rpc.Status. */
export interface ReadStatus {
  readonly code: number
  readonly text: string
  /** Of its RetryInfo; undefined without one. */
  readonly retrySeconds: number | undefined
}

export function readStatus(bytes: Uint8Array): ReadStatus {
  const status = statusType.toObject(statusType.decode(bytes)) as {
    code?: number
    message?: string
    details?: { type_url: string; value: Uint8Array }[]
  }
  assert.ok(
    statusType.encode(statusType.decode(bytes)).finish().length === bytes.length,
    'nothing but a Status',
  )
  const details = status.details ?? []
  const seconds = details.map((detail) => {
    assert.equal(detail.type_url, 'type.googleapis.com/google.rpc.RetryInfo')
    const info = retryInfoType.toObject(retryInfoType.decode(detail.value), { longs: Number })
    return (info as { retryDelay: { seconds: number } }).retryDelay.seconds
  })
  return { code: status.code ?? 0, text: status.message ?? '', retrySeconds: seconds[0] }
}

/** The same of its JSON (ProtoJSON: a Duration is a text that ends in `s`). */
export function readStatusJson(text: string): ReadStatus {
  const { code, message, details, ...rest } = JSON.parse(text) as {
    code: number
    message: string
    details?: { '@type': string; retryDelay: string }[]
  }
  assert.deepEqual(rest, {}, 'nothing but a Status')
  const [detail] = details ?? []
  if (detail !== undefined) {
    assert.equal(detail['@type'], 'type.googleapis.com/google.rpc.RetryInfo')
    assert.match(detail.retryDelay, /^\d+s$/)
  }
  const retrySeconds = detail === undefined ? undefined : Number.parseInt(detail.retryDelay, 10)
  return { code, text: message, retrySeconds }
}

/** What an Export*ServiceResponse says. */
export interface ReadResponse {
  readonly rejected: number
  readonly text: string
}

const rejectedNames = {
  traces: 'rejectedSpans',
  metrics: 'rejectedDataPoints',
  logs: 'rejectedLogRecords',
} as const

export function readResponse(signal: OtlpSignal, bytes: Uint8Array): ReadResponse {
  const type = root.lookupType(otlpMessage(signal, 'Response'))
  return partialOf(signal, type.toObject(type.decode(bytes), { longs: String }))
}

export function readResponseJson(signal: OtlpSignal, text: string): ReadResponse {
  const response = JSON.parse(text) as Record<string, unknown>
  // The names and types are those of the message, or fromObject would leave something out.
  const type = root.lookupType(otlpMessage(signal, 'Response'))
  assert.deepEqual(type.toObject(type.fromObject(response), { longs: String }), response)
  return partialOf(signal, response)
}

function partialOf(signal: OtlpSignal, response: Record<string, unknown>): ReadResponse {
  const partial = (response['partialSuccess'] ?? {}) as Record<string, string>
  return { rejected: Number(partial[rejectedNames[signal]] ?? 0), text: partial['errorMessage'] ?? '' }
}
