/** What OTLP's answers say, read by protobufjs from proto/google/rpc and proto/opentelemetry; nothing is shared with `src/`. */
import assert from 'node:assert/strict'
import path from 'node:path'
import protobuf from 'protobufjs'
import type { OtlpSignal } from './otlp-items.ts'

const root = new protobuf.Root()
root.resolvePath = (_origin, target) =>
  target.startsWith('google/protobuf') ? target : path.join(import.meta.dirname, '../../proto', target)
root.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto'])
const folders = {
  traces: ['trace', 'Trace'],
  metrics: ['metrics', 'Metrics'],
  logs: ['logs', 'Logs'],
} as const
for (const [folder] of Object.values(folders)) {
  root.loadSync(`opentelemetry/proto/collector/${folder}/v1/${folder}_service.proto`)
}
root.resolveAll()
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

function responseType(signal: OtlpSignal): protobuf.Type {
  const [folder, service] = folders[signal]
  return root.lookupType(`opentelemetry.proto.collector.${folder}.v1.Export${service}ServiceResponse`)
}

export function readResponse(signal: OtlpSignal, bytes: Uint8Array): ReadResponse {
  const type = responseType(signal)
  return partialOf(signal, type.toObject(type.decode(bytes), { longs: String }))
}

export function readResponseJson(signal: OtlpSignal, text: string): ReadResponse {
  const response = JSON.parse(text) as Record<string, unknown>
  // The names and types are those of the message, or fromObject would leave something out.
  const type = responseType(signal)
  assert.deepEqual(type.toObject(type.fromObject(response), { longs: String }), response)
  return partialOf(signal, response)
}

function partialOf(signal: OtlpSignal, response: Record<string, unknown>): ReadResponse {
  const partial = (response['partialSuccess'] ?? {}) as Record<string, string>
  return { rejected: Number(partial[rejectedNames[signal]] ?? 0), text: partial['errorMessage'] ?? '' }
}
