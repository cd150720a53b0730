/** What a process that runs for long makes of signals, and of what nobody has caught. */
import type { Config } from './config/config.ts'
import type { Logger } from './telemetry/log.ts'

/** What is run: one gateway, or the primary of several. */
export interface Runner {
  /** Opens everything. Throws a coded error when an operator has to act; what was opened by then is closed again. */
  start(): Promise<void>
  /** Takes over rules and limits; says what only a restart can change. */
  reload(config: Config): void
  /** Stops taking requests, finishes what is under way, closes everything. False when the deadline or `hurry` cut it short. */
  drain(hurry: Promise<void>): Promise<boolean>
  /** Resolves when it cannot go on, with the reason. */
  readonly broken?: Promise<string>
}

/** The first SIGTERM or SIGINT stops, the second one hurries; SIGHUP reloads. From the making of this on they are ours. */
export class Signals {
  readonly stop: Promise<void>
  readonly hurry: Promise<void>
  #reload: (() => void) | undefined
  #reloadWanted = false

  constructor() {
    const stop = Promise.withResolvers<void>()
    const hurry = Promise.withResolvers<void>()
    this.stop = stop.promise
    this.hurry = hurry.promise
    let count = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => (count++ === 0 ? stop.resolve() : hurry.resolve()))
    }
    process.on('SIGHUP', () => {
      if (this.#reload === undefined) this.#reloadWanted = true
      else this.#reload()
    })
  }

  onReload(reload: () => void): void {
    this.#reload = reload
    if (this.#reloadWanted) reload()
  }
}

/** A promise that nobody waits for may fail without harm; an exception that nobody caught leaves an unknown state: `end`. */
export function survive(log: Logger, end: () => void): void {
  process.on('unhandledRejection', (error) =>
    log.error({ err: error }, 'something failed that nobody waited for'),
  )
  process.on('uncaughtException', (error) => {
    log.fatal(
      { err: error },
      'the gateway is in an unknown state and ends; nothing unacknowledged is promised',
    )
    end()
  })
}
