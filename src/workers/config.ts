/** The configuration as workers get it, beside their share of totals (`config/workers.ts`). */
import type { Config, ListenersConfig } from '../config/config.ts'
import { udpListeners } from '../config/schema-listeners.ts'
import type { OpenPort } from '../listeners.ts'

/** Whether the system is to choose a UDP port, which all workers must then have from the first one. */
export function hasChosenPort({ listeners }: Config): boolean {
  return udpListeners.some((key) => listeners[key]?.port === 0)
}

/** With the UDP ports that the system has chosen. Those of TCP the primary owns. */
export function withPorts(config: Config, ports: readonly OpenPort[]): Config {
  const chosen: Partial<ListenersConfig> = Object.fromEntries(
    udpListeners.flatMap((key) => {
      const at = config.listeners[key]
      const port = ports.find((open) => open.key === key)?.port
      return at?.port === 0 && port !== undefined ? [[key, { ...at, port }]] : []
    }),
  )
  return { ...config, listeners: { ...config.listeners, ...chosen } }
}

/**
 * What a worker that is started after a reload gets: the new rules and limits, and of all else what the workers that were
 * there go on with.
 */
export function reloaded(old: Config, next: Config): Config {
  const { remoteWrite, otlp, jaeger, zipkin } = old.receivers
  return {
    ...old,
    guid: next.guid,
    limits: next.limits,
    receivers: {
      remoteWrite: {
        ...next.receivers.remoteWrite,
        enabled: remoteWrite.enabled,
        encoding: remoteWrite.encoding,
      },
      otlp: { ...next.receivers.otlp, enabled: otlp.enabled },
      jaeger: { ...next.receivers.jaeger, enabled: jaeger.enabled, encoding: jaeger.encoding },
      zipkin: { ...next.receivers.zipkin, enabled: zipkin.enabled, encoding: zipkin.encoding },
    },
  }
}
