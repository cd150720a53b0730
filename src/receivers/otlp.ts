/**
 * OTLP (open-telemetry/opentelemetry-proto, docs/specification.md): traces, metrics and logs, from the whole message to
 * what its sender is told. How a message arrives and how the answer is written is `otlp-grpc.ts`'s and `otlp-http.ts`'s.
 *
 * Profiles are not taken: their messages share one dictionary, into which attributes point as well, so that they can
 * neither be joined nor be split by guid without rewriting all of it, and the format is not stable yet.
 */
import { otlpTopics } from '../bus/bus.ts'
import type { LimitsConfig } from '../config/config.ts'
import { GuidepostError } from '../errors.ts'
import type { Destination } from '../route/batcher.ts'
import type { Claim } from '../route/shares.ts'
import type { GuidRules, RequestGuid } from '../stamp/guid-rules.ts'
import { otlpStampings } from '../stamp/otlp.ts'
import type { Body } from '../transport/body.ts'
import type { CorsPolicy } from '../transport/cors.ts'
import type { OtlpSignal } from '../wire/formats/otlp.ts'
import { type Forwarded, forward } from './forward.ts'
import { Intake, type IntakeOptions } from './intake.ts'
import { messages } from './otlp-refusals.ts'
import { refusalOf } from './refusals.ts'
import { nameOf } from './resource-name.ts'

export const receiverName = 'otlp'
export const signals: readonly OtlpSignal[] = ['traces', 'metrics', 'logs']

/** What a reload may change; all of it is replaced together. */
export interface OtlpSettings {
  readonly rules: Readonly<Record<OtlpSignal, GuidRules>>
  readonly limits: LimitsConfig
  readonly cors: CorsPolicy | undefined
}

/** A whole message, inflated, and what was known when it began to arrive. */
export interface Export {
  readonly signal: OtlpSignal
  readonly message: Body
  readonly guid: RequestGuid
  readonly settings: OtlpSettings
  readonly claim: Claim
  readonly receivedAtMs: number
  /** The sender's address, for the log; empty: unknown. */
  readonly peer: string
}

/** What became of a request that was taken as far as it could be. */
export interface Taken {
  /** Items that were refused for good; the others are durable. */
  readonly rejected: number
  /** Why; empty when none was. */
  readonly reason: string
}

const takenWhole: Taken = { rejected: 0, reason: '' }

export class OtlpReceiver {
  readonly intake: Intake
  readonly #destinations: Readonly<Record<OtlpSignal, Destination>>
  #settings: OtlpSettings

  constructor(options: IntakeOptions, settings: OtlpSettings) {
    this.intake = new Intake(receiverName, options)
    this.#settings = settings
    const destination = (signal: OtlpSignal): Destination =>
      this.intake.destination(otlpTopics[signal], 'otlp_proto', true, otlpStampings[signal])
    this.#destinations = {
      traces: destination('traces'),
      metrics: destination('metrics'),
      logs: destination('logs'),
    }
  }

  /** Those of now: a request keeps them to its end, so that a reload in its middle mixes nothing. */
  get settings(): OtlpSettings {
    return this.#settings
  }

  /** Applies to requests that arrive from now on. */
  reload(settings: OtlpSettings): void {
    this.#settings = settings
  }

  /**
   * From the whole message to the answer; takes over `message` and releases it. `done` is told what became of it, once,
   * perhaps before this returns, and must not throw. Everything up to the submission happens in this turn, for the kernel's
   * sake. Never throws: what breaks here is told as worth a repeat, since a sender would drop the data for a fault of ours.
   */
  export(request: Export, done: (taken: Taken | GuidepostError) => void): void {
    try {
      this.#export(request, done)
    } catch (error) {
      done(this.intake.broke(error, request.peer))
    }
    request.message.release()
  }

  #export(request: Export, done: (taken: Taken | GuidepostError) => void): void {
    const { intake } = this
    const { kernel } = intake
    const { signal, message, settings, peer } = request
    kernel.begin()
    if (kernel.putPlain(message.chunks, message.bytes) < 0) {
      done(intake.refuse(refusalOf('memory', messages[signal]), peer))
      return
    }
    const forwarding = {
      signal,
      stamping: otlpStampings[signal],
      destination: this.#destinations[signal],
      rules: settings.rules[signal],
      guid: request.guid,
      message,
      claim: request.claim,
      receivedAtMs: request.receivedAtMs,
      peer,
      title: messages[signal],
      nameOf,
    }
    forward(intake, forwarding, (result) => done(takenOf(result)))
  }
}

function takenOf(result: Forwarded | GuidepostError): Taken | GuidepostError {
  if (result instanceof GuidepostError) return result
  const { items, refused } = result
  if (refused === undefined) return takenWhole
  // A partial success is for what was taken in part; a request of which nothing was taken has failed.
  return refused.count === items ? refused.error : { rejected: refused.count, reason: refused.error.message }
}
