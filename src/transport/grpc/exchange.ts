/**
 * One stream: who sent it, how it is answered, and how it ends. What is read from it is the subclasses'.
 *
 * Source: grpc/grpc, doc/PROTOCOL-HTTP2.md. An answer is HEADERS, DATA and trailers, or trailers alone.
 */
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { type GuidepostError, permanent, reasonOf } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { Claim, Link } from '../../route/shares.ts'
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
  readonly socket: Socket
  readonly link: Link
  /** Calls that are not at their end. */
  calls: number
  /** A call of it was taken. */
  hasServed: boolean
  /** Open streams of the small services. */
  services: number
}

/** What is known when the headers are in. */
export interface CallStart {
  readonly stream: ServerHttp2Stream
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

const responseHeaders = {
  ':status': constants.HTTP_STATUS_OK,
  'content-type': 'application/grpc',
  'grpc-accept-encoding': acceptedEncodings,
}
const withTrailers = { waitForTrailers: true, sendDate: false }
const withoutBody = { endStream: true, sendDate: false }
const okTrailers = { 'grpc-status': '0' }

export abstract class Exchange implements GrpcCall {
  readonly path: string
  readonly listenerGuid: string | undefined
  readonly pathGuid = undefined
  readonly deadline: number | undefined
  wireBytes = 0
  endedWith: GrpcStatusCode | undefined = undefined
  protected readonly host: CallHost
  protected readonly stream: ServerHttp2Stream
  protected readonly start: CallStart
  protected readonly startedMs = performance.now()
  protected isAnswered = false
  #trailers: Record<string, string> = okTrailers

  constructor(host: CallHost, start: CallStart) {
    this.host = host
    this.start = start
    this.stream = start.stream
    this.path = start.path
    this.listenerGuid = host.guid
    this.deadline = start.timeoutMs === undefined ? undefined : this.startedMs + start.timeoutMs
    host.calls.add(this)
    start.connection.calls++
    start.connection.hasServed = true
    this.stream.on('close', () => {
      if (!this.isAnswered) this.endedWith = this.#reasonOfCancel()
      start.connection.calls--
      host.calls.delete(this)
      start.claim.give(start.chargedBytes)
      this.closed()
      host.ended()
    })
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
    const values: string[] = []
    for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i] === name) values.push(rawHeaders[i + 1]!)
    return values
  }

  /** A look at the time, every `limits.grpcCheckMs`. */
  abstract look(nowMs: number): void

  /** The listener is stopping. */
  abstract drain(): void

  /** The stream is gone; what was kept for it must go too. */
  protected abstract closed(): void

  protected get canAnswer(): boolean {
    return !this.isAnswered && !this.stream.destroyed && !this.stream.closed
  }

  /** Headers of an answer with messages. */
  protected respond(): void {
    this.stream.respond(responseHeaders, withTrailers)
    this.stream.on('wantTrailers', () => this.stream.sendTrailers(this.#trailers))
  }

  /** Ends the answer, with a last frame or without. Trailers say OK. */
  protected finish(frame?: Buffer): void {
    this.isAnswered = true
    if (frame === undefined) this.stream.end()
    else this.stream.end(frame)
  }

  /** Ends the call with an error; nothing happens when it has been answered. */
  fail(error: GuidepostError, code: GrpcStatusCode = statusOf(error)): void {
    if (!this.canAnswer) return
    this.isAnswered = true
    if (!this.stream.headersSent) {
      endWithError(this.stream, error, code)
      return
    }
    this.#trailers = errorTrailers(error, code)
    this.stream.end()
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
  stream: ServerHttp2Stream,
  error: GuidepostError,
  code: GrpcStatusCode = statusOf(error),
): void {
  stream.respond({ ...responseHeaders, ...errorTrailers(error, code) }, withoutBody)
  stopReading(stream)
}

/**
 * Lets go of a stream whose answer is complete while its request is not: RST_STREAM with NO_ERROR, behind the answer, asks
 * the client to send no more (RFC 9113, 8.1). What is on its way already is counted for flow control and forgotten.
 */
export function stopReading(stream: ServerHttp2Stream): void {
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR)
}
