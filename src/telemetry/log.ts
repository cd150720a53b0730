/**
 * The program's log: JSON lines, or readable ones on a terminal. Lines that would repeat are throttled, so that a
 * sender's mistake at a thousand requests a second does not become a thousand lines a second.
 */
import { createRequire } from 'node:module'
import pino from 'pino'
import { limits } from '../limits.ts'

/** The part of the configuration that this needs (`logging:`). */
export interface LoggingOptions {
  readonly level: string
  readonly format: 'auto' | 'json' | 'pretty'
}

export type Logger = pino.Logger

/** Where lines go. Standard output unless given. */
export type LogStream = NodeJS.WritableStream & { readonly isTTY?: boolean }

/**
 * A logger that writes at once and in this thread: no line is lost when the process ends, and no worker is started.
 * `auto` is readable on a terminal and JSON everywhere else. A failed write (a closed pipe) is ignored.
 */
export function createLogger(options: LoggingOptions, stream?: LogStream): Logger {
  const isTerminal = (stream ?? process.stdout).isTTY === true
  const settings: pino.LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  }
  if (options.format === 'json' || (options.format === 'auto' && !isTerminal)) {
    return pino(settings, stream ?? pino.destination({ dest: 1, sync: true }))
  }
  const lines = loadPretty()({
    destination: stream ?? 1,
    sync: true,
    colorize: isTerminal && !process.env['NO_COLOR'],
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
  })
  return pino(settings, lines)
}

/** Only where somebody reads the log as it is: 30 modules. At once, since the first line may be the last. */
function loadPretty(): typeof import('pino-pretty') {
  return createRequire(import.meta.url)('pino-pretty')
}

interface Quiet {
  untilMs: number
  repeats: number
}

/** Logs the first of equal lines at once, counts those that follow within the window, and says how many they were. */
export class Throttled {
  readonly #log: Logger
  readonly #throttleMs: number
  readonly #now: () => number
  readonly #kinds = new Map<string, Quiet>()

  /** `now` in milliseconds, from any start, never going back. */
  constructor(log: Logger, throttleMs: number, now: () => number = () => performance.now()) {
    this.#log = log
    this.#throttleMs = throttleMs
    this.#now = now
  }

  /** `key` says which lines are equal: a code or a place, never text that a sender chose. */
  warn(key: string, fields: object, message: string): void {
    this.#write('warn', key, fields, message)
  }

  error(key: string, fields: object, message: string): void {
    this.#write('error', key, fields, message)
  }

  #write(level: 'warn' | 'error', key: string, fields: object, message: string): void {
    const nowMs = this.#now()
    const kind = `${level}\0${key}`
    const quiet = this.#kinds.get(kind)
    if (quiet !== undefined && nowMs < quiet.untilMs) {
      quiet.repeats++
      return
    }
    this.#kinds.delete(kind)
    const oldest = this.#kinds.size >= limits.logThrottleKeysMax ? this.#kinds.keys().next() : undefined
    if (oldest?.done === false) this.#kinds.delete(oldest.value)
    this.#kinds.set(kind, { untilMs: nowMs + this.#throttleMs, repeats: 0 })
    const repeats = quiet?.repeats ?? 0
    this.#log[level](repeats === 0 ? fields : { ...fields, repeats }, message)
  }
}
