/**
 * Prometheus remote write 1.0 and 2.0 (prometheus/docs, specs/prw/remote_write_spec.md and remote_write_spec_2_0.md).
 *
 * The Content-Type alone decides the version. Answers, as senders read them:
 *   204  every item is durable                         400  some or all items can never be accepted; the others are durable
 *   413, 415, 405  the request can never be accepted   503  try the whole request again
 * Each answer to a 2.0 request says in its Written headers what is durable.
 */
import { otlpTopics } from '../bus/bus.ts'
import type { LimitsConfig, RemoteWriteConfig } from '../config/config.ts'
import { GuidepostError, permanent } from '../errors.ts'
import { limits as bounds } from '../limits.ts'
import type { Destination } from '../route/batcher.ts'
import type { Claim } from '../route/shares.ts'
import type { GuidRules, RequestGuid } from '../stamp/guid-rules.ts'
import { otlpStampings } from '../stamp/otlp.ts'
import { prometheusStampings } from '../stamp/prometheus.ts'
import { type Stamped, stamp } from '../stamp/stamp.ts'
import { type Answer, answerFor } from '../transport/answer.ts'
import { admit, type Body, readBody } from '../transport/body.ts'
import type { HttpRequest, HttpRoute } from '../transport/http.ts'
import type { Version } from '../wire/formats/prometheus.ts'
import { Intake, type IntakeOptions, KernelRecords } from './intake.ts'
import { asOtlp, OtlpRecords } from './prometheus-as-otlp.ts'
import {
  type BodyEncoding,
  encodingOf,
  load,
  noneWritten,
  versionOf,
  writtenHeaders,
  writtenOf,
} from './prometheus-content.ts'
import { malformed, nameOf } from './prometheus-refusals.ts'
import { describeRefusals } from './refusals.ts'

export const receiverName = 'remote_write'
export const paths = ['/write', '/api/v1/write', '/api/v1/push'] as const

/** What a reload may change; all of it is replaced together. */
export interface RemoteWriteSettings {
  readonly rules: GuidRules
  readonly limits: LimitsConfig
  /** What the bus gets; a restart is needed to change it. */
  readonly encoding: RemoteWriteConfig['encoding']
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
  readonly #intake: Intake
  readonly #destinations: Readonly<Record<Version | 'otlp', Destination>>
  readonly #isOtlp: boolean
  #settings: RemoteWriteSettings

  constructor(options: IntakeOptions, settings: RemoteWriteSettings) {
    this.#intake = new Intake(receiverName, options)
    this.#settings = settings
    this.#isOtlp = settings.encoding === 'otlp_proto'
    const metrics = otlpStampings.metrics
    this.#destinations = {
      1: this.#destination(1),
      2: this.#destination(2),
      otlp: this.#intake.destination(otlpTopics.metrics, 'otlp_proto', true, metrics),
    }
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
        ? this.#refuse(version, request, {}, 'content_type')
        : await this.#receive(request, version).catch((error: unknown) =>
            this.#broke(error, request, version),
          )
    this.#intake.answered(answer.status, started)
    return answer
  }

  async #receive(request: HttpRequest, version: Version): Promise<Answer> {
    const intake = this.#intake
    // A reload in the middle of a request must not mix two sets of rules.
    const settings = this.#settings
    const { rules, limits } = settings
    const nothing = writtenHeaders(version, noneWritten)
    const encoding = encodingOf(request.raw.headers['content-encoding'])
    if (typeof encoding === 'object') return this.#refuse(encoding, request, nothing, 'content_encoding')
    const guid = intake.requestGuid(rules, request)
    if (guid instanceof GuidepostError) return this.#refuse(guid, request, nothing, 'guid')
    const claim = intake.claim(request)
    const refusal = admit(request.raw, limits.bodyBytes, claim) ?? intake.closed()
    if (refusal !== undefined) return this.#refuse(refusal, request, nothing)
    const receivedAtMs = Date.now()
    const body = await readBody(request.raw, limits.bodyBytes, claim)
    if (body instanceof GuidepostError) return this.#refuse(body, request, nothing)
    intake.receivedBytes(body.bytes)
    try {
      return await this.#forward({ body, encoding, version, guid, settings }, request, claim, receivedAtMs)
    } finally {
      body.release()
    }
  }

  /** From the whole body to the answer. Everything up to the submission happens in one turn, for the kernel's sake. */
  async #forward(
    content: Content,
    request: HttpRequest,
    claim: Claim,
    receivedAtMs: number,
  ): Promise<Answer> {
    const intake = this.#intake
    const { kernel } = intake
    const { version, body } = content
    const nothing = writtenHeaders(version, noneWritten)
    const stamped = this.#stamp(content)
    if (stamped instanceof GuidepostError) return this.#refuse(stamped, request, nothing)
    const refusal = describeRefusals(kernel, stamped, (item) => nameOf(kernel, version, item))
    const written = version === 1 ? noneWritten : writtenOf(kernel, stamped.recordCount)
    const source = this.#isOtlp
      ? asOtlp(kernel, version, stamped, intake.recordBytes)
      : new KernelRecords(kernel, stamped)
    if (source === 'too_large') return this.#refuse(malformed(source, version), request, nothing)
    if (source instanceof OtlpRecords) this.#tellSkipped(source, request.peer)
    const destination = this.#destinations[this.#isOtlp ? 'otlp' : version]
    const submission = intake.submit('metrics', destination, source, claim, receivedAtMs, request.peer)
    if (submission instanceof GuidepostError) return answerFor(submission, nothing)
    // The records are copies; the body is not needed while they wait for the bus.
    body.release()
    const failure = await submission.settled
    if (failure !== undefined) return this.#refuse(failure, request, nothing)
    const headers = writtenHeaders(version, written)
    if (refusal === undefined) return { status: 204, headers, body: '' }
    intake.tell('items', refusal.error, request.peer)
    return answerFor(refusal.error, headers)
  }

  #stamp({ body, encoding, version, guid, settings }: Content): Stamped | GuidepostError {
    const { kernel } = this.#intake
    // A translation wants all of a guid's series together: the parts of a histogram may stand far apart.
    const recordBytes = this.#isOtlp ? bounds.expandedBytesMax : this.#intake.recordBytes
    const loaded = load(kernel, body, encoding, settings.limits.inflatedBytes)
    if (loaded !== undefined) return loaded
    const stamped = stamp(kernel, prometheusStampings[version], settings.rules, guid, recordBytes)
    return typeof stamped === 'string' ? malformed(stamped, version) : stamped
  }

  /** For the log alone: a sender can do nothing about what has no form in OTLP. */
  #tellSkipped({ skipped }: OtlpRecords, peer: string): void {
    const told = [...skipped].filter(([reason]) => reason !== 'metadata' && reason !== 'empty_series')
    if (told.length === 0) return
    const reasons = told.map(([reason, count]) => `${reason}: ${count}`).join(', ')
    this.#intake.tell(
      'translation',
      permanent('GP_ITEMS_REJECTED', `items without a form in OTLP: ${reasons}`),
      peer,
    )
  }

  /** Prometheus repeats what is answered with 500 as well; other senders drop it, for a fault of ours. */
  #broke(error: unknown, { peer }: HttpRequest, version: Version): Answer {
    return answerFor(this.#intake.broke(error, peer), writtenHeaders(version, noneWritten))
  }

  #refuse(
    error: GuidepostError,
    { peer }: HttpRequest,
    headers: Readonly<Record<string, string>>,
    reason?: string,
  ): Answer {
    return answerFor(this.#intake.refuse(error, peer, reason), headers)
  }

  #destination(version: Version): Destination {
    const encoding = version === 1 ? 'prometheus_remote_write_1' : 'prometheus_remote_write_2'
    return this.#intake.destination(
      'prometheus_metrics',
      encoding,
      version === 1,
      prometheusStampings[version],
    )
  }
}
