/** What is measured: the gateway and its peer, each a process of its own before the same Kafka. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Sample } from '../../test/support/exposition.ts'
import { Program } from '../../test/support/program.ts'
import { throughPins } from '../support/pinning.ts'
import { openBus, openPeerTopic } from './buses.ts'
import { Collector, type CollectorEntry, type CollectorMode } from './collector.ts'
import { type Inspect, inspectPoints, inspectSpans } from './stored-items.ts'
import { type Delivered, Tally } from './tally.ts'

/** A program under load. */
export interface Subject {
  readonly pid: number
  /** Its other processes. */
  readonly morePids: readonly number[]
  readonly port: number
  /** Ends it in its own way; throws when it does not end well. */
  stop(): Promise<void>
  /** Reads everything back and checks that it is stamped. Only after `stop`. */
  delivered(): Promise<Delivered>
  /** Ends the process, whatever its state, and removes what it wrote. */
  remove(): Promise<void>
}

export type SubjectName = 'gateway' | CollectorMode

/** The gateway's listener for each way in. */
const listeners: Readonly<Record<CollectorEntry, string>> = {
  grpc: 'otlpGrpc',
  http: 'otlpHttp',
  'jaeger-grpc': 'jaegerGrpc',
  'jaeger-thrift': 'jaegerHttp',
  'jaeger-udp': 'jaegerCompact',
  'remote-write': 'http',
}

/** `inspect`: of the records that the gateway writes, unless they hold spans. */
export function startSubject(
  name: SubjectName,
  entry: CollectorEntry,
  env: Readonly<Record<string, string>>,
  inspect?: Inspect,
): Promise<Subject> {
  return name === 'gateway' ? startGateway(entry, env, inspect) : startCollector(name, entry)
}

/** The gateway, whose metrics can be read as well. */
export interface GatewaySubject extends Subject {
  metrics(): Promise<Sample[]>
}

export async function startGateway(
  entry: CollectorEntry,
  env: Readonly<Record<string, string>>,
  inspect: Inspect = inspectSpans,
): Promise<GatewaySubject> {
  const bus = await openBus('kafka', 'all')
  let program: Program
  try {
    program = await Program.start({ bus: bus.url, env: { ...bus.env, ...env }, through: throughPins() })
  } catch (error) {
    await bus.clear()
    throw error
  }
  return {
    pid: program.pid,
    morePids: descendantsOf(program.pid),
    port: listenerPort(program, listeners[entry]),
    metrics: () => program.metrics(),
    stop: async () => {
      const status = await program.stop()
      if (status !== 0)
        throw new Error(`the program ended with ${status}: ${JSON.stringify(program.logs.slice(-3))}`)
    },
    delivered: async () => {
      const tally = new Tally(inspect)
      const found = await bus.count((record) => {
        if (record.headers['guid'] === undefined) throw new Error('a record without a guid')
        tally.add(record)
      })
      const { delivered } = tally
      if (found.items !== delivered.items)
        throw new Error(`the headers say ${found.items} items, the records hold ${delivered.items}`)
      return delivered
    },
    remove: async () => {
      await program.kill()
      await bus.clear()
    },
  }
}

/** All processes that a process has started, and those that these have (proc(5), `children`). */
function descendantsOf(pid: number): number[] {
  const threads = readdirSync(`/proc/${pid}/task`)
  const children = threads.flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return children.flatMap((child) => [child, ...descendantsOf(child)])
}

/** From the log line of the listener. */
export function listenerPort(program: Program, listener: string): number {
  const line = program.logs.find((entry) => entry.msg === 'listening' && entry['listener'] === listener)
  if (typeof line?.['port'] !== 'number') throw new Error(`the program has no listener ${listener}`)
  return line['port']
}

export async function startCollector(mode: CollectorMode, entry: CollectorEntry): Promise<Subject> {
  const { broker, topic, read, clear } = await openPeerTopic()
  let collector: Collector
  try {
    collector = await Collector.start({ mode, entry, broker, topic })
  } catch (error) {
    await clear()
    throw error
  }
  return {
    pid: collector.pid,
    morePids: [],
    port: collector.port,
    stop: () => collector.stop(),
    delivered: async () => {
      const tally = new Tally(entry === 'remote-write' ? inspectPoints : inspectSpans)
      await read((record) => tally.add(record))
      return tally.delivered
    },
    remove: async () => {
      await collector.kill()
      await clear()
    },
  }
}
