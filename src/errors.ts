/**
 * Coded errors. A code is stable, documented in docs/errors.md (a test compares both ways), and says whether a
 * repeat of the same call may succeed. Whoever answers a sender asks `canRetry`, never the class or the text.
 */

export type ErrorCode =
  // configuration, at start
  | 'GP_CONFIG'
  | 'GP_NODE_TOO_OLD'
  | 'GP_PORT_TAKEN'
  // what a sender got wrong
  | 'GP_BODY_TOO_LARGE'
  | 'GP_BODY_MALFORMED'
  | 'GP_ENCODING_UNSUPPORTED'
  | 'GP_TYPE_UNSUPPORTED'
  | 'GP_METHOD'
  | 'GP_PATH'
  | 'GP_QUERY'
  | 'GP_GUID_HEADER'
  | 'GP_ITEMS_REJECTED'
  | 'GP_BODY_INCOMPLETE'
  // what passes
  | 'GP_OVERLOADED'
  | 'GP_OVER_SHARE'
  | 'GP_MEMORY'
  | 'GP_LAGGING'
  | 'GP_TOO_SLOW'
  | 'GP_DRAINING'
  | 'GP_BUS_UNAVAILABLE'
  | 'GP_BUS_DEADLINE'
  | 'GP_DISK_FULL'
  | 'GP_DISK_FAILED'
  // what the bus refuses for good
  | 'GP_RECORD_TOO_LARGE'
  | 'GP_BUS_REFUSED'
  | 'GP_INTERNAL'

export class GuidepostError extends Error {
  readonly code: ErrorCode
  /** True when the same call may succeed later. */
  readonly canRetry: boolean

  constructor(code: ErrorCode, message: string, options: { canRetry: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'GuidepostError'
    this.code = code
    this.canRetry = options.canRetry
  }
}

/** An error as the label `reason` of a metric: its code without the prefix, in lower case. */
export function reasonOf({ code }: GuidepostError): string {
  return code.slice('GP_'.length).toLowerCase()
}

/** A failure that passes: the sender should try again. */
export function retryable(code: ErrorCode, message: string, cause?: unknown): GuidepostError {
  return new GuidepostError(code, message, { canRetry: true, cause })
}

/** A failure that a repeat cannot mend. */
export function permanent(code: ErrorCode, message: string, cause?: unknown): GuidepostError {
  return new GuidepostError(code, message, { canRetry: false, cause })
}
