/** What a benchmark is: a named case that yields figures, run several times. */

/** One number of one run. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly value: number
}

export interface RunOptions {
  /** Seconds of measuring in each run, after the warm-up. */
  readonly seconds: number
  /** Where the CPU profile goes; undefined for none. */
  readonly profileDirectory: string | undefined
  /** Open connections of the whole-program cases. */
  readonly connections: number
  /** Told the time that was measured, so that a profile can be cut to it. */
  readonly onWindow?: (window: TimeWindow) => void
}

/** Microseconds of the system's monotonic clock, which CPU profiles count as well. */
export interface TimeWindow {
  readonly fromUs: number
  readonly toUs: number
}

export interface Case {
  /** `kernel/…`, `program/…` or `soak/…`. */
  readonly name: string
  /** One run: its figures, always the same ones in the same order. Throws when the work was done wrong. */
  run(options: RunOptions): Promise<readonly Figure[]>
  /** Long cases run only when the filter names them. */
  readonly isOnRequest?: boolean
  /** Figures that make the case a line of the summary at the end. */
  readonly columns?: readonly string[]
  /** For cases whose repetition tells nothing. */
  readonly runsMax?: number
  /** The work alone, for `npm run bench:check`; made anew for each use. */
  readonly held?: () => Held
  /** The program that the case measures the gateway beside, in turn: its first figure is the ratio of the two. */
  readonly beside?: Peer
  /** Points of the lines that show how cost grows with the work. */
  readonly growth?: readonly Growth[]
}

/** Work on so many bytes, whose time is held against that of a copy of as many. */
export interface Held {
  readonly bytes: number
  readonly work: () => void
}

/** vmagent runs where `VMAGENT` names it. */
export type Peer = 'Collector' | 'vmagent'

/**
 * One point of a line. Points with the same `axis` and kind of figure make a chart, those with the same `line` are joined.
 *
 *     { axis: 'spans a request', at: 100, line: 'OTLP gRPC', figure: 'gateway: CPU per item' }
 */
export interface Growth {
  /** What grows, with its unit: `spans a request`. */
  readonly axis: string
  readonly at: number
  /** `OTLP gRPC`, or with who it is when a chart shows several: `Collector, OTLP gRPC`. */
  readonly line: string
  /** A figure of the case; what stands before a colon is not part of the chart's name. */
  readonly figure: string
}
