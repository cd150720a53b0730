/** OTLP requests as tests make them: one item for each id, over each transport, and what came back. */
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import { encodeOtlp, idAttribute, type OtlpSignal } from './otlp-items.ts'

export type Transport = 'grpc' | 'protobuf' | 'json'

/** Items of one resource, by their ids. */
export interface Group {
  readonly attributes: Readonly<Record<string, string>>
  readonly ids: readonly string[]
}

export interface OtlpReply {
  /** HTTP status, or 200 and the gRPC status in `grpcStatus`. */
  readonly status: number
  readonly grpcStatus: number
  readonly text: string
  /** Items that a partial success names. */
  readonly rejected: number
}

const collector = {
  traces: 'trace.v1.TraceService',
  metrics: 'metrics.v1.MetricsService',
  logs: 'logs.v1.LogsService',
} as const

export const grpcPath = (signal: OtlpSignal): string =>
  `/opentelemetry.proto.collector.${collector[signal]}/Export`

const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } })
const attributesOf = (attributes: Readonly<Record<string, string>>) =>
  Object.entries(attributes).map(([key, value]) => attribute(key, value))

/** An export request as a plain object with the names of OTLP's JSON. */
export function exportRequest(signal: OtlpSignal, ...groups: readonly Group[]): object {
  const resourceOf = ({ attributes }: Group) => ({ attributes: attributesOf(attributes) })
  const scope = { name: 'test' }
  const idOf = (id: string) => [attribute(idAttribute, id)]
  switch (signal) {
    case 'traces':
      return {
        resourceSpans: groups.map((group) => ({
          resource: resourceOf(group),
          scopeSpans: [{ scope, spans: group.ids.map((id) => ({ name: 'work', attributes: idOf(id) })) }],
        })),
      }
    case 'metrics': {
      const points = ({ ids }: Group) => ids.map((id) => ({ asDouble: 1, attributes: idOf(id) }))
      return {
        resourceMetrics: groups.map((group) => ({
          resource: resourceOf(group),
          scopeMetrics: [{ scope, metrics: [{ name: 'm', gauge: { dataPoints: points(group) } }] }],
        })),
      }
    }
    case 'logs':
      return {
        resourceLogs: groups.map((group) => ({
          resource: resourceOf(group),
          scopeLogs: [{ scope, logRecords: group.ids.map((id) => ({ attributes: idOf(id) })) }],
        })),
      }
  }
}

/** Sends a message over HTTP; `body` is JSON text or protobuf bytes as `type` says. */
export async function postOtlp(
  port: number,
  path: string,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<OtlpReply & { readonly headers: Headers; readonly bytes: Buffer }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body, headers })
  const bytes = Buffer.from(await response.arrayBuffer())
  const isJson = response.headers.get('content-type') === 'application/json'
  const { text, rejected } = isJson ? readJson(bytes) : readProtobuf(bytes, response.status)
  return { status: response.status, grpcStatus: 0, text, rejected, headers: response.headers, bytes }
}

function readJson(bytes: Buffer): { text: string; rejected: number } {
  const answer = JSON.parse(bytes.toString()) as {
    readonly message?: string
    readonly partialSuccess?: Readonly<Record<string, string>>
  }
  const partial = answer.partialSuccess ?? {}
  const [name = ''] = Object.keys(partial).filter((key) => key.startsWith('rejected'))
  return { text: answer.message ?? partial['errorMessage'] ?? '', rejected: Number(partial[name] ?? 0) }
}

/** google.rpc.Status and the responses share their first two fields' numbers; the partial success is nested. */
function readProtobuf(bytes: Buffer, status: number): { text: string; rejected: number } {
  const reader = protobuf.Reader.create(bytes)
  let end = bytes.length
  if (status === 200 && end > 0) {
    reader.uint32()
    end = reader.uint32() + reader.pos
  }
  let rejected = 0
  let text = ''
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag === 8) rejected = Number(reader.int64())
    else if (tag === 18) text = reader.string()
    else reader.skipType(tag & 7)
  }
  return { text, rejected: status === 200 ? rejected : 0 }
}

const clients = new Map<number, Client>()

export interface UnaryReply {
  /** gRPC's status code. */
  readonly code: number
  readonly details: string
  readonly response: Buffer
}

/** One call with the official client. Connections are kept by port until `closeGrpcClients`. */
export async function callUnary(
  port: number,
  path: string,
  message: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<UnaryReply> {
  let client = clients.get(port)
  if (client === undefined) {
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    clients.set(port, client)
  }
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const { promise, resolve } = Promise.withResolvers<UnaryReply>()
  const same = (bytes: Buffer): Buffer => bytes
  const ended = (error: ServiceError | null, response: Buffer = Buffer.alloc(0)): void =>
    resolve({ code: error?.code ?? 0, details: error?.details ?? '', response })
  client.makeUnaryRequest(path, same, same, message, metadata, ended)
  return await promise
}

/** One Export with the official client. */
export async function callOtlp(
  port: number,
  signal: OtlpSignal,
  message: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<OtlpReply> {
  const { code, details, response } = await callUnary(port, grpcPath(signal), message, headers)
  const partial = readProtobuf(response, 200)
  return { ...partial, status: 200, grpcStatus: code, text: code === 0 ? partial.text : details }
}

export function closeGrpcClients(): void {
  for (const client of clients.values()) client.close()
  clients.clear()
}

/** Sends one request over `transport`, to the port that takes it. */
export async function sendOtlp(
  port: number,
  transport: Transport,
  signal: OtlpSignal,
  message: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<OtlpReply> {
  if (transport === 'grpc') return await callOtlp(port, signal, encodeOtlp(signal, message), headers)
  const isJson = transport === 'json'
  const body = isJson ? Buffer.from(JSON.stringify(message)) : encodeOtlp(signal, message)
  const contentType = isJson ? 'application/json' : 'application/x-protobuf'
  return await postOtlp(port, `/v1/${signal}`, body, { 'content-type': contentType, ...headers })
}
