/** The program on a log of its own, for tests that try something on it and then ask whether it is still well. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { StoredRecord } from '../../src/bus/bus.ts'
import { readLog, seriesOf } from './bus-read.ts'
import { type LedgerEntry, type Sample, sumOf } from './exposition.ts'
import { assertLedger, type LedgerOptions } from './ledger.ts'
import { Program, type ProgramOptions } from './program.ts'
import { messageV1, peakBytes, post, series, snappy } from './senders.ts'
import { until } from './until.ts'

/** What the program may occupy, whatever is sent to it. */
export const residentBytesMax = 400e6

/** Where things to be undone are handed in: a test's context, or `{ after }` of node:test for a whole file. */
export interface Cleanup {
  after(undo: () => Promise<unknown>): void
}

export async function temporaryDirectory(context: Cleanup): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-test-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export class Running {
  readonly program: Program
  readonly directory: string
  #probes = 0

  private constructor(program: Program, directory: string) {
    this.program = program
    this.directory = directory
  }

  /** Starts the program on an empty log; it is ended with the test, when its books must be even. */
  static async start(
    context: Cleanup,
    options: Omit<ProgramOptions, 'bus'> = {},
    books: LedgerOptions = {},
  ): Promise<Running> {
    const directory = await temporaryDirectory(context)
    const program = await Program.start({ bus: `log:${directory}`, ...options })
    context.after(() => program.end(books))
    return new Running(program, directory)
  }

  get port(): number {
    return this.program.httpPort
  }

  async counter(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return sumOf(await this.program.metrics(), name, labels)
  }

  /** Requests refused as a whole, by reason; over all receivers. */
  refused(reason: string): Promise<number> {
    return this.counter('guidepost_refused_requests_total', { reason })
  }

  /** Records of the log, of all topics. */
  records(): Promise<StoredRecord[]> {
    return readLog(this.directory)
  }

  /** Labels of every series in the log, each as an object. A repeated name is an array's worth of trouble: it throws. */
  async stored(): Promise<Record<string, string>[]> {
    const records = await this.records()
    return records.flatMap(seriesOf).map(({ labels }) => {
      const entries = new Map(labels)
      assert.equal(entries.size, labels.length, `a name comes twice: ${JSON.stringify(labels).slice(0, 500)}`)
      return Object.fromEntries(entries)
    })
  }

  /**
   * A good request is taken and lies in the log, the books are even, nothing is in flight, and the memory never went
   * above its bound.
   */
  async assertWell(): Promise<Map<string, LedgerEntry>> {
    const ledger = await this.assertServing()
    const probes = (await this.records()).filter(({ key }) => key === 'probe')
    assert.ok(probes.some(({ value }) => value.includes(`probe-${this.#probes}`)))
    return ledger
  }

  /** The same without reading the log, for one that is very long. */
  async assertServing(bytesMax = residentBytesMax): Promise<Map<string, LedgerEntry>> {
    const id = `probe-${++this.#probes}`
    const reply = await post(this.port, snappy(messageV1(series('probe', id))))
    assert.equal(reply.status, 204, reply.text)
    let samples: Sample[] = []
    await until('nothing is in flight', 10_000, async () => {
      samples = await this.program.metrics()
      return sumOf(samples, 'guidepost_inflight_bytes') === 0
    })
    const ledger = assertLedger(samples)
    const peak = await peakBytes(this.program.pid)
    assert.ok(peak < bytesMax, `the program has occupied ${Math.round(peak / 1e6)} MB`)
    const trouble = this.program.logs.filter(({ level }) => level === 'fatal' || level === 'error')
    assert.deepEqual(trouble, [], 'no error in the log for what a sender did')
    return ledger
  }
}
