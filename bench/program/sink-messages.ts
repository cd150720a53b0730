/** What the bench and the sink behind vmagent say to each other. */
import type { Delivered } from './tally.ts'

export type SinkCommand = { readonly type: 'start' | 'progress' | 'count' }

export type SinkReport =
  | { readonly type: 'listening'; readonly port: number }
  /** Requests so far. */
  | { readonly type: 'progress'; readonly received: number }
  | { readonly type: 'counted'; readonly delivered: Delivered }
  | { readonly type: 'failed'; readonly text: string }
