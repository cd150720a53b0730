/** What the primary and its workers say to each other, over the channel that a worker is started with. */
import type { Readiness } from '../admin/admin.ts'
import type { Config } from '../config/config.ts'
import type { WorkerPlace } from '../config/workers.ts'
import type { ErrorCode } from '../errors.ts'
import type { OpenPort } from '../listeners.ts'
import type { Counts } from '../telemetry/counts.ts'

/** How a worker is, and all that it has counted since it was started. */
export interface Report {
  readonly readiness: Readiness
  /** Facts for an operator. */
  readonly status: Readonly<Record<string, unknown>>
  readonly counts: Counts
}

/** Of the primary. `start` is the first; the configuration is the worker's share of it. */
export type Order =
  | { readonly kind: 'start'; readonly config: Config; readonly place: WorkerPlace }
  | { readonly kind: 'reload'; readonly config: Config }
  /** Wants a report at once, with this number. */
  | { readonly kind: 'report'; readonly number: number }
  | { readonly kind: 'drain' }
  /** What is not finished is cut. */
  | { readonly kind: 'hurry' }

/** Of a worker. */
export type Word =
  | { readonly kind: 'open'; readonly ports: readonly OpenPort[]; readonly report: Report }
  /** It could not start, and an operator has to act. */
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }
  /** `number`: that of the order; undefined for those that come by themselves. */
  | { readonly kind: 'report'; readonly number: number | undefined; readonly report: Report }
  /** The last word. */
  | { readonly kind: 'drained'; readonly inTime: boolean; readonly report: Report }
