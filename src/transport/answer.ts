/**
 * What a receiver answers, and the one table from error codes to HTTP status. A sender reads the status as an order:
 * 2xx durable, 4xx never succeeds (it drops), 5xx try again.
 */
import type { ErrorCode, GuidepostError } from '../errors.ts'
import { limits } from '../limits.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Empty for 204. Plain text, ending in a newline, unless `contentType` says otherwise. */
  readonly body: string | Buffer
  /** Undefined: `text/plain; charset=utf-8`, or none when the body is empty. */
  readonly contentType?: string
}

const statuses: Partial<Record<ErrorCode, number>> = {
  GP_BODY_TOO_LARGE: 413,
  GP_BODY_MALFORMED: 400,
  GP_ENCODING_UNSUPPORTED: 415,
  GP_TYPE_UNSUPPORTED: 415,
  GP_METHOD: 405,
  GP_PATH: 404,
  GP_QUERY: 400,
  GP_GUID_HEADER: 400,
  GP_ITEMS_REJECTED: 400,
  GP_INTERNAL: 500,
}

/** The answer for an error: its code and its message. What may be retried is always 503, with Retry-After. */
export function answerFor(error: GuidepostError, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = `${error.code}: ${error.message}\n`
  if (error.canRetry) {
    return { status: 503, body, headers: { ...headers, 'retry-after': String(limits.retryAfterSeconds) } }
  }
  return { status: statuses[error.code] ?? 500, body, headers }
}
