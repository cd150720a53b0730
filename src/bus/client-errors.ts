/**
 * What an error of a Kafka client library means for the gateway. Both libraries nest their errors (`errors`, `cause`,
 * `originalError`) and name the broker's error after the protocol: @platformatic/kafka in `apiId`, kafkajs in `type`.
 */
import { limits } from '../limits.ts'
import { ClientError } from './partition-producer.ts'

interface ErrorFields {
  readonly name?: unknown
  readonly message?: unknown
  readonly code?: unknown
  readonly apiId?: unknown
  readonly type?: unknown
  readonly serverErrorMessage?: unknown
  readonly errors?: unknown
  readonly cause?: unknown
  readonly originalError?: unknown
}

/** The error and everything nested in it, outermost first. */
function* unfold(error: unknown, depth = 0): Generator<ErrorFields> {
  if (typeof error !== 'object' || error === null || depth > limits.errorDepthMax) return
  const fields: ErrorFields = error
  yield fields
  if (Array.isArray(fields.errors)) for (const nested of fields.errors) yield* unfold(nested, depth + 1)
  yield* unfold(fields.cause, depth + 1)
  yield* unfold(fields.originalError, depth + 1)
}

const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const refused = new Set(['INVALID_RECORD', 'INVALID_TIMESTAMP', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'])
/** What an operator has to do, by the broker's name for the error, or a library's or Node's own. */
const remedies: ReadonlyMap<string, string> = new Map(
  Object.entries({
    PLT_KFK_AUTHENTICATION: 'check kafka.sasl (mechanism, username, password)',
    KafkaJSSASLAuthenticationError: 'check kafka.sasl (mechanism, username, password)',
    SASL_AUTHENTICATION_FAILED: 'check kafka.sasl (mechanism, username, password)',
    UNSUPPORTED_SASL_MECHANISM: 'choose a kafka.sasl.mechanism that this listener offers',
    ILLEGAL_SASL_STATE: 'the listener expects SASL: set kafka.sasl',
    TOPIC_AUTHORIZATION_FAILED: "grant the gateway's user WRITE and DESCRIBE on its topics",
    CLUSTER_AUTHORIZATION_FAILED:
      "grant the gateway's user IDEMPOTENT_WRITE on the cluster, and CREATE if it makes topics",
    UNKNOWN_TOPIC_OR_PARTITION: 'the topic is gone: create it again',
    UNSUPPORTED_VERSION: 'broker and client library have no version in common: Kafka 3.5 or later is needed',
    UNSUPPORTED_COMPRESSION_TYPE: 'choose another kafka.compression',
    INVALID_REPLICATION_FACTOR: 'set kafka.replication to no more than the number of brokers',
    POLICY_VIOLATION: "create the topics by hand: the cluster's policy forbids them as they are configured",
    PLT_KFK_UNSUPPORTED_API: 'the broker is too old for the gateway: Kafka 3.5 or later is needed',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'set kafka.tls.ca to the certificate authority of the brokers',
    SELF_SIGNED_CERT_IN_CHAIN: 'set kafka.tls.ca to the certificate authority of the brokers',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'set kafka.tls.ca to the certificate authority of the brokers',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'set kafka.tls.ca to the certificate authority of the brokers',
    ERR_TLS_CERT_ALTNAME_INVALID: "set kafka.tls.serverName to a name in the broker's certificate",
    CERT_HAS_EXPIRED: "renew the broker's certificate",
  }),
)

/** True when `error`, or an error nested in it, is the broker's error of this name. */
export function isBrokerError(error: unknown, name: string): boolean {
  for (const { apiId, type } of unfold(error)) if (apiId === name || type === name) return true
  return false
}

/** `doing` is what the gateway was at, for the operator who reads the message. */
export function toClientError(error: unknown, doing: string): ClientError {
  let detail = ''
  for (const { apiId, type, code, name, message, serverErrorMessage } of unfold(error)) {
    // The innermost text says most: "connect ECONNREFUSED 127.0.0.1:9092", not "metadata failed 3 times".
    if (typeof message === 'string' && message !== '') detail = message
    if (typeof serverErrorMessage === 'string' && serverErrorMessage !== '') detail = serverErrorMessage
    for (const id of [apiId, type, code, name]) {
      if (typeof id !== 'string') continue
      if (tooLarge.has(id)) return new ClientError('too-large', `${doing}: ${detail}`, error)
      if (refused.has(id)) return new ClientError('refused', `${doing}: ${id}: ${detail}`, error)
      const remedy = remedies.get(id)
      if (remedy !== undefined)
        return new ClientError('operator', `${doing}: ${id}: ${detail}; ${remedy}`, error)
    }
    if (message === 'Broker requires TLS.') {
      return new ClientError('operator', `${doing}: the broker requires TLS: set kafka.tls`, error)
    }
  }
  return new ClientError('away', `${doing}: ${detail === '' ? String(error) : detail}`, error)
}
