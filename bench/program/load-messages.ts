/** What the bench and its load generator say to each other. */
import type { TimeWindow } from '../support/case.ts'
import type { CpuSeconds } from '../support/process-usage.ts'

export interface LoadSettings {
  readonly port: number
  /** Whole requests, head and body, sent in turn. */
  readonly requests: readonly Uint8Array[]
  readonly connections: number
  /** Requests a second over all connections; undefined: each connection sends as soon as it was answered. */
  readonly ratePerSecond: number | undefined
  /** The program under load, whose CPU time is read at both ends of a window. */
  readonly pid: number
}

/** What happened between `begin` and `end`. */
export interface LoadWindow extends TimeWindow {
  readonly seconds: number
  /** Of the program. */
  readonly cpu: CpuSeconds
  /** Requests answered with 204. */
  readonly acknowledged: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export type LoadCommand =
  | { readonly type: 'start'; readonly settings: LoadSettings }
  | { readonly type: 'begin' | 'end' | 'stop' }

export type LoadReport =
  | { readonly type: 'ready' }
  | { readonly type: 'begun' }
  | { readonly type: 'window'; readonly window: LoadWindow }
  /** After the last answer: how many requests were sent with it, and all of them answered with 204. */
  | { readonly type: 'stopped'; readonly acknowledged: number }
  /** An answer that is no 204, or a connection that broke. The load is over. */
  | { readonly type: 'failed'; readonly text: string }
