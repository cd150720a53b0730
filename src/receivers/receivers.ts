/**
 * The receivers that a configuration switches on: what each listener serves, the topics that they write to, and their
 * rules. A new protocol is built here.
 */
import { otlpTopics, type Topic } from '../bus/bus.ts'
import type { Config, GuidConfig } from '../config/config.ts'
import { GuidTable } from '../stamp/guid.ts'
import { GuidRules, type ItemSourceKind } from '../stamp/guid-rules.ts'
import type { Ledger, Signal } from '../telemetry/ledger.ts'
import { corsPolicy } from '../transport/cors.ts'
import type { GrpcServices } from '../transport/grpc/method.ts'
import type { HttpRoute } from '../transport/http.ts'
import type { IntakeOptions } from './intake.ts'
import * as otlp from './otlp.ts'
import { grpcServices } from './otlp-grpc.ts'
import { httpRoutes } from './otlp-http.ts'
import * as remoteWrite from './prometheus-remote-write.ts'

/** The topics that must be there for a configuration, `dead_letters` among them. */
export function topicsOf({ receivers }: Config): Topic[] {
  const topics = new Set<Topic>()
  if (receivers.remoteWrite.enabled) {
    topics.add(receivers.remoteWrite.encoding === 'otlp_proto' ? otlpTopics.metrics : 'prometheus_metrics')
  }
  if (receivers.otlp.enabled) for (const signal of otlp.signals) topics.add(otlpTopics[signal])
  return [...topics, 'dead_letters']
}

export class Receivers {
  readonly #ledger: Ledger
  readonly #remoteWrite: remoteWrite.RemoteWriteReceiver | undefined
  readonly #otlp: otlp.OtlpReceiver | undefined

  constructor(config: Config, options: IntakeOptions) {
    this.#ledger = options.metrics.ledger
    const { receivers } = config
    if (receivers.remoteWrite.enabled)
      this.#remoteWrite = new remoteWrite.RemoteWriteReceiver(options, this.#remoteWriteSettings(config))
    if (receivers.otlp.enabled) this.#otlp = new otlp.OtlpReceiver(options, this.#otlpSettings(config))
  }

  /** Rules and limits of requests that arrive from now on. */
  reload(config: Config): void {
    this.#remoteWrite?.reload(this.#remoteWriteSettings(config))
    this.#otlp?.reload(this.#otlpSettings(config))
  }

  /** What the listener for every protocol over HTTP serves. */
  httpRoutes(): HttpRoute[] {
    return [...(this.#remoteWrite?.routes() ?? []), ...this.otlpHttpRoutes()]
  }

  otlpHttpRoutes(): HttpRoute[] {
    return this.#otlp === undefined ? [] : httpRoutes(this.#otlp)
  }

  otlpGrpcServices(): GrpcServices {
    const none = { services: [], methods: [], unimplemented: new Map() }
    return this.#otlp === undefined ? none : grpcServices(this.#otlp)
  }

  #remoteWriteSettings(config: Config): remoteWrite.RemoteWriteSettings {
    const { guid, encoding } = config.receivers.remoteWrite
    const rules = this.#rules(guid, remoteWrite.receiverName, 'metrics', 'label')
    return { rules, limits: config.limits, encoding }
  }

  #otlpSettings(config: Config): otlp.OtlpSettings {
    const { guid, cors } = config.receivers.otlp
    const rules = (signal: Signal): GuidRules => this.#rules(guid, otlp.receiverName, signal, 'attribute')
    return {
      rules: { traces: rules('traces'), metrics: rules('metrics'), logs: rules('logs') },
      limits: config.limits,
      cors: cors && corsPolicy(cors),
    }
  }

  #rules(guid: GuidConfig, receiver: string, signal: Signal, kind: ItemSourceKind): GuidRules {
    const table = new GuidTable({ name: guid.name, receiver, signal, ledger: this.#ledger })
    return new GuidRules(guid, table, kind)
  }
}
