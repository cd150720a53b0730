/** What the bench and its load generator say to each other. */
import type { TimeWindow } from '../support/case.ts'
import type { CpuSeconds } from '../support/process-usage.ts'

/** Whole HTTP/1 requests, head and body, sent in turn; the answer is 204. One is under way on a connection. */
export interface ReadyRequests {
  readonly kind: 'ready'
  readonly requests: readonly Uint8Array[]
  readonly connections: number
  /** So many guids in turn, a request each, written over the one of `guidText` that each request holds. */
  readonly guids?: number
}

/** What is special about spans in OTLP. */
export interface SpanShape {
  /** Resources of a request, with as many spans each as the others; unless said, one for each thousand spans. */
  readonly resources?: number
  /** So many guids in turn, a resource each, over all requests; unless said, all spans have the same guid. */
  readonly guids?: number
  /** Of a span, as near as its text allows; unless said, ten attributes make it 350. */
  readonly spanBytes?: number
}

/** How spans are sent: OTLP as `grpc` or `http`, Jaeger as `jaeger-grpc` or, over HTTP, as `jaeger-thrift`. */
export type SpanProtocol = 'grpc' | 'http' | 'jaeger-grpc' | 'jaeger-thrift'

/** How bodies and messages are compressed. */
export type SpanEncoding = 'identity' | 'gzip' | 'zstd'

/** Requests of spans, which the load generator makes itself. */
export interface SpanRequests {
  readonly kind: 'spans'
  readonly protocol: SpanProtocol
  readonly encoding: SpanEncoding
  /** In one request. */
  readonly spans: number
  /** Requests under way; over HTTP/1 each has a connection of its own. */
  readonly inFlight: number
  /** Connections that calls share over gRPC. */
  readonly connections: number
  /** Of OTLP alone, without compression. */
  readonly shape?: SpanShape
}

export interface LoadSettings {
  readonly port: number
  readonly sends: ReadyRequests | SpanRequests
  /** Requests a second over all connections; undefined: a request follows as soon as one was answered. */
  readonly ratePerSecond: number | undefined
  /** The program under load, whose CPU time is read at both ends of a window. */
  readonly pid: number
  /** Its other processes, which are counted as well. */
  readonly morePids?: readonly number[]
}

/** What happened between `begin` and `end`. */
export interface LoadWindow extends TimeWindow {
  readonly seconds: number
  /** Of the program. */
  readonly cpu: CpuSeconds
  /** User and system seconds of the program's first thread. */
  readonly mainThreadSeconds: number
  /** CPU seconds of the load generator itself. */
  readonly loadCpuSeconds: number
  /** Requests answered with success. */
  readonly acknowledged: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** How late a request with a due time was sent, while a connection was free for it: the load's own fault. */
  readonly lateP99Ms: number
}

export type LoadCommand =
  | { readonly type: 'start'; readonly settings: LoadSettings }
  | { readonly type: 'begin' | 'end' | 'progress' | 'stop' }

export type LoadReport =
  | { readonly type: 'ready' }
  | { readonly type: 'begun' }
  /** Requests acknowledged since the start. */
  | { readonly type: 'progress'; readonly acknowledged: number }
  | { readonly type: 'window'; readonly window: LoadWindow }
  /** After the last answer: how many requests were sent, and all of them answered with success. */
  | { readonly type: 'stopped'; readonly acknowledged: number }
  /** An answer that is no success, or a connection that broke. The load is over. */
  | { readonly type: 'failed'; readonly text: string }
