/**
 * Prometheus remote write 1.0 and 2.0 (prometheus/docs, specs/prw/remote_write_spec.md and remote_write_spec_2_0.md).
 *
 * The Content-Type alone decides the version. Answers, as senders read them:
 *   204  every item is durable                         400  some or all items can never be accepted; the others are durable
 *   413, 415, 405  the request can never be accepted   503  try the whole request again
 * Each answer to a 2.0 request says in its Written headers what is durable.
 */
import type { Bus } from '../bus/bus.ts'
import type { LimitsConfig } from '../config/config.ts'
import { GuidepostError, permanent, retryable } from '../errors.ts'
import type { Batcher, Destination, RecordSource } from '../route/batcher.ts'
import { type Guid, isGuid } from '../stamp/guid.ts'
import type { GuidRules, RequestGuid } from '../stamp/guid-rules.ts'
import { prometheusStampings } from '../stamp/prometheus.ts'
import { cutRecord, type Stamped, stamp } from '../stamp/stamp.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Answer, answerFor } from '../transport/answer.ts'
import { admit, type Body, type ByteBudget, overloaded, readBody } from '../transport/body.ts'
import type { HttpRequest, HttpRoute } from '../transport/http.ts'
import type { Version } from '../wire/formats/prometheus.ts'
import type { Kernel } from '../wire/kernel.ts'
import {
  type BodyEncoding,
  encodingOf,
  load,
  noneWritten,
  versionOf,
  type Written,
  writtenHeaders,
} from './prometheus-content.ts'
import { describeRefusals, malformed, reasonOf } from './prometheus-refusals.ts'

export const receiverName = 'remote_write'
export const paths = ['/write', '/api/v1/write', '/api/v1/push'] as const

/** Items whose guid was not found are counted under this. */
const UNKNOWN = ''

export interface RemoteWriteOptions {
  readonly kernel: Kernel
  readonly bus: Bus
  readonly batcher: Batcher
  readonly budget: ByteBudget
  readonly metrics: Metrics
  /** A refusal for the log; equal keys are throttled. */
  readonly told: (key: string, fields: object, message: string) => void
}

/** What a reload may change; all of it is replaced together. */
export interface RemoteWriteSettings {
  readonly rules: GuidRules
  readonly limits: LimitsConfig
}

/** A whole request, and what its headers and the rules at its arrival say of it. */
interface Content {
  readonly body: Body
  readonly encoding: BodyEncoding
  readonly version: Version
  readonly guid: RequestGuid
  readonly settings: RemoteWriteSettings
}

export class RemoteWriteReceiver {
  readonly #options: RemoteWriteOptions
  readonly #destinations: Record<Version, Destination>
  #settings: RemoteWriteSettings

  constructor(options: RemoteWriteOptions, settings: RemoteWriteSettings) {
    this.#options = options
    this.#settings = settings
    this.#destinations = { 1: this.#destination(1), 2: this.#destination(2) }
  }

  /** Applies to requests that arrive from now on. */
  reload(settings: RemoteWriteSettings): void {
    this.#settings = settings
  }

  routes(): HttpRoute[] {
    return paths.map((path) => ({ path, handle: (request) => this.#handle(request) }))
  }

  async #handle(request: HttpRequest): Promise<Answer> {
    const started = performance.now()
    const version = versionOf(request.raw.headers['content-type'])
    const answer =
      typeof version === 'object'
        ? this.#refuse(version, 'content_type')
        : await this.#receive(request, version)
    this.#options.metrics.requestSeconds(receiverName, answer.status, (performance.now() - started) / 1e3)
    return answer
  }

  async #receive(request: HttpRequest, version: Version): Promise<Answer> {
    // A reload in the middle of a request must not mix two sets of rules.
    const settings = this.#settings
    const { rules, limits } = settings
    const { budget, metrics } = this.#options
    const nothing = writtenHeaders(version, noneWritten)
    const encoding = encodingOf(request.raw.headers['content-encoding'])
    if (typeof encoding === 'object') return this.#refuse(encoding, 'content_encoding', nothing)
    const guid = requestGuid(rules, request)
    if (guid instanceof GuidepostError) return this.#refuse(guid, 'guid', nothing)
    const refusal = admit(request.raw, limits.bodyBytes, budget) ?? busRefusal(this.#options.bus)
    if (refusal !== undefined) return this.#refuse(refusal, reasonOf(refusal), nothing)
    const receivedAtMs = Date.now()
    const body = await readBody(request.raw, limits.bodyBytes, budget)
    if (body instanceof GuidepostError) return this.#refuse(body, reasonOf(body), nothing)
    metrics.receivedBytes(receiverName, body.bytes)
    try {
      return await this.#forward(
        { body, encoding, version, guid, settings },
        request.connection,
        receivedAtMs,
      )
    } finally {
      body.release()
    }
  }

  /** From the whole body to the answer. Everything up to the submission happens in one turn, for the kernel's sake. */
  async #forward(content: Content, connection: number, receivedAtMs: number): Promise<Answer> {
    const { kernel, batcher, budget } = this.#options
    const { version, body } = content
    const nothing = writtenHeaders(version, noneWritten)
    const stamped = this.#stamp(content)
    if (stamped instanceof GuidepostError) return this.#refuse(stamped, reasonOf(stamped), nothing)
    const source = new StampedRecords(kernel, stamped)
    const refusal = describeRefusals(kernel, version, stamped)
    const submission = batcher.submit(this.#destinations[version], source, connection, receivedAtMs)
    if (submission === undefined) return this.#refuse(overloaded(budget), 'overloaded', nothing)
    this.#count(stamped, source)
    // The records are copies; the body is not needed while they wait for the bus.
    body.release()
    const failure = await submission.settled
    if (failure !== undefined) return this.#refuse(failure, reasonOf(failure), nothing)
    const headers = writtenHeaders(version, source.written)
    if (refusal === undefined) return { status: 204, text: '', headers }
    this.#options.told('remote_write items', { receiver: receiverName, code: refusal.code }, refusal.message)
    return answerFor(refusal, headers)
  }

  #stamp({ body, encoding, version, guid, settings }: Content): Stamped | GuidepostError {
    const { kernel, batcher } = this.#options
    const loaded = load(kernel, body, encoding, settings.limits.inflatedBytes)
    if (loaded !== undefined) return loaded
    const stamped = stamp(kernel, prometheusStampings[version], settings.rules, guid, batcher.recordBytes)
    return typeof stamped === 'string' ? malformed(stamped, version) : stamped
  }

  /** One side of the books; the batcher counts the other when the fate of the records is known. */
  #count(stamped: Stamped, source: StampedRecords): void {
    for (const { owner, items } of source.records) owner.received.value += items
    const { ledger } = this.#options.metrics
    for (const { reason, count } of stamped.refused) {
      ledger.received(receiverName, 'metrics', UNKNOWN).value += count
      ledger.rejected(receiverName, 'metrics', reason, UNKNOWN).value += count
    }
  }

  #refuse(error: GuidepostError, reason: string, headers: Readonly<Record<string, string>> = {}): Answer {
    this.#options.metrics.refusedRequest(receiverName, reason)
    this.#options.told(`remote_write ${reason}`, { receiver: receiverName, code: error.code }, error.message)
    return answerFor(error, headers)
  }

  #destination(version: Version): Destination {
    return {
      topic: 'prometheus_metrics',
      encoding: version === 1 ? 'prometheus_remote_write_1' : 'prometheus_remote_write_2',
      joins: version === 1,
      cut: (owner, value, bytesMax) =>
        cutRecord(this.#options.kernel, prometheusStampings[version], owner as Guid, value, bytesMax),
    }
  }
}

/** The stamped records while the kernel holds them. */
class StampedRecords implements RecordSource {
  readonly records: readonly { readonly owner: Guid; readonly bytes: number; readonly items: number }[]
  /** What the 2.0 Written headers report once it is durable. */
  readonly written: Written
  readonly #kernel: Kernel

  constructor(kernel: Kernel, stamped: Stamped) {
    this.#kernel = kernel
    const written = { samples: 0, histograms: 0, exemplars: 0 }
    const records: { owner: Guid; bytes: number; items: number }[] = []
    for (let i = 0; i < stamped.recordCount; i++) {
      const part = kernel.part(i)
      written.samples += part.samples
      written.histograms += part.histograms
      written.exemplars += part.exemplars
      records.push({ owner: stamped.guids[part.slot]!, bytes: part.bytes, items: part.items })
    }
    this.records = records
    this.written = written
  }

  copy(i: number, target: Buffer, targetAt: number): void {
    this.#kernel.copyPart(i, target, targetAt)
  }
}

function requestGuid(rules: GuidRules, request: HttpRequest): RequestGuid | GuidepostError {
  if (request.pathGuid !== undefined) {
    if (!rules.usesPath) {
      return permanent('GP_PATH', 'paths under /t/ are off: this receiver has no `path` in guid.from')
    }
    if (!isGuid(request.pathGuid))
      return permanent('GP_PATH', 'the path after /t/ does not name a valid guid')
  }
  const { headersDistinct } = request.raw
  return rules.request({
    listenerGuid: request.listenerGuid,
    pathGuid: request.pathGuid,
    header: (name) => headersDistinct[name] ?? [],
    peer: request.peer,
    connection: request.connection,
  })
}

function busRefusal(bus: Bus): GuidepostError | undefined {
  const { up, reason } = bus.health()
  return up ? undefined : retryable('GP_BUS_UNAVAILABLE', `the bus is down: ${reason}`)
}
