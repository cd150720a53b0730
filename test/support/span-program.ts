/** The program as clients of Jaeger and Zipkin and the readers of its bus see it. */
import assert from 'node:assert/strict'
import { assertRecords, storedOf } from './otlp-program.ts'
import type { Running } from './running.ts'
import { until } from './until.ts'

export type SpanListener =
  | 'http'
  | 'jaegerGrpc'
  | 'jaegerHttp'
  | 'jaegerCompact'
  | 'jaegerBinary'
  | 'zipkinCompact'
  | 'jaegerSampling'
  | 'zipkin'

const ARRIVED_MS_MAX = 20_000

/** Port of a listener, from the program's log. */
export function spanPort({ program }: Pick<Running, 'program'>, listener: SpanListener): number {
  const line = program.logs.find((entry) => entry.msg === 'listening' && entry['listener'] === listener)
  const port = line?.['port']
  if (typeof port !== 'number') throw new Error(`the program does not say on which port ${listener} listens`)
  return port
}

/** Ids for the spans of one test: `NAME 0`, `NAME 1` … */
export function idsOf(name: string, count = 12): string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index}`)
}

/**
 * Waits until the bus holds as many spans whose ids begin with `name` as there are ids, and asserts that they are those,
 * each once, each in a record of `guid` and stamped with it.
 */
export async function assertStored(
  running: Running,
  name: string,
  guid: string,
  ids: readonly string[],
): Promise<void> {
  let stored: string[] = []
  await until(`${ids.length} spans of ${name} are on the bus`, ARRIVED_MS_MAX, async () => {
    stored = storedOf('traces', name, await running.records())
    return stored.length >= ids.length
  })
  assert.deepEqual(stored, ids.map((id) => `${guid} ${id}`).toSorted())
  assertRecords(await running.records())
}
