/** What the cases of spans measure: the gateway and its peer, each a process of its own before the same Kafka. */
import type { StoredRecord } from '../../src/bus/bus.ts'
import type { Sample } from '../../test/support/exposition.ts'
import { Program } from '../../test/support/program.ts'
import { spansAndValues } from '../support/otlp-spans.ts'
import { openBus, openPeerTopic } from './buses.ts'
import { Collector, type CollectorEntry, type CollectorMode } from './collector.ts'
import { spansGuid } from './span-values.ts'

/** What was found on the bus. */
export interface Delivered {
  readonly spans: number
  readonly records: number
}

/** A program under load. */
export interface Subject {
  readonly pid: number
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
}

export function startSubject(
  name: SubjectName,
  entry: CollectorEntry,
  env: Readonly<Record<string, string>>,
): Promise<Subject> {
  return name === 'gateway' ? startGateway(entry, env) : startCollector(name, entry)
}

/** Sums up records, each of which must hold only stamped resources of the one guid. */
class Tally {
  spans = 0
  records = 0

  add({ value }: StoredRecord): void {
    const { spans, resources, values } = spansAndValues(value, 'guid')
    if (values.length !== resources || values.some((guid) => guid !== spansGuid))
      throw new Error(`a record with ${resources} resources holds the guids ${values.join(', ')}`)
    this.spans += spans
    this.records++
  }

  get delivered(): Delivered {
    return { spans: this.spans, records: this.records }
  }
}

/** The gateway, whose metrics can be read as well. */
export interface GatewaySubject extends Subject {
  metrics(): Promise<Sample[]>
}

export async function startGateway(
  entry: CollectorEntry,
  env: Readonly<Record<string, string>>,
): Promise<GatewaySubject> {
  const bus = await openBus('kafka', 'all')
  let program: Program
  try {
    program = await Program.start({ bus: bus.url, env: { ...bus.env, ...env } })
  } catch (error) {
    await bus.clear()
    throw error
  }
  return {
    pid: program.pid,
    port: listenerPort(program, listeners[entry]),
    metrics: () => program.metrics(),
    stop: async () => {
      const status = await program.stop()
      if (status !== 0)
        throw new Error(`the program ended with ${status}: ${JSON.stringify(program.logs.slice(-3))}`)
    },
    delivered: async () => {
      const tally = new Tally()
      const found = await bus.count((record) => {
        if (record.headers['guid'] !== spansGuid) throw new Error(`a record of ${record.headers['guid']}`)
        tally.add(record)
      })
      if (found.items !== tally.spans)
        throw new Error(`the headers say ${found.items} spans, the records hold ${tally.spans}`)
      return tally.delivered
    },
    remove: async () => {
      await program.kill()
      await bus.clear()
    },
  }
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
    port: collector.port,
    stop: () => collector.stop(),
    delivered: async () => {
      const tally = new Tally()
      await read((record) => tally.add(record))
      return tally.delivered
    },
    remove: async () => {
      await collector.kill()
      await clear()
    },
  }
}
