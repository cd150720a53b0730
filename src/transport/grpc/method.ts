/** What a receiver offers to gRPC senders, and what it sees of a call. No more of gRPC is known beyond this folder. */
import type { GuidepostError } from '../../errors.ts'
import type { Claim } from '../../route/shares.ts'
import type { Sender } from '../../stamp/guid-rules.ts'
import type { Body } from '../body.ts'
import type { GrpcStatusCode } from '../rpc-status.ts'

/** One call. `pathGuid` is always undefined: a method's path has no room for one. */
export interface GrpcCall extends Sender {
  /** On which the call and its message are charged. */
  readonly claim: Claim
  /** `/package.Service/Method` */
  readonly path: string
  /** Bytes of the message as they came, compressed or not, without the prefix. */
  readonly wireBytes: number
  /** `performance.now()` at which the client gives up (`grpc-timeout`), undefined without one. */
  readonly deadline: number | undefined
  /** Defined once the client cancelled, went away or gave up: what the call has ended with. An answer is thrown away. */
  readonly endedWith: GrpcStatusCode | undefined
  /** Answers a unary call, with a message or an error; only the first answer counts. Does not throw for what a client did. */
  answer(result: Buffer | GuidepostError): void
  /** The same when something broke: the operator is told what it was. An error of ours is answered as it is. */
  broke(error: unknown): void
}

/** A unary method. */
export interface GrpcMethod {
  readonly path: string
  /** Asked when the headers are in, before a byte of the message is kept. What it refuses, it counts itself. */
  admit(call: GrpcCall): GuidepostError | undefined
  /**
   * The whole message, inflated. Ownership of `message` passes to the method, which calls `release()`. It answers the call
   * now or later: no promise for each call, since there are many and each would leave several objects. Never throws for
   * what a sender did; what it throws is as told to `broke`.
   */
  handle(call: GrpcCall, message: Body): void
}

/** What a receiver has one listener serve. */
export interface GrpcServices {
  /** The receiver whose share the calls have. */
  readonly receiver: string
  /** Full names, for health and reflection. */
  readonly services: readonly string[]
  readonly methods: readonly GrpcMethod[]
  /** Paths that are known and not served, each with what its senders are told. */
  readonly unimplemented: ReadonlyMap<string, string>
}

/** A method of the small services (health, reflection) that may read and write several messages. */
export interface StreamMethod {
  readonly path: string
  open(answers: StreamAnswers): StreamReader
}

/** The answering side of a stream. */
export interface StreamAnswers {
  send(message: Buffer): void
  /** Ends with OK. */
  end(): void
  fail(error: GuidepostError, code: GrpcStatusCode): void
}

/** The asking side of a stream, told what comes. */
export interface StreamReader {
  /** One message; the bytes are the reader's. The next one is read when it is done. */
  message(message: Buffer): void | Promise<void>
  /** The client has no more to say. */
  ended(): void
  /** A look at the time, every `limits.grpcCheckMs`. */
  look(): void
}
