/**
 * A call of several messages, for the small services: health and reflection. Messages are short, uncompressed or
 * compressed, and no more is read while answers wait to be taken.
 */
import { GuidepostError, permanent, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { Http2Code } from '../http2/frames.ts'
import { type InflateBounds, inflate } from '../inflate.ts'
import { type CallHost, type CallStart, Exchange } from './exchange.ts'
import { framed, MessageReader } from './frames.ts'
import type { StreamAnswers, StreamMethod, StreamReader } from './method.ts'

export class StreamingCall extends Exchange implements StreamAnswers {
  #handler: StreamReader | undefined
  #reader: MessageReader
  /** What came while a message was dealt with, or while answers wait to be taken. */
  #waiting = Buffer.alloc(0)
  #isBusy = false
  #hasEnded = false

  constructor(host: CallHost, start: CallStart) {
    super(host, start)
    this.#reader = this.#newReader()
  }

  open(method: StreamMethod): void {
    const { connection } = this.start
    if (++connection.services > limits.grpcServiceStreamsMax) {
      const text = `${limits.grpcServiceStreamsMax} health and reflection streams are open on this connection`
      this.refuse(retryable('GP_OVERLOADED', text))
      return
    }
    this.#handler = method.open(this)
  }

  data(chunk: Buffer, from: number, to: number): void {
    // Never paused: what a paused stream keeps is on nobody's account, up to its window.
    this.#take(chunk.subarray(from, to))
  }

  override drained(): void {
    void this.#readOn()
  }

  ended(): void {
    this.#hasEnded = true
    void this.#readOn()
  }

  look(nowMs: number): void {
    if (this.deadline !== undefined && nowMs >= this.deadline) this.stream.reset(Http2Code.CANCEL)
    else if (!this.isAnswered) this.#handler?.look()
  }

  drain(): void {
    this.fail(retryable('GP_DRAINING', 'the gateway is stopping; try again'))
  }

  send(message: Buffer): void {
    if (!this.canAnswer) return
    if (!this.stream.headersSent) this.respond()
    this.stream.write(framed(message))
  }

  end(): void {
    if (!this.canAnswer) return
    if (!this.stream.headersSent) this.respond()
    this.finish()
  }

  protected release(): void {
    this.start.connection.services--
    this.#handler = undefined
    this.#waiting = Buffer.alloc(0)
    this.#reader.body.release()
  }

  #take(chunk: Buffer): void {
    if (!this.canAnswer) return
    if (this.#waiting.length + chunk.length > limits.grpcServiceWaitingBytesMax) {
      this.refuse(retryable('GP_OVERLOADED', 'questions come faster than their answers are taken'))
      return
    }
    this.#waiting = Buffer.concat([this.#waiting, chunk])
    void this.#readOn()
  }

  /** Deals with what waits, one message at a time, until an answer has to wait too. */
  async #readOn(): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    try {
      while (this.#handler !== undefined && this.canAnswer && !this.stream.isWaiting) {
        if (this.#waiting.length === 0) break
        const end = this.#reader.read(this.#waiting, 0, this.#waiting.length)
        if (end instanceof GuidepostError) return this.refuse(end)
        this.#waiting = this.#waiting.subarray(end)
        if (this.#reader.isComplete) await this.#deliver()
      }
      if (this.#hasEnded && this.#waiting.length === 0 && this.canAnswer) this.#endOfInput()
    } catch (error) {
      this.breakDown(error)
    } finally {
      this.#isBusy = false
    }
  }

  async #deliver(): Promise<void> {
    const reader = this.#reader
    this.#reader = this.#newReader()
    const body = reader.isCompressed
      ? await inflate(this.start.coding!, reader.body, this.#bounds)
      : reader.body
    const message = body instanceof GuidepostError ? body : Buffer.concat(body.chunks)
    if (!(body instanceof GuidepostError)) body.release()
    reader.body.release()
    if (message instanceof GuidepostError) this.refuse(message)
    else await this.#handler?.message(message)
  }

  #endOfInput(): void {
    if (this.#reader.isEmpty) this.#handler?.ended()
    else this.refuse(permanent('GP_BODY_MALFORMED', 'the call ended within a message'))
  }

  get #bounds(): InflateBounds {
    const bytesMax = limits.grpcServiceMessageBytesMax
    return { bytesMax, key: 'a bound of this service', budget: this.claim }
  }

  #newReader(): MessageReader {
    const rules = {
      bytesMax: limits.grpcServiceMessageBytesMax,
      mayBeCompressed: this.start.coding !== undefined,
    }
    return new MessageReader(rules, this.claim, (error) => this.refuse(error))
  }
}
