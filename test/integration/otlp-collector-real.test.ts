/**
 * A real OpenTelemetry Collector on both sides of the program: its kafka receiver reads what the gateway wrote, and its
 * exporters send to the gateway while the broker is killed and comes back.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Collector, collectorAvailable } from '../support/collector.ts'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { readMessages } from '../support/kafka-read.ts'
import { assertLedger } from '../support/ledger.ts'
import { OtlpClient } from '../support/otlp-clients.ts'
import { itemsOf, type OtlpItem, type OtlpMessage, otlpSignals, topicOf } from '../support/otlp-items.ts'
import {
  assertRecords,
  type BusMessage,
  batchOf,
  endpointOf,
  expectedOf,
  otlpPorts,
  portOf,
  storedOf,
} from '../support/otlp-program.ts'
import { Program } from '../support/program.ts'
import { requireReal } from '../support/real.ts'
import { until } from '../support/until.ts'

const skip =
  (await requireReal('Kafka', kafkaAvailable)) || (await requireReal('the Collector', collectorAvailable))
const options = { skip, timeout: 120_000 }
let broker: KafkaBroker
let program: Program

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
    program = await Program.start({ bus: `kafka://${broker.address}`, env: otlpPorts })
  })
  after(async () => {
    try {
      await program?.end()
    } finally {
      await broker?.remove()
    }
  })
}

/** Everything in the three topics. */
async function stored(): Promise<BusMessage[]> {
  const topics = await Promise.all(
    otlpSignals.map(async (signal) => {
      const messages = await readMessages(broker.address, topicOf[signal])
      return messages.map((message) => ({ ...message, topic: topicOf[signal] }))
    }),
  )
  return topics.flat()
}

test(
  'a Collector with default topics and encoding reads every item, with its guid',
  options,
  async (context) => {
    for (const protocol of ['grpc', 'http/protobuf', 'http/json'] as const) {
      const client = new OtlpClient({ protocol, endpoint: endpointOf(program, protocol) })
      for (const signal of otlpSignals) await client.send(signal, batchOf(`read ${protocol} ${signal}`))
      await client.close()
    }
    const expected = ['grpc', 'http/protobuf', 'http/json'].flatMap((protocol) =>
      otlpSignals.flatMap((signal) => expectedOf(batchOf(`read ${protocol} ${signal}`))),
    )
    const consumer = await Collector.start({
      config: 'otelcol-consumer.yaml',
      env: { KAFKA_BROKER: broker.address },
    })
    context.after(() => consumer.remove())

    let items: OtlpItem[] = []
    await until(`the Collector has read ${expected.length} items`, 60_000, async () => {
      const lines = await consumer.lines()
      items = lines.flatMap((line) => otlpSignals.flatMap((signal) => itemsOf(signal, line as OtlpMessage)))
      return items.length >= expected.length
    })
    const guids = items.map(({ id, resource }) => `${resource.get('guid')?.join('+')} ${id}`)
    assert.deepEqual(guids.toSorted(), expected.toSorted())
    assert.equal(await consumer.stop(), 0)
    assert.doesNotMatch(consumer.output, /error/i)
  },
)

/** Items of all signals, by the Collector's own metrics. */
async function countsOf(
  collector: Collector,
): Promise<Record<'accepted' | 'refused' | 'sent' | 'failed', number>> {
  const samples = await collector.metrics()
  const sum = (what: string): number =>
    ['spans', 'metric_points', 'log_records']
      .map((items) => sumOf(samples, `otelcol_${what}_${items}_total`))
      .reduce((all, value) => all + value, 0)
  return {
    accepted: sum('receiver_accepted'),
    refused: sum('receiver_refused') + sum('receiver_failed'),
    sent: sum('exporter_sent'),
    failed: sum('exporter_send_failed') + sum('exporter_enqueue_failed'),
  }
}

const senders = [
  { exporter: 'otlp_grpc', compression: 'gzip' },
  { exporter: 'otlp_grpc', compression: 'zstd' },
  { exporter: 'otlp_http', compression: 'gzip' },
  { exporter: 'otlp_http', compression: 'zstd' },
] as const

test(
  'Collectors send on through a broker that is killed and comes back: nothing they took is missing',
  options,
  async (context) => {
    const collectors = await Promise.all(
      senders.map(async ({ exporter, compression }) => {
        const collector = await Collector.start({
          config: 'otelcol-sender.yaml',
          env: {
            EXPORTER: exporter,
            COMPRESSION: compression,
            GATEWAY_GRPC_PORT: `${portOf(program, 'otlpGrpc')}`,
            GATEWAY_HTTP_PORT: `${portOf(program, 'otlpHttp')}`,
          },
        })
        context.after(() => collector.remove())
        return { name: `${exporter}-${compression}`, collector }
      }),
    )
    const taken: string[] = []
    let isOver = false
    const sending = collectors.map(async ({ name, collector }) => {
      const client = new OtlpClient({ protocol: 'grpc', endpoint: `http://127.0.0.1:${collector.grpcPort}` })
      for (let i = 0; !isOver; i++) {
        for (const signal of otlpSignals) {
          const batch = `${name}-${signal}-${i}`
          await client.send(signal, batchOf(batch, 4))
          taken.push(batch)
        }
        await sleep(10)
      }
      await client.close()
    })
    const more = async (count: number): Promise<void> => {
      const target = taken.length + count
      await until(`${count} more are taken`, 30_000, () => taken.length >= target)
    }
    await more(100)
    await broker.kill()
    await until('readiness says so', 30_000, async () => !(await program.isReady()))
    await more(100)
    await broker.restart()
    await until('it is ready again', 60_000, () => program.isReady())
    await more(100)
    isOver = true
    await Promise.all(sending)

    for (const { name, collector } of collectors) {
      await until(`what ${name} accepted is what it sent`, 60_000, async () => {
        const { accepted, sent } = await countsOf(collector)
        return accepted > 0 && accepted === sent
      })
      assert.deepEqual(await countsOf(collector).then(({ failed, refused }) => [failed, refused]), [0, 0])
      assert.equal(await collector.stop(), 0)
    }
    // Each Collector got its success for everything, so there is nothing to wait for on the bus.
    const records = await stored()
    const ids = new Set(otlpSignals.flatMap((signal) => storedOf(signal, '', records)))
    const missing = taken.flatMap((name) => expectedOf(batchOf(name, 4))).filter((text) => !ids.has(text))
    assert.deepEqual(missing.slice(0, 10), [])
    assertRecords(records)
    const refused = await program.metrics()
    assert.ok(
      sumOf(refused, 'guidepost_refused_requests_total', { receiver: 'otlp' }) > 0,
      'some had to wait',
    )
    const goodbyes = { receiver: 'otlp_grpc', reason: 'http' }
    assert.equal(
      sumOf(refused, 'guidepost_refused_requests_total', goodbyes),
      0,
      'a Collector that closes its connection broke no rule',
    )
    await until('nothing is in flight', 10_000, async () => {
      return sumOf(await program.metrics(), 'guidepost_inflight_bytes') === 0
    })
    assertLedger(await program.metrics())
  },
)
