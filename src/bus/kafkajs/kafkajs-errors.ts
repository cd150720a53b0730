/** What an error of kafkajs means for the gateway: protocol errors carry the broker's name for them in `type`. */
import { ClientError } from '../partition-producer.ts'

interface ErrorFields {
  readonly name?: unknown
  readonly message?: unknown
  readonly type?: unknown
  readonly code?: unknown
  readonly errors?: unknown
  readonly cause?: unknown
  readonly originalError?: unknown
}

const depthMax = 8

/** The error and everything nested in it, outermost first. */
function* unfold(error: unknown, depth = 0): Generator<ErrorFields> {
  if (typeof error !== 'object' || error === null || depth > depthMax) return
  const fields: ErrorFields = error
  yield fields
  if (Array.isArray(fields.errors)) for (const nested of fields.errors) yield* unfold(nested, depth + 1)
  yield* unfold(fields.cause, depth + 1)
  yield* unfold(fields.originalError, depth + 1)
}

const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const refused = new Set(['INVALID_RECORD', 'INVALID_TIMESTAMP', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'])
/** What an operator has to do, by the broker's error name, kafkajs's own name, or the code of a TLS error. */
const remedies: Readonly<Record<string, string>> = {
  KafkaJSSASLAuthenticationError: 'check kafka.sasl (mechanism, username, password)',
  SASL_AUTHENTICATION_FAILED: 'check kafka.sasl (mechanism, username, password)',
  TOPIC_AUTHORIZATION_FAILED: "grant the gateway's user WRITE and DESCRIBE on its topics",
  CLUSTER_AUTHORIZATION_FAILED:
    "grant the gateway's user IDEMPOTENT_WRITE on the cluster, and CREATE if it makes topics",
  UNKNOWN_TOPIC_OR_PARTITION: 'the topic is gone: create it again',
  UNSUPPORTED_VERSION: 'the broker and kafkajs have no version in common: use kafka.client: platformatic',
  INVALID_REPLICATION_FACTOR: 'set kafka.replication to no more than the number of brokers',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'set kafka.tls.ca to the certificate authority of the brokers',
  SELF_SIGNED_CERT_IN_CHAIN: 'set kafka.tls.ca to the certificate authority of the brokers',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'set kafka.tls.ca to the certificate authority of the brokers',
  ERR_TLS_CERT_ALTNAME_INVALID: "set kafka.tls.serverName to a name in the broker's certificate",
}

/** `doing` is what the gateway was at, for the operator who reads the message. */
export function toClientError(error: unknown, doing: string): ClientError {
  let detail = ''
  for (const { type, name, code, message } of unfold(error)) {
    if (typeof message === 'string' && message !== '') detail = message
    for (const id of [type, code, name]) {
      if (typeof id !== 'string') continue
      if (tooLarge.has(id)) return new ClientError('too-large', `${doing}: ${detail}`, error)
      if (refused.has(id)) return new ClientError('refused', `${doing}: ${id}: ${detail}`, error)
      const remedy = remedies[id]
      if (remedy !== undefined)
        return new ClientError('operator', `${doing}: ${id}: ${detail}; ${remedy}`, error)
    }
  }
  return new ClientError('away', `${doing}: ${detail === '' ? String(error) : detail}`, error)
}
