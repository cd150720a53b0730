/** The ports that senders connect to: opened, reloaded, drained and closed together. */
import type { Config, ListenerConfig } from './config/config.ts'
import type { GuidepostError } from './errors.ts'
import type { Receivers } from './receivers/receivers.ts'
import type { ByteBudget } from './transport/body.ts'
import { GrpcListener } from './transport/grpc/listener.ts'
import type { GrpcServices } from './transport/grpc/method.ts'
import { HttpListener, type HttpRoute } from './transport/http.ts'

export interface ListenersOptions {
  readonly receivers: Receivers
  readonly budget: ByteBudget
  /** Whether requests can succeed now, for the gRPC health service. */
  readonly isServing: () => boolean
  /** A request was refused before any receiver saw it; `error` is what its sender was told, where it was told in words. */
  readonly refused: (listener: string, reason: string, error?: GuidepostError) => void
  /** Something broke that no sender can be blamed for. */
  readonly failed: (listener: string, error: unknown) => void
}

/** One port that is open. */
export interface OpenPort {
  /** Its key in the configuration's `listeners`. */
  readonly key: keyof Config['listeners']
  readonly host: string
  readonly port: number
}

type Listener = HttpListener | GrpcListener

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
    const { receivers } = this.#options
    const { http, otlpGrpc, otlpHttp } = config.listeners
    if (http !== undefined) await this.#openHttp(config, 'http', http, receivers.httpRoutes())
    if (otlpGrpc !== undefined) {
      await this.#openGrpc(config, 'otlpGrpc', otlpGrpc, receivers.otlpGrpcServices())
    }
    if (otlpHttp !== undefined) await this.#openHttp(config, 'otlpHttp', otlpHttp, receivers.otlpHttpRoutes())
  }

  /** Applies to connections and requests from now on. */
  reload({ limits }: Config): void {
    for (const listener of this.#listeners) listener.reload(limits)
  }

  /** Takes nothing more, and waits for what is under way. */
  async drain(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.drain()))
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const listener of this.#listeners) listener.destroy()
  }

  async #openHttp(
    config: Config,
    key: 'http' | 'otlpHttp',
    at: ListenerConfig,
    routes: readonly HttpRoute[],
  ): Promise<void> {
    const { connections, requestMs } = config.limits
    await this.#listen(
      key,
      at,
      new HttpListener({ ...this.#common(key, at), connections, requestMs, routes }),
    )
  }

  async #openGrpc(
    config: Config,
    key: 'otlpGrpc',
    at: ListenerConfig,
    services: GrpcServices,
  ): Promise<void> {
    const { budget, isServing } = this.#options
    const { connections, requestMs, messageBytes } = config.limits
    const bounds = { connections, requestMs, messageBytes, budget }
    const listener = new GrpcListener({ ...this.#common(key, at), ...bounds, ...services, isServing })
    await this.#listen(key, at, listener)
  }

  async #listen(key: OpenPort['key'], { host }: ListenerConfig, listener: Listener): Promise<void> {
    this.#listeners.push(listener)
    this.ports.push({ key, host, port: await listener.listen() })
  }

  #common(key: OpenPort['key'], { host, port, guid }: ListenerConfig) {
    const { refused, failed } = this.#options
    const name = names[key]
    return {
      ...{ host, port, guid, block: `listeners.${key}` },
      refused: (reason: string, error?: GuidepostError) => refused(name, reason, error),
      failed: (error: unknown) => failed(name, error),
    }
  }
}

/** The label of each listener in metrics and log lines. */
const names: Readonly<Record<OpenPort['key'], string>> = {
  http: 'http',
  otlpGrpc: 'otlp_grpc',
  otlpHttp: 'otlp_http',
}
