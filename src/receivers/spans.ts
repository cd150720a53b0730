/**
 * Spans that do not come as OTLP, from the whole message to what its sender is told: translated inside of the kernel to
 * what the bus gets, stamped, handed on. How a message arrives and how the answer is written is each protocol's own.
 */
import { jaegerTopic, otlpTopics, type Topic } from '../bus/bus.ts'
import type { LimitsConfig, SpanEncoding } from '../config/config.ts'
import { GuidepostError } from '../errors.ts'
import type { Destination } from '../route/batcher.ts'
import type { Claim } from '../route/shares.ts'
import type { GuidRules, RequestGuid } from '../stamp/guid-rules.ts'
import { jaegerStamping } from '../stamp/jaeger.ts'
import { otlpStampings } from '../stamp/otlp.ts'
import type { Stamping } from '../stamp/stamp.ts'
import type { Body } from '../transport/body.ts'
import type { Kernel, KernelProblem, Translation } from '../wire/kernel.ts'
import { kernelCodes } from '../wire/kernel.ts'
import { forward } from './forward.ts'
import { Intake, type IntakeOptions } from './intake.ts'
import { refusalOf, spanRecordsBound } from './refusals.ts'
import { nameOf as nameOfResource } from './resource-name.ts'

/** What a reload may change; all of it is replaced together. */
export interface SpanSettings {
  readonly rules: GuidRules
  readonly limits: LimitsConfig
  /** What the bus gets; a restart is needed to change it. */
  readonly encoding: SpanEncoding
}

/** One form in which spans arrive. */
export interface SpanForm {
  /** What a well-formed message is, for refusals: `Thrift Batch (jaeger.thrift)`. */
  readonly title: string
  /** What a malformed message may be instead, by its first bytes, for refusals: begins with `; `. Empty: no idea. */
  readonly hint?: (begin: Buffer) => string
  /** To what the bus gets; undefined: it is that already. */
  readonly translations: Readonly<Record<SpanEncoding, Translation | undefined>>
}

/** A whole message, inflated, and what was known when it began to arrive. */
export interface SpanMessage {
  readonly form: SpanForm
  readonly message: Body
  readonly guid: RequestGuid
  readonly settings: SpanSettings
  readonly claim: Claim
  readonly receivedAtMs: number
  /** The sender's address, for the log; empty: unknown. */
  readonly peer: string
}

/** The topic of each form. */
export const spanTopics: Readonly<Record<SpanEncoding, Topic>> = {
  otlp_proto: otlpTopics.traces,
  jaeger_proto: jaegerTopic,
}

/** Where spans go, and as what. */
interface Output {
  readonly destination: Destination
  readonly stamping: Stamping
  readonly nameOf: (kernel: Kernel, row: number) => string
  /** What a request may become, for refusals. */
  readonly bound?: string
}

const nothing = Buffer.alloc(0)

export class SpanReceiver {
  readonly intake: Intake
  readonly #output: Output
  #settings: SpanSettings

  constructor(receiver: string, options: IntakeOptions, settings: SpanSettings) {
    this.intake = new Intake(receiver, options)
    this.#settings = settings
    this.#output = outputOf(this.intake, settings.encoding)
  }

  /** Those of now: a request keeps them to its end, so that a reload in its middle mixes nothing. */
  get settings(): SpanSettings {
    return this.#settings
  }

  /** Applies to requests that arrive from now on. */
  reload(settings: SpanSettings): void {
    this.#settings = settings
  }

  /**
   * From the whole message to its fate; takes over the body and releases it. `done` is told it once, perhaps before this
   * returns, and must not throw; undefined: every span is durable. Everything up to the submission happens in this turn,
   * for the kernel's sake. Never throws: what breaks here is told as worth a repeat, since a sender would drop the spans
   * for a fault of ours.
   */
  take(request: SpanMessage, done: (failure: GuidepostError | undefined) => void): void {
    try {
      this.#take(request, done)
    } catch (error) {
      done(this.intake.broke(error, request.peer))
    }
    request.message.release()
  }

  #take(request: SpanMessage, done: (failure: GuidepostError | undefined) => void): void {
    const { intake } = this
    const { kernel } = intake
    const { form, message, guid, settings, claim, receivedAtMs, peer } = request
    kernel.begin()
    const problem = load(kernel, request)
    if (problem !== undefined) {
      const place = problem === 'thrift' ? `: it is at fault at byte ${kernel.faultByte}` : ''
      const hint = form.hint?.(message.chunks[0] ?? nothing) ?? ''
      done(intake.refuse(refusalOf(problem, form.title, place + hint), peer))
      return
    }
    const forwarding = {
      ...{ signal: 'traces' as const, ...this.#output, rules: settings.rules },
      ...{ guid, message, claim, receivedAtMs, peer, title: form.title },
    }
    forward(intake, forwarding, (result) =>
      done(result instanceof GuidepostError ? result : result.refused?.error),
    )
  }
}

function outputOf(intake: Intake, encoding: SpanEncoding): Output {
  const topic = spanTopics[encoding]
  if (encoding === 'otlp_proto') {
    const stamping = otlpStampings.traces
    const destination = intake.destination(topic, encoding, true, stamping)
    return { destination, stamping, nameOf: nameOfResource }
  }
  // A record is one span, which can be cut no further.
  const destination = { topic, encoding, joins: false, cut: () => [] } as const
  const nameOf = (_kernel: Kernel, row: number): string => `span ${row}`
  return { destination, stamping: jaegerStamping, nameOf, bound: spanRecordsBound }
}

/** Puts the message into the kernel as what the bus gets. Why that cannot be, if so. */
function load(kernel: Kernel, { form, message, settings }: SpanMessage): KernelProblem | undefined {
  const { rules, encoding } = settings
  let code = kernel.putPlain(message.chunks, message.bytes)
  const translation = form.translations[encoding]
  if (code >= 0 && translation !== undefined) {
    // A translation puts what the rules look for where they find it.
    kernel.useRules(rules.kernel)
    code = kernel.translate(translation)
  }
  return code < 0 ? kernelCodes[code as keyof typeof kernelCodes] : undefined
}
