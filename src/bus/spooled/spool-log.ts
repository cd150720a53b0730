/** What a spool tells an operator: log lines and counted events, each once for as long as it lasts. */
import type { GuidepostError } from '../../errors.ts'
import type { SegmentEvent } from '../../segment/events.ts'
import type { EventName } from '../../telemetry/events.ts'

export interface SpooledBusLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export class SpoolLog {
  readonly #log: SpooledBusLogger
  readonly #onEvent: (name: EventName) => void
  #isSpooling = false
  #isParking = false
  #stuckReason = ''
  #unavailableReason = ''

  /** `onEvent` is told of each rare event, by its name. */
  constructor(log: SpooledBusLogger, onEvent: (name: EventName) => void) {
    this.#log = log
    this.#onEvent = onEvent
  }

  unavailable(directory: string, { message: reason }: GuidepostError): void {
    if (this.#unavailableReason === reason) return
    this.#unavailableReason = reason
    this.#onEvent('spool_unavailable')
    this.#log.error(
      { directory, reason },
      'There is no spool: senders are told to wait while the bus is away',
    )
  }

  available(directory: string): void {
    if (this.#unavailableReason === '') return
    this.#unavailableReason = ''
    this.#onEvent('spool_available')
    this.#log.info({ directory }, 'The spool could be opened')
  }

  notAdopted(directory: string, reason: string): void {
    this.#onEvent('spool_not_adopted')
    const text = 'The spool of a worker that there is no more is left as it is'
    this.#log.error({ directory, reason }, text)
  }

  cursorProblem(directory: string, text: string): void {
    this.#onEvent('spool_cursor')
    this.#log.warn({ directory }, `The spool may deliver records twice: ${text}`)
  }

  foundBacklog(directory: string, bytes: number): void {
    this.#isSpooling = true
    this.#log.info({ directory, bytes }, 'the spool holds records of an earlier run')
  }

  knowsBacklog(directory: string, records: number): void {
    this.#log.info({ directory, records }, 'what an earlier run left in the spool is known')
  }

  spooled(directory: string, reason: string): void {
    if (this.#isSpooling) return
    this.#isSpooling = true
    this.#onEvent('spool_begun')
    const text = 'the bus does not take everything: what it does not take is spooled'
    this.#log.warn({ directory, reason }, text)
  }

  /** `reason` is empty when the bus was not asked: they go behind others that were there before. */
  parked(directory: string, reason: string): void {
    if (this.#isParking || reason === '') return
    this.#isParking = true
    this.#onEvent('spool_parked')
    const text =
      'the bus takes some records and not others: these are parked, and tried again beside the rest'
    this.#log.warn({ directory, reason }, text)
  }

  /** Something was delivered. */
  moves(): void {
    this.#stuckReason = ''
  }

  /** A level is at its end for now. */
  caughtUp(directory: string, records: number, parkedRecords: number): void {
    if (this.#isParking && parkedRecords === 0) {
      this.#isParking = false
      this.#onEvent('spool_parked_delivered')
      this.#log.info({ directory }, 'all that was parked is on the bus')
    }
    if (!this.#isSpooling || records > 0) return
    this.#isSpooling = false
    this.#onEvent('spool_emptied')
    this.#log.info({ directory }, 'the spool is empty: everything in it is on the bus')
  }

  missing(directory: string, records: number, items: number): void {
    this.#onEvent('spool_records_missing')
    const text = 'Records of the spool could not be read; see its folder quarantine'
    this.#log.error({ directory, records, items }, text)
  }

  unknown(file: string): void {
    this.#onEvent('spool_unknown_record')
    this.#log.error({ file }, 'A record of the spool is of no known kind and is set aside')
  }

  stuck(directory: string, reason: string): void {
    if (this.#stuckReason === reason) return
    this.#stuckReason = reason
    this.#onEvent('spool_stuck')
    this.#log.error({ directory, reason }, 'The spool is not delivered; nothing in it is given up')
  }

  segment(event: SegmentEvent): void {
    this.#onEvent(event.kind)
    const text = `The spool: ${event.kind.replaceAll('_', ' ')}`
    if (event.kind === 'disk_recovered') this.#log.info(event, text)
    else if (event.kind === 'torn_tail') this.#log.warn(event, text)
    else this.#log.error(event, text)
  }
}
