/**
 * One stream: who sent it, how it is answered, and how it ends. What is read from it is the subclasses'.
 *
 * Source: grpc/grpc, doc/PROTOCOL-HTTP2.md. An answer is HEADERS, DATA and trailers, or trailers alone.
 */
import { type GuidepostError, permanent, reasonOf } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { Claim, Link } from '../../route/shares.ts'
import { encodeHeaders } from '../http2/hpack.ts'
import type { Http2Stream, RequestReader } from '../http2/stream.ts'
import type { Coding } from '../inflate.ts'
import { GrpcStatus, type GrpcStatusCode, statusOf } from '../rpc-status.ts'
import { acceptedEncodings } from './call-start.ts'
import type { GrpcCall } from './method.ts'
import { errorTrailers } from './trailers.ts'

/** What the calls of one listener share. */
export interface CallHost {
  readonly guid: string | undefined
  messageBytes: number
  requestMs: number
  /** Calls that are not at their end. */
  readonly calls: Set<Exchange>
  /** A call was refused before any method saw it. */
  refused(reason: string, error?: GuidepostError, peer?: string): void
  failed(error: unknown): void
  /** A call is at its end. */
  ended(): void
}

export interface Connection {
  readonly number: number
  readonly peer: string
  readonly link: Link
  /** Open streams of the small services. */
  services: number
}

/** What is known when the headers are in. */
export interface CallStart {
  readonly stream: Http2Stream
  readonly connection: Connection
  readonly path: string
  /** `grpc-encoding`, undefined for `identity` or none. */
  readonly coding: Coding | undefined
  /** Milliseconds of `grpc-timeout`. */
  readonly timeoutMs: number | undefined
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[]
  /** On which the call and its message are charged. */
  readonly claim: Claim
  /** Bytes that were taken for the call itself; given back at its end. */
  readonly chargedBytes: number
}

const none: readonly string[] = []

const responseHeaders = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['grpc-accept-encoding', acceptedEncodings],
].flat()
const responseBlock = encodeHeaders(responseHeaders)
const okTrailers = encodeHeaders(['grpc-status', '0'])

export abstract class Exchange implements Omit<GrpcCall, 'answer' | 'broke'>, RequestReader {
  readonly path: string
  readonly listenerGuid: string | undefined
  readonly pathGuid = undefined
  readonly deadline: number | undefined
  wireBytes = 0
  endedWith: GrpcStatusCode | undefined = undefined
  protected readonly host: CallHost
  protected readonly stream: Http2Stream
  protected readonly start: CallStart
  protected readonly startedMs = performance.now()
  protected isAnswered = false

  constructor(host: CallHost, start: CallStart) {
    this.host = host
    this.start = start
    this.stream = start.stream
    this.path = start.path
    this.listenerGuid = host.guid
    this.deadline = start.timeoutMs === undefined ? undefined : this.startedMs + start.timeoutMs
    host.calls.add(this)
    start.stream.reader = this
  }

  get peer(): string {
    return this.start.connection.peer
  }

  get claim(): Claim {
    return this.start.claim
  }

  get connection(): number {
    return this.start.connection.number
  }

  header(name: string): readonly string[] {
    const { rawHeaders } = this.start
    let values = none
    for (let i = 0; i < rawHeaders.length; i += 2)
      if (rawHeaders[i] === name) values = [...values, rawHeaders[i + 1]!.trim()]
    return values
  }

  /** A look at the time, every `limits.grpcCheckMs`. */
  abstract look(nowMs: number): void

  /** The listener is stopping. */
  abstract drain(): void

  abstract data(chunk: Buffer, from: number, to: number): void

  abstract ended(): void

  drained(): void {}

  closed(): void {
    if (!this.isAnswered) this.endedWith = this.#reasonOfCancel()
    this.host.calls.delete(this)
    this.start.claim.give(this.start.chargedBytes)
    this.release()
    this.host.ended()
  }

  /** The stream is gone; what was kept for it must go too. */
  protected abstract release(): void

  protected get canAnswer(): boolean {
    return !this.isAnswered && !this.stream.isClosed
  }

  /** Headers of an answer with messages. */
  protected respond(): void {
    this.stream.respond(responseBlock)
  }

  /** Ends the answer. Trailers say OK. */
  protected finish(): void {
    this.isAnswered = true
    this.stream.end(okTrailers)
    this.stream.stopReading()
  }

  /** A whole answer of one message behind its prefix. */
  protected respondWhole(frame: Buffer): void {
    this.isAnswered = true
    this.stream.respondWhole(responseBlock, frame, okTrailers)
    this.stream.stopReading()
  }

  /** Ends the call with an error; nothing happens when it has been answered. */
  fail(error: GuidepostError, code: GrpcStatusCode = statusOf(error)): void {
    if (!this.canAnswer) return
    this.isAnswered = true
    if (!this.stream.headersSent) {
      endWithError(this.stream, error, code)
      return
    }
    this.stream.end(encodeHeaders(errorTrailers(error, code)))
    this.stream.stopReading()
  }

  /** A client that keeps its deadline itself cancels at about that time, by its own clock. */
  #reasonOfCancel(): GrpcStatusCode {
    const isLate = this.deadline !== undefined && performance.now() > this.deadline - limits.grpcCheckMs
    return isLate ? GrpcStatus.DEADLINE_EXCEEDED : GrpcStatus.CANCELLED
  }

  /** As `fail`, and the refusal is counted, since no method knows of it. */
  protected refuse(error: GuidepostError, code?: GrpcStatusCode): void {
    if (!this.canAnswer) return
    this.host.refused(reasonOf(error), error, this.peer)
    this.fail(error, code)
  }

  protected breakDown(error: unknown): void {
    this.host.failed(error)
    this.fail(permanent('GP_INTERNAL', 'the gateway failed; see its log'))
  }
}

/** Answers with trailers alone, and lets go of what the client may still have to say. */
export function endWithError(
  stream: Http2Stream,
  error: GuidepostError,
  code: GrpcStatusCode = statusOf(error),
): void {
  stream.respondOnly(encodeHeaders([...responseHeaders, ...errorTrailers(error, code)]))
  stream.stopReading()
}
