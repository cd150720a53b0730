/** Reads the topics of an embedded log, also while another process writes them. Takes no lock, changes nothing. */
import { join } from 'node:path'
import { permanent } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { OnSegmentEvent } from '../../segment/events.ts'
import { type FileSystem, fileErrorCode, nodeFileSystem } from '../../segment/file-system.ts'
import type { ParsedRecord } from '../../segment/format.ts'
import { SegmentReader } from '../../segment/reader.ts'
import type { BusReader, ReadOptions, StoredRecord } from '../bus.ts'
import { recordHeaders } from '../headers.ts'
import { listTopics } from './topics.ts'

export interface LogReaderOptions {
  /** What is damaged is reported here and passed over. */
  readonly onEvent?: OnSegmentEvent
  readonly fs?: FileSystem
}

interface OpenTopic {
  readonly topic: string
  readonly reader: SegmentReader
  readonly unwatch: () => void
}

/** Wakes whoever waits when something changes; a change between two waits is not lost. */
class Bell {
  #hasRung = false
  #wake: (() => void) | undefined

  ring = (): void => {
    this.#hasRung = true
    this.#wake?.()
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#hasRung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
        signal.addEventListener('abort', this.ring, { once: true })
      })
      signal.removeEventListener('abort', this.ring)
      this.#wake = undefined
    }
    this.#hasRung = false
  }
}

export class LogReader implements BusReader {
  readonly #directory: string
  readonly #fs: FileSystem
  readonly #onEvent: OnSegmentEvent
  readonly #closing = new AbortController()

  /** `directory` is the log's, the one that holds a folder for each topic. */
  constructor(directory: string, options: LogReaderOptions = {}) {
    this.#directory = directory
    this.#fs = options.fs ?? nodeFileSystem
    this.#onEvent = options.onEvent ?? (() => undefined)
  }

  /**
   * Topics are read one after the other as far as they go, then, when following, as they grow. A log or topic that
   * does not exist has no records. Throws GP_CONFIG when the directory cannot be read.
   */
  async *read(options: ReadOptions): AsyncGenerator<StoredRecord> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal])
    const bell = new Bell()
    const topics = new Map<string, OpenTopic>()
    const unwatch = options.follow ? this.#fs.watch(this.#directory, bell.ring) : () => undefined
    try {
      let from = options.from
      while (!signal.aborted) {
        for (const topic of await this.#topicNames(options.topics)) {
          if (!topics.has(topic)) topics.set(topic, await this.#openTopic(topic, from, options.follow, bell))
        }
        // A topic that appears later is new as a whole.
        from = 'begin'
        let count = 0
        for (const { topic, reader } of topics.values()) {
          for (let stored = await reader.next(); stored !== undefined; stored = await reader.next()) {
            if (signal.aborted) return
            count += 1
            yield toStoredRecord(topic, stored)
            if (signal.aborted) return
          }
        }
        if (count > 0) continue
        if (!options.follow) return
        await bell.wait(limits.logPollMs, signal)
      }
    } finally {
      unwatch()
      for (const topic of topics.values()) {
        topic.unwatch()
        await topic.reader.close()
      }
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  async #openTopic(topic: string, from: 'begin' | 'end', follow: boolean, bell: Bell): Promise<OpenTopic> {
    const directory = join(this.#directory, topic)
    const reader = new SegmentReader({ fs: this.#fs, directory, onEvent: this.#onEvent })
    const unwatch = follow ? this.#fs.watch(directory, bell.ring) : () => undefined
    if (from === 'end') await reader.seekToEnd()
    if (!follow) await reader.stopAtPresentEnd()
    return { topic, reader, unwatch }
  }

  async #topicNames(wanted: readonly string[]): Promise<string[]> {
    try {
      const names = await listTopics(this.#fs, this.#directory)
      return names.filter((name) => wanted.length === 0 || wanted.includes(name))
    } catch (error) {
      const code = fileErrorCode(error)
      if (code === 'ENOENT') return []
      throw permanent('GP_CONFIG', `The log directory ${this.#directory} cannot be read (${code})`, error)
    }
  }
}

function toStoredRecord(topic: string, record: ParsedRecord): StoredRecord {
  return {
    topic,
    partition: 0,
    offset: record.offset,
    timestampMs: record.receivedAtMs,
    key: record.guid,
    headers: recordHeaders(record),
    value: Buffer.from(record.value),
  }
}
