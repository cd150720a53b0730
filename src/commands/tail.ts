/** `guidepost tail`: records of the bus as JSON, one a line, for people and for `jq`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { BusReader, StoredRecord } from '../bus/bus.ts'
import { formatProblem, loadConfig } from '../config/load.ts'
import { GuidepostError } from '../errors.ts'
import { decodeValue } from './decode.ts'
import { exitCodes, hasColours, type Io, Output } from './io.ts'
import { openReader } from './open-reader.ts'

export interface TailOptions {
  readonly config: string | undefined
  readonly bus: string | undefined
  readonly topics: readonly string[]
  readonly guid: string | undefined
  readonly from: 'begin' | 'end'
  /** Infinity for all. */
  readonly limit: number
  readonly follow: boolean
  readonly summary: boolean
  /** A folder for the values as they are. */
  readonly raw: string | undefined
}

export async function tail(options: TailOptions, io: Io): Promise<number> {
  const overrides = { bus: options.bus }
  const loaded = loadConfig({ file: options.config, env: io.env, cwd: io.cwd, overrides })
  const complain = (text: string) => io.stderr.write(`guidepost tail: ${text}\n`)
  if (loaded.config === undefined) {
    for (const problem of loaded.problems) complain(formatProblem(problem))
    return exitCodes.failed
  }
  const { bus } = loaded.config
  try {
    if (options.raw !== undefined) mkdirSync(resolve(io.cwd, options.raw), { recursive: true })
    const output = new Output(io.stdout)
    const stop = AbortSignal.any([io.interrupt(), output.closed])
    const reader = await openReader(bus, complain)
    try {
      const count = await show(reader, options, io, output, stop)
      const isIdle = count === 0 && !options.follow && !stop.aborted
      if (isIdle) complain(`${bus.url} holds nothing that was asked for; --follow waits for more`)
    } finally {
      await reader.close()
    }
    return exitCodes.ok
  } catch (error) {
    const code = error instanceof GuidepostError ? ` [${error.code}]` : ''
    complain(`${error instanceof Error ? error.message : String(error)}${code}`)
    return exitCodes.failed
  }
}

/** Writes records until there are no more, enough, or somebody stops it; returns their number. */
async function show(
  reader: BusReader,
  options: TailOptions,
  io: Io,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { topics, from, follow, guid, limit } = options
  const colours = hasColours(io.stdout, io.env)
  let count = 0
  for await (const record of reader.read({ topics, from, follow, signal })) {
    if (signal.aborted) break
    if (guid !== undefined && guidOf(record) !== guid) continue
    const line = JSON.stringify(describe(record, options, io.cwd))
    await output.line(colours ? coloured(line) : line)
    count += 1
    if (count >= limit) break
  }
  return count
}

function guidOf(record: StoredRecord): string {
  return record.headers['guid'] ?? record.key
}

function describe(record: StoredRecord, { raw, summary }: TailOptions, cwd: string): object {
  const { encoding = '', items, guid: _, ...headers } = record.headers
  const count = Number(items)
  return {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestampMs,
    guid: guidOf(record),
    encoding,
    items: Number.isSafeInteger(count) ? count : null,
    bytes: record.value.length,
    headers,
    ...(raw === undefined ? {} : { file: writeRaw(record, raw, cwd) }),
    ...(summary ? {} : payloadOf(encoding, record)),
  }
}

function payloadOf(encoding: string, { topic, headers, value }: StoredRecord): object {
  // A dead letter says in its headers for which topic it was.
  const decoded = decodeValue(encoding, value, topic === 'dead_letters' ? (headers['topic'] ?? '') : topic)
  return 'reason' in decoded ? { payload: null, payload_error: decoded.reason } : decoded
}

function writeRaw({ topic, partition, offset, value }: StoredRecord, folder: string, cwd: string): string {
  // A topic's name is of the bus, not of the gateway; it must not lead out of the folder.
  const safeTopic = topic.replace(/[^A-Za-z0-9._-]/g, '_')
  const file = join(folder, `${safeTopic}-${partition}-${String(offset).padStart(20, '0')}`)
  writeFileSync(resolve(cwd, file), value)
  return file
}

/** Keys dim, so that the values stand out. */
function coloured(line: string): string {
  return line.replace(/"(?:[^"\\]|\\.)*"(:?)/g, (text, colon: string) =>
    colon === ':' ? `\u001b[2m${text.slice(0, -1)}\u001b[22m:` : `\u001b[32m${text}\u001b[39m`,
  )
}
