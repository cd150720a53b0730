/** One unary call: reads one message, inflates it, hands it over, and answers. */
import { GuidepostError, permanent, retryable } from '../../errors.ts'
import type { Body } from '../body.ts'
import { Http2Code } from '../http2/frames.ts'
import { inflate } from '../inflate.ts'
import { GrpcStatus } from '../rpc-status.ts'
import { type CallHost, type CallStart, Exchange } from './exchange.ts'
import { framed, MessageReader } from './frames.ts'
import type { GrpcCall, GrpcMethod } from './method.ts'

export class UnaryCall extends Exchange implements GrpcCall {
  readonly #method: GrpcMethod
  /** Undefined once the message was handed over or thrown away. */
  #reader: MessageReader | undefined
  #isHandled = false
  #answeredMs = 0

  constructor(host: CallHost, start: CallStart, method: GrpcMethod) {
    super(host, start)
    this.#method = method
  }

  /** Asks the method, and begins to read. */
  open(): void {
    const refusal = this.#admit()
    if (refusal !== undefined) {
      this.fail(refusal)
      return
    }
    if (this.isAnswered) return
    const rules = { bytesMax: this.host.messageBytes, mayBeCompressed: this.start.coding !== undefined }
    this.#reader = new MessageReader(rules, this.claim, (error) => this.#refuse(error))
  }

  look(nowMs: number): void {
    // Mostly the end comes together with the message; until then, a few bytes may hold what a socket was read in.
    this.#reader?.body.compact()
    if (this.deadline !== undefined && nowMs >= this.deadline && !this.isAnswered) this.#giveUp()
    if (nowMs < Math.max(this.startedMs, this.#answeredMs) + this.host.requestMs) return
    if (this.isAnswered) {
      // A client that does not take its answer would hold the stream for ever.
      this.stream.reset(Http2Code.CANCEL)
    } else if (!this.#isHandled) {
      // Not DEADLINE_EXCEEDED, which a client reads as its own deadline. Both are repeated.
      const error = `the message was not there after ${this.host.requestMs} ms (limits.requestMs); try again`
      this.#refuse(retryable('GP_BODY_INCOMPLETE', error))
    }
  }

  drain(): void {}

  protected release(): void {
    this.#drop()
  }

  /**
   * The client gives up by itself; this tells those that do not. The data may be on the way to the bus already, and the
   * sender repeats it (DEADLINE_EXCEEDED is repeated): it may be stored twice, it is not lost.
   */
  #giveUp(): void {
    const error = this.#isHandled
      ? retryable('GP_BUS_DEADLINE', "the call's own deadline passed before the bus confirmed; try again")
      : retryable(
          'GP_BODY_INCOMPLETE',
          "the call's own deadline passed before its message was there; try again",
        )
    this.#drop()
    this.endedWith = GrpcStatus.DEADLINE_EXCEEDED
    this.#answeredMs = performance.now()
    if (this.#isHandled) this.fail(error, GrpcStatus.DEADLINE_EXCEEDED)
    else this.refuse(error, GrpcStatus.DEADLINE_EXCEEDED)
  }

  data(chunk: Buffer, from: number, to: number): void {
    const reader = this.#reader
    if (reader === undefined) return
    if (reader.isComplete) {
      this.#refuseMany()
      return
    }
    const end = reader.read(chunk, from, to)
    if (end instanceof GuidepostError) this.#refuse(end)
    else if (end < to) this.#refuseMany()
  }

  ended(): void {
    const reader = this.#reader
    if (reader === undefined) return
    if (reader.isEmpty) {
      this.#refuseCount('the call ended without a message; a unary call has one')
      return
    }
    if (!reader.isComplete) {
      const text = `the call ended after ${reader.body.bytes} bytes of a message of ${reader.length}`
      this.#refuse(permanent('GP_BODY_MALFORMED', text))
      return
    }
    this.#reader = undefined
    this.#isHandled = true
    this.wireBytes = reader.length
    if (!reader.isCompressed) {
      this.#handle(reader.body)
      return
    }
    const bounds = { bytesMax: this.host.messageBytes, key: 'limits.messageBytes', budget: this.claim }
    const inflated = inflate(this.start.coding!, reader.body, bounds)
    if (inflated instanceof Promise) {
      inflated.then(
        (message) => this.#inflated(reader.body, message),
        (error: unknown) => this.breakDown(error),
      )
    } else this.#inflated(reader.body, inflated)
  }

  #inflated(compressed: Body, message: Body | GuidepostError): void {
    compressed.release()
    if (message instanceof GuidepostError) this.#refuse(message)
    else if (this.canAnswer) this.#handle(message)
    else message.release()
  }

  #admit(): GuidepostError | undefined {
    try {
      return this.#method.admit(this)
    } catch (error) {
      this.breakDown(error)
      return undefined
    }
  }

  #handle(message: Body): void {
    try {
      this.#method.handle(this, message)
    } catch (error) {
      this.broke(error)
    }
  }

  broke(error: unknown): void {
    if (error instanceof GuidepostError) this.answer(error)
    else this.breakDown(error)
  }

  answer(result: Buffer | GuidepostError): void {
    if (!this.canAnswer) return
    this.#answeredMs = performance.now()
    if (result instanceof GuidepostError) this.fail(result)
    else this.respondWhole(framed(result))
  }

  #refuseMany(): void {
    this.#refuseCount('the call has more than one message; a unary call has one')
  }

  /** statuscodes.md: a number of messages that the method does not have is UNIMPLEMENTED. */
  #refuseCount(text: string): void {
    this.#refuse(permanent('GP_BODY_MALFORMED', text), GrpcStatus.UNIMPLEMENTED)
  }

  #refuse(error: GuidepostError, code?: (typeof GrpcStatus)['UNIMPLEMENTED']): void {
    this.#drop()
    this.#answeredMs = performance.now()
    this.refuse(error, code)
  }

  #drop(): void {
    this.#reader?.body.release()
    this.#reader = undefined
  }
}
