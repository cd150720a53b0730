/** The ports that senders connect to: opened, reloaded, drained and closed together. */
import type { Config, LimitsConfig, ListenerConfig } from './config/config.ts'
import type { GuidepostError } from './errors.ts'
import { limits } from './limits.ts'
import type { AgentPort } from './receivers/jaeger-agent.ts'
import type { Receivers } from './receivers/receivers.ts'
import type { Shares } from './route/shares.ts'
import { GrpcListener } from './transport/grpc/listener.ts'
import type { GrpcServices } from './transport/grpc/method.ts'
import { HttpListener, type HttpRoute } from './transport/http.ts'
import { UdpListener } from './transport/udp/listener.ts'
import { startThread } from './transport/udp/thread.ts'
import type { DropReason } from './transport/udp/words.ts'

export interface Refusal {
  readonly error: GuidepostError
  /** The sender's address; empty: unknown. */
  readonly peer: string
}

export interface ListenersOptions {
  readonly receivers: Receivers
  readonly shares: Shares
  /** Whether requests can succeed now, for the gRPC health service. */
  readonly isServing: () => boolean
  /** Other processes listen on the same ports. */
  readonly isShared: boolean
  /**
   * Requests were refused before any receiver saw them, or datagrams lost; `refusal` is what the sender was told, where
   * it was told in words.
   */
  readonly refused: (listener: string, reason: string, refusal?: Refusal, count?: number) => void
  /** Something that an operator can mend. Comes again while it lasts; for the log, equal ones are throttled. */
  readonly warned: (listener: string, fields: object, message: string) => void
  /** Something broke that no sender can be blamed for. */
  readonly failed: (listener: string, error: unknown) => void
}

export type ListenerKey = keyof Config['listeners']

/** One port that is open. */
export interface OpenPort {
  /** Its key in the configuration's `listeners`. */
  readonly key: ListenerKey
  readonly host: string
  readonly port: number
}

/** What all transports have in common. */
export interface Listener {
  /** Begins to listen; the port that was got. Rejects with a coded error when it cannot be had. */
  listen(): Promise<number>
  /** Applies to connections and requests from now on. */
  reload(limits: LimitsConfig): void
  /** Takes nothing more, and waits for what is under way. */
  drain(): Promise<void>
  /** Cuts what is left. */
  destroy(): void
}

/** What is served on a port. */
type Service =
  | { readonly http: readonly HttpRoute[] }
  | { readonly grpc: GrpcServices }
  | { readonly udp: AgentPort }

/** Each listener's label in metrics and log lines, and what it serves. */
const table: Readonly<Record<ListenerKey, readonly [label: string, (receivers: Receivers) => Service]>> = {
  http: ['http', (receivers) => ({ http: receivers.httpRoutes() })],
  otlpGrpc: ['otlp_grpc', (receivers) => ({ grpc: receivers.otlpGrpcServices() })],
  otlpHttp: ['otlp_http', (receivers) => ({ http: receivers.otlpHttpRoutes() })],
  jaegerGrpc: ['jaeger_grpc', (receivers) => ({ grpc: receivers.jaegerGrpcServices() })],
  jaegerHttp: ['jaeger_http', (receivers) => ({ http: receivers.jaegerHttpRoutes() })],
  jaegerCompact: ['jaeger_compact', (receivers) => ({ udp: receivers.agentPort('compact') })],
  jaegerBinary: ['jaeger_binary', (receivers) => ({ udp: receivers.agentPort('binary') })],
  zipkinCompact: ['zipkin_compact', (receivers) => ({ udp: receivers.agentPort('compact') })],
  jaegerSampling: ['jaeger_sampling', (receivers) => ({ http: receivers.samplingRoutes() })],
  zipkin: ['zipkin', (receivers) => ({ http: receivers.zipkinRoutes() })],
}
/** Why datagrams were lost, for the log. An empty one is no loss but somebody who looks whether the port is open. */
const losses: Readonly<Record<DropReason | 'stopped', string | undefined>> = {
  kernel:
    "the system's receive buffer was full (on Linux, see sysctl net.core.rmem_max), or they came damaged",
  queue: 'the queue of this port was full, since the bus is away or slow, or the gateway has too little CPU',
  too_large: `they are larger than ${limits.udpDatagramBytesMax} bytes`,
  empty: undefined,
  stopped: 'the gateway stopped before they could be taken',
}
const keys = Object.keys(table) as readonly ListenerKey[]
const udpKeys: readonly ListenerKey[] = ['jaegerCompact', 'jaegerBinary', 'zipkinCompact']

/** Begins what takes a while and needs no receiver yet: of UDP the thread, which the bus can be opened beside. */
export function prepareListeners({ listeners }: Config): void {
  if (udpKeys.some((key) => listeners[key] !== undefined)) startThread()
}

export class Listeners {
  readonly #options: ListenersOptions
  readonly #listeners: Listener[] = []
  /** Those that are open, in the order in which they were. */
  readonly ports: OpenPort[] = []

  constructor(options: ListenersOptions) {
    this.#options = options
  }

  /** Opens what the configuration switches on. Throws a coded error when a port cannot be had. */
  async open(config: Config): Promise<void> {
    let before: Promise<unknown> = Promise.resolve()
    const opening = keys.flatMap((key) => {
      const at = config.listeners[key]
      if (at === undefined) return []
      const listener = this.#listenerOf(config, key, at)
      this.#listeners.push(listener)
      // Where the system chooses, processes that share their ports get the same ones only when they ask in the same order.
      const isNext = this.#options.isShared && at.port === 0
      const port = isNext ? before.then(() => listener.listen()) : listener.listen()
      if (isNext) before = port.catch(() => undefined)
      return [{ key, host: at.host, port }]
    })
    // All at once, since those of UDP wait for their thread; one that fails must not leave the others opening unseen.
    await Promise.allSettled(opening.map(({ port }) => port))
    for (const { key, host, port } of opening) this.ports.push({ key, host, port: await port })
  }

  /** Applies to connections and requests from now on. */
  reload(config: Config): void {
    for (const listener of this.#listeners) listener.reload(config.limits)
  }

  /** Takes nothing more, and waits for what is under way. */
  async drain(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.drain()))
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const listener of this.#listeners) listener.destroy()
  }

  #listenerOf(config: Config, key: ListenerKey, { host, port, guid }: ListenerConfig): Listener {
    const { receivers, shares, isServing, isShared, refused, warned, failed } = this.#options
    const [label, serviceOf] = table[key]
    const service = serviceOf(receivers)
    const { connections, requestMs, messageBytes } = config.limits
    const common = {
      ...{ host, port, guid, block: `listeners.${key}` },
      failed: (error: unknown) => failed(label, error),
    }
    const refuse = (reason: string, error?: GuidepostError, peer = ''): void =>
      refused(label, reason, error && { error, peer })
    if ('http' in service) {
      return new HttpListener({
        ...common,
        connections,
        requestMs,
        shares,
        routes: service.http,
        refused: refuse,
      })
    }
    if ('grpc' in service) {
      const bounds = { connections, requestMs, messageBytes, shares }
      return new GrpcListener({ ...common, ...bounds, ...service.grpc, isServing, refused: refuse })
    }
    return new UdpListener({
      ...common,
      ...service.udp,
      isShared,
      bufferBytes: limits.udpReceiveBufferBytes,
      queueBytes: limits.udpQueueBytes,
      datagramBytesMax: limits.udpDatagramBytesMax,
      dropped: (reason, count) => {
        refused(label, reason, undefined, count)
        const why = losses[reason]
        // Nobody else is told: UDP answers nothing.
        if (why !== undefined) warned(label, { reason, datagrams: count }, `datagrams were lost: ${why}`)
      },
      told: (fields, message) => warned(label, fields, message),
    })
  }
}
