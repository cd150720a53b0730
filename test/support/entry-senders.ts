/**
 * A sender for each protocol that answers: one connection, one request after the other, of items that only have an id
 * and a guid.
 */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import type { OpenPort } from '../../src/listeners.ts'
import { encodeOtlp, type OtlpSignal } from './otlp-items.ts'
import { RawGrpc } from './otlp-raw-grpc.ts'
import { exportRequest, grpcPath } from './otlp-send.ts'
import type { Program } from './program.ts'
import { contentV1, contentV2, messageV1, messageV2, post, series, snappy } from './senders.ts'
import { postSpans, type SpanItem, zipkinJson, zipkinList } from './span-send.ts'
import { thriftBatch } from './span-thrift.ts'

/**
 * `acknowledged`: durable. `refused`: the sender is told to come again later. `cut`: the connection ended without an
 * answer.
 */
export type Answer = 'acknowledged' | 'refused' | 'cut'

export interface Link {
  /** Settles with the answer; rejects on one that a sender of good items must not get. */
  send(items: readonly SpanItem[]): Promise<Answer>
  close(): void
}

export interface Entry {
  readonly name: string
  readonly listener: OpenPort['key']
  /** Whether one request may hold items of several guids. */
  readonly isMixed: boolean
  connect(port: number): Promise<Link>
}

type BodyOf = (items: readonly SpanItem[]) => Buffer

const guidAttribute = 'k8s.namespace.name'
const unavailable = [8, 14]
const waits = [429, 503]

export const entries: readonly Entry[] = [
  http('remote-write-1', 'http', '/write', contentV1, (items) =>
    snappy(messageV1(...items.map(({ guid, id }) => series(guid, id)))),
  ),
  http('remote-write-2', 'http', '/api/v1/write', contentV2, (items) =>
    snappy(messageV2(...items.map(({ guid, id }) => series(guid, id)))),
  ),
  grpc('otlp-grpc-traces', 'otlpGrpc', grpcPath('traces'), (items) => otlp('traces', items)),
  grpc('otlp-grpc-metrics', 'otlpGrpc', grpcPath('metrics'), (items) => otlp('metrics', items)),
  http('otlp-http-logs', 'otlpHttp', '/v1/logs', protobuf(), (items) => otlp('logs', items)),
  grpc('jaeger-grpc', 'jaegerGrpc', '/jaeger.api_v2.CollectorService/PostSpans', postSpans),
  {
    ...http('jaeger-http', 'jaegerHttp', '/api/traces', { 'content-type': 'application/x-thrift' }, thrift),
    isMixed: false,
  },
  http('zipkin-json', 'zipkin', '/api/v2/spans', { 'content-type': 'application/json' }, zipkinJson),
  http('zipkin-proto', 'zipkin', '/api/v2/spans', protobuf(), zipkinList),
]

/** The port on which a program listens, from its log. */
export function listenerPort(program: Pick<Program, 'logs'>, listener: OpenPort['key']): number {
  const line = program.logs.find((entry) => entry.msg === 'listening' && entry['listener'] === listener)
  const port = line?.['port']
  if (typeof port !== 'number') throw new Error(`the program does not say on which port ${listener} listens`)
  return port
}

function protobuf(): Readonly<Record<string, string>> {
  return { 'content-type': 'application/x-protobuf' }
}

function otlp(signal: OtlpSignal, items: readonly SpanItem[]): Buffer {
  const groups = Map.groupBy(items, ({ guid }) => guid)
  const resources = [...groups].map(([guid, own]) => ({
    attributes: { [guidAttribute]: guid },
    ids: own.map(({ id }) => id),
  }))
  return encodeOtlp(signal, exportRequest(signal, ...resources))
}

function thrift(items: readonly SpanItem[]): Buffer {
  const process = { serviceName: 'cart', tags: { [guidAttribute]: items[0]?.guid ?? '' } }
  const spans = items.map(({ id }) => ({ operationName: 'work', tags: { 'test.id': id } }))
  return thriftBatch('binary', process, spans)
}

function http(
  name: string,
  listener: OpenPort['key'],
  path: string,
  headers: Readonly<Record<string, string>>,
  bodyOf: BodyOf,
): Entry {
  const connect = (port: number): Promise<Link> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const send = async (items: readonly SpanItem[]): Promise<Answer> => {
      const reply = await post(port, bodyOf(items), { agent, path, headers }).catch(() => undefined)
      if (reply === undefined) return 'cut'
      if (waits.includes(reply.status)) return 'refused'
      assert.ok(reply.status >= 200 && reply.status < 300, `${name}: ${reply.status} ${reply.text}`)
      return 'acknowledged'
    }
    return Promise.resolve({ send, close: () => agent.destroy() })
  }
  return { name, listener, isMixed: true, connect }
}

function grpc(name: string, listener: OpenPort['key'], path: string, bodyOf: BodyOf): Entry {
  const connect = async (port: number): Promise<Link> => {
    const raw = await RawGrpc.connect(port)
    const send = async (items: readonly SpanItem[]): Promise<Answer> => {
      if (raw.session.destroyed || raw.session.closed) return 'cut'
      const { grpcStatus, message } = await raw.call(path, bodyOf(items))
      if (grpcStatus === -1) return 'cut'
      if (unavailable.includes(grpcStatus)) return 'refused'
      assert.equal(grpcStatus, 0, `${name}: ${message}`)
      return 'acknowledged'
    }
    return { send, close: () => raw.session.destroy() }
  }
  return { name, listener, isMixed: true, connect }
}
