/** How @platformatic/kafka is asked for a connection, and the check that it is a version that can be trusted. */
import { isIP } from 'node:net'
import { type Base, type BaseOptions, clientSoftwareVersion } from '@platformatic/kafka'
import type { KafkaBusConfig } from '../../config/config.ts'
import { permanent } from '../../errors.ts'
import { limits } from '../../limits.ts'

/** Below this, idempotent sends were acknowledged and not stored. */
const versionMin = [2, 3, 0] as const

/** Throws a permanent `GP_CONFIG` error when the installed client library loses data. */
export function checkClientVersion(version: string = clientSoftwareVersion): void {
  const parts = version.split(/[.-]/, 3).map(Number)
  for (const [index, least] of versionMin.entries()) {
    const part = parts[index] ?? Number.NaN
    if (part > least) return
    if (part < least || Number.isNaN(part)) {
      const text = `@platformatic/kafka ${version} loses acknowledged records; ${versionMin.join('.')} or later is needed`
      throw permanent('GP_CONFIG', `${text}: run npm ci with Node 24`)
    }
  }
}

/** How long the broker itself may wait for the replicas. */
export function brokerTimeoutMs(config: KafkaBusConfig): number {
  return Math.ceil(config.appendMs / 2)
}

/** Milliseconds to wait after `failures` failed tries, at least one. */
export function repeatPauseMs(failures: number): number {
  return Math.min(limits.kafkaRetryMsMax, (limits.kafkaRetryMsMax / 10) * 2 ** (failures - 1))
}

/** Cuts the sockets first: a close in good order would still write what they hold. */
export function cut(client: Pick<Base, 'connections' | 'close'>): void {
  for (const [, connection] of client.connections) connection.socket?.destroy()
  client.close().catch(() => {})
}

export function connectionOptions(config: KafkaBusConfig): BaseOptions & { requestTimeout: number } {
  const options: BaseOptions & { requestTimeout: number } = {
    clientId: config.clientId,
    bootstrapBrokers: [...config.brokers],
    connectTimeout: config.connectMs,
    requestTimeout: config.appendMs,
    timeout: brokerTimeoutMs(config),
    retries: limits.kafkaRetriesMax,
    retryDelay: (_client, _operation, attempt) => repeatPauseMs(attempt),
    metadataMaxAge: 5 * limits.kafkaRefreshMs,
    autocreateTopics: false,
  }
  if (config.sasl !== undefined) options.sasl = { ...config.sasl }
  if (config.tls !== undefined) {
    const { ca, cert, key, serverName, verify } = config.tls
    options.tls = {
      rejectUnauthorized: verify,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    }
    // A server name must not be an address (RFC 6066, section 3); without one the certificate is checked against
    // the address itself.
    const isNamed = config.brokers.every((broker) => isIP(broker.slice(0, broker.lastIndexOf(':'))) === 0)
    if (serverName !== undefined) options.tlsServerName = serverName
    else if (isNamed) options.tlsServerName = true
  }
  return options
}
