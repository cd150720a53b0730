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
import { Intake, type IntakeOptions } from './intake.ts'
import * as jaeger from './jaeger.ts'
import { type AgentPort, agentPort } from './jaeger-agent.ts'
import { collectorService } from './jaeger-grpc.ts'
import { collectorSamplingRoutes, samplingRoutes, samplingService } from './jaeger-sampling.ts'
import { Strategies } from './jaeger-strategies.ts'
import { thriftRoutes } from './jaeger-thrift-http.ts'
import * as otlp from './otlp.ts'
import { grpcServices } from './otlp-grpc.ts'
import { httpRoutes } from './otlp-http.ts'
import * as remoteWrite from './prometheus-remote-write.ts'
import { SpanReceiver, type SpanSettings, spanTopics } from './spans.ts'
import * as zipkin from './zipkin.ts'
import { zipkinRoutes } from './zipkin-http.ts'

const noServices: GrpcServices = { receiver: '', services: [], methods: [], unimplemented: new Map() }

/** The topics that must be there for a configuration, `dead_letters` among them. */
export function topicsOf({ receivers }: Config): Topic[] {
  const topics = new Set<Topic>()
  if (receivers.remoteWrite.enabled) {
    topics.add(receivers.remoteWrite.encoding === 'otlp_proto' ? otlpTopics.metrics : 'prometheus_metrics')
  }
  if (receivers.otlp.enabled) for (const signal of otlp.signals) topics.add(otlpTopics[signal])
  for (const { enabled, encoding } of [receivers.jaeger, receivers.zipkin]) {
    if (enabled) topics.add(spanTopics[encoding])
  }
  return [...topics, 'dead_letters']
}

export class Receivers {
  readonly #ledger: Ledger
  readonly #remoteWrite: remoteWrite.RemoteWriteReceiver | undefined
  readonly #otlp: otlp.OtlpReceiver | undefined
  readonly #jaeger: SpanReceiver | undefined
  readonly #zipkin: SpanReceiver | undefined
  readonly #strategies: Strategies
  /** Counts what is asked for strategies. */
  readonly #sampling: Intake

  constructor(config: Config, options: IntakeOptions) {
    this.#ledger = options.metrics.ledger
    const { receivers } = config
    if (receivers.remoteWrite.enabled)
      this.#remoteWrite = new remoteWrite.RemoteWriteReceiver(options, this.#remoteWriteSettings(config))
    if (receivers.otlp.enabled) this.#otlp = new otlp.OtlpReceiver(options, this.#otlpSettings(config))
    if (receivers.jaeger.enabled)
      this.#jaeger = new SpanReceiver(jaeger.receiverName, options, this.#jaegerSettings(config))
    if (receivers.zipkin.enabled)
      this.#zipkin = new SpanReceiver(zipkin.receiverName, options, this.#zipkinSettings(config))
    this.#sampling = new Intake('jaeger_sampling', options)
    this.#strategies = new Strategies({
      file: receivers.jaeger.strategiesFile,
      told: options.noted,
      event: (name) => options.metrics.event(name),
    })
  }

  /** Reads what receivers need beside the configuration. Throws a coded error when it cannot be read. */
  async start(): Promise<void> {
    if (this.#jaeger !== undefined) await this.#strategies.start()
  }

  /** Rules and limits of requests that arrive from now on. */
  reload(config: Config): void {
    this.#remoteWrite?.reload(this.#remoteWriteSettings(config))
    this.#otlp?.reload(this.#otlpSettings(config))
    this.#jaeger?.reload(this.#jaegerSettings(config))
    this.#zipkin?.reload(this.#zipkinSettings(config))
    if (this.#jaeger !== undefined) void this.#strategies.reload(config.receivers.jaeger.strategiesFile)
  }

  /** Lets go of what `start` began. */
  stop(): void {
    this.#strategies.stop()
  }

  /** What the listener for every protocol over HTTP serves. */
  httpRoutes(): HttpRoute[] {
    return [
      ...(this.#remoteWrite?.routes() ?? []),
      ...this.otlpHttpRoutes(),
      ...(this.#jaeger === undefined ? [] : thriftRoutes(this.#jaeger)),
      ...this.zipkinRoutes(),
    ]
  }

  otlpHttpRoutes(): HttpRoute[] {
    return this.#otlp === undefined ? [] : httpRoutes(this.#otlp)
  }

  otlpGrpcServices(): GrpcServices {
    return this.#otlp === undefined ? noServices : grpcServices(this.#otlp)
  }

  jaegerGrpcServices(): GrpcServices {
    if (this.#jaeger === undefined) return noServices
    const spans = collectorService(this.#jaeger)
    const sampling = samplingService(this.#strategies, this.#sampling)
    return {
      receiver: spans.receiver,
      services: [...spans.services, ...sampling.services],
      methods: [...spans.methods, ...sampling.methods],
      unimplemented: new Map(),
    }
  }

  jaegerHttpRoutes(): HttpRoute[] {
    if (this.#jaeger === undefined) return []
    return [...thriftRoutes(this.#jaeger), ...collectorSamplingRoutes(this.#strategies, this.#sampling)]
  }

  samplingRoutes(): HttpRoute[] {
    return this.#jaeger === undefined ? [] : samplingRoutes(this.#strategies, this.#sampling)
  }

  /** What a port of the Jaeger agent takes. Called only where the receiver is on. */
  agentPort(protocol: jaeger.AgentProtocol): AgentPort {
    return agentPort(this.#jaeger!, protocol)
  }

  zipkinRoutes(): HttpRoute[] {
    return this.#zipkin === undefined ? [] : zipkinRoutes(this.#zipkin)
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

  #jaegerSettings({ receivers, limits }: Config): SpanSettings {
    const { guid, encoding } = receivers.jaeger
    // Jaeger's own form keeps Jaeger's names.
    const renamed = encoding === 'otlp_proto' ? jaeger.renamed : undefined
    const rules = this.#rules(guid, jaeger.receiverName, 'traces', 'attribute', renamed)
    return { rules, limits, encoding }
  }

  #zipkinSettings({ receivers, limits }: Config): SpanSettings {
    const { guid, encoding } = receivers.zipkin
    return { rules: this.#rules(guid, zipkin.receiverName, 'traces', 'attribute'), limits, encoding }
  }

  #rules(
    guid: GuidConfig,
    receiver: string,
    signal: Signal,
    kind: ItemSourceKind,
    renamed?: ReadonlyMap<string, string>,
  ): GuidRules {
    const table = new GuidTable({ name: guid.name, receiver, signal, ledger: this.#ledger })
    return new GuidRules(guid, table, kind, renamed)
  }
}
