/** What an error of @platformatic/kafka means for the gateway: its errors nest in `errors` and in `cause`. */
import { ClientError } from '../partition-producer.ts'

interface ErrorFields {
  readonly message?: unknown
  readonly code?: unknown
  readonly apiId?: unknown
  readonly serverErrorMessage?: unknown
  readonly errors?: unknown
  readonly cause?: unknown
}

const depthMax = 8

/** The error and everything nested in it, outermost first. */
function* unfold(error: unknown, depth = 0): Generator<ErrorFields> {
  if (typeof error !== 'object' || error === null || depth > depthMax) return
  const fields: ErrorFields = error
  yield fields
  if (Array.isArray(fields.errors)) for (const nested of fields.errors) yield* unfold(nested, depth + 1)
  yield* unfold(fields.cause, depth + 1)
}

const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const refused = new Set(['INVALID_RECORD', 'INVALID_TIMESTAMP', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'])
/** What an operator has to do, by the broker's error name or the code of a TLS or library error. */
const remedies: Readonly<Record<string, string>> = {
  PLT_KFK_AUTHENTICATION: 'check kafka.sasl (mechanism, username, password)',
  SASL_AUTHENTICATION_FAILED: 'check kafka.sasl (mechanism, username, password)',
  UNSUPPORTED_SASL_MECHANISM: 'choose a kafka.sasl.mechanism that this listener offers',
  ILLEGAL_SASL_STATE: 'the listener expects SASL: set kafka.sasl',
  TOPIC_AUTHORIZATION_FAILED: "grant the gateway's user WRITE and DESCRIBE on its topics",
  CLUSTER_AUTHORIZATION_FAILED:
    "grant the gateway's user IDEMPOTENT_WRITE on the cluster, and CREATE if it makes topics",
  UNKNOWN_TOPIC_OR_PARTITION: 'the topic is gone: create it again',
  UNSUPPORTED_VERSION: 'the broker is too old for the gateway: Kafka 3.5 or later is needed',
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
}

/** True when `error`, or an error nested in it, is the broker's error `apiId`. */
export function isBrokerError(error: unknown, apiId: string): boolean {
  for (const fields of unfold(error)) if (fields.apiId === apiId) return true
  return false
}

/** `doing` is what the gateway was at, for the operator who reads the message. */
export function toClientError(error: unknown, doing: string): ClientError {
  let detail = ''
  for (const { apiId, code, message, serverErrorMessage } of unfold(error)) {
    const name = typeof apiId === 'string' ? apiId : typeof code === 'string' ? code : ''
    // The innermost text says most: "connect ECONNREFUSED 127.0.0.1:9092", not "metadata failed 3 times".
    if (typeof message === 'string' && message !== '') detail = message
    if (typeof serverErrorMessage === 'string' && serverErrorMessage !== '') detail = serverErrorMessage
    if (tooLarge.has(name)) return new ClientError('too-large', `${doing}: ${detail}`, error)
    if (refused.has(name)) return new ClientError('refused', `${doing}: ${name}: ${detail}`, error)
    const remedy = remedies[name]
    if (remedy !== undefined)
      return new ClientError('operator', `${doing}: ${name}: ${detail}; ${remedy}`, error)
    if (message === 'Broker requires TLS.') {
      return new ClientError('operator', `${doing}: the broker requires TLS: set kafka.tls`, error)
    }
  }
  return new ClientError('away', `${doing}: ${detail === '' ? String(error) : detail}`, error)
}
