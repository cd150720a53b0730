/** What the OTLP cases measure: the gateway and its peer, each a process of its own before the same Kafka. */
import type { StoredRecord } from '../../src/bus/bus.ts'
import { Program } from '../../test/support/program.ts'
import { spansAndValues } from '../support/otlp-spans.ts'
import { openBus, openPeerTopic } from './buses.ts'
import { Collector, type CollectorMode } from './collector.ts'
import type { SpanRequests } from './load-messages.ts'
import { spansGuid } from './otlp-payload.ts'

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

export function startSubject(
  name: SubjectName,
  protocol: SpanRequests['protocol'],
  env: Readonly<Record<string, string>>,
): Promise<Subject> {
  return name === 'gateway' ? startGateway(protocol, env) : startCollector(name, protocol)
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

async function startGateway(
  protocol: SpanRequests['protocol'],
  env: Readonly<Record<string, string>>,
): Promise<Subject> {
  const bus = await openBus('kafka', 'all')
  let program: Program
  try {
    program = await Program.start({ bus: bus.url, env: { ...bus.env, ...env } })
  } catch (error) {
    await bus.clear()
    throw error
  }
  const port = listenerPort(program, protocol)
  return {
    pid: program.pid,
    port,
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
function listenerPort(program: Program, protocol: SpanRequests['protocol']): number {
  const listener = protocol === 'grpc' ? 'otlpGrpc' : 'otlpHttp'
  const line = program.logs.find((entry) => entry.msg === 'listening' && entry['listener'] === listener)
  if (typeof line?.['port'] !== 'number') throw new Error(`the program has no listener ${listener}`)
  return line['port']
}

async function startCollector(mode: CollectorMode, protocol: SpanRequests['protocol']): Promise<Subject> {
  const { broker, topic, read, clear } = await openPeerTopic()
  let collector: Collector
  try {
    collector = await Collector.start({ mode, broker, topic })
  } catch (error) {
    await clear()
    throw error
  }
  return {
    pid: collector.pid,
    port: protocol === 'grpc' ? collector.grpcPort : collector.httpPort,
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
