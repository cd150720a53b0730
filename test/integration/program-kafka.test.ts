/**
 * The whole program on a real Kafka: what is answered 2xx is there, whatever becomes of the broker in between; consumers
 * and `tail` read it.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { readWithKafkajs } from '../support/kafka-read.ts'
import { assertLedger } from '../support/ledger.ts'
import { Program } from '../support/program.ts'
import { requireReal } from '../support/real.ts'
import { messageV1, messageV2, post, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 120_000 }
const topic = 'prometheus_metrics'
let broker: KafkaBroker
let program: Program

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
    program = await Program.start({ bus: `kafka://${broker.address}` })
  })
  after(async () => {
    try {
      await program?.end()
    } finally {
      await broker.remove()
    }
  })
}

interface Line {
  readonly guid: string
  readonly encoding: string
  readonly items: number
  readonly headers: { readonly batch_id: string }
  readonly payload: { readonly timeseries: { readonly labels: Readonly<Record<string, string>> }[] }
}

/** What `guidepost tail` shows of the topic. */
async function tail(): Promise<Line[]> {
  const launcher = path.join(import.meta.dirname, '../../src/guidepost.mjs')
  const args = [launcher, 'tail', '--bus', `kafka://${broker.address}`, '--topic', topic]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    maxBuffer: 2 ** 28,
    timeout: 60_000,
  })
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

test('both versions reach Kafka, and tail shows them stamped', options, async () => {
  const one = await post(
    program.httpPort,
    snappy(messageV1(series('team-a', 'one'), series('team-b', 'two'))),
  )
  const two = await post(program.httpPort, snappy(messageV2(series('team-a', 'three'))), {
    headers: {
      'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
      'content-encoding': 'snappy',
    },
  })
  assert.deepEqual([one.status, two.status], [204, 204])
  const lines = await tail()
  const shown = lines.flatMap(({ guid, encoding, payload }) =>
    payload.timeseries.map(({ labels }) => `${encoding} ${guid} ${labels['guid']} ${labels['id']}`),
  )
  assert.deepEqual(shown.toSorted(), [
    'prometheus_remote_write_1 team-a team-a one',
    'prometheus_remote_write_1 team-b team-b two',
    'prometheus_remote_write_2 team-a team-a three',
  ])
  const keys = (await readWithKafkajs(broker.address, topic)).map(({ key }) => key)
  assert.deepEqual(keys.toSorted(), ['team-a', 'team-a', 'team-b'])
})

test(
  'the broker is killed and comes back: nothing answered 2xx is missing, senders are told to wait',
  options,
  async () => {
    const acknowledged: string[] = []
    const statuses = new Set<number>()
    let isOver = false
    const sender = async (name: string): Promise<void> => {
      for (let i = 0; !isOver; i++) {
        const id = `${name}-${i}`
        const reply = await post(program.httpPort, snappy(messageV1(series(`team-${name}`, id))))
        statuses.add(reply.status)
        if (reply.status === 204) acknowledged.push(id)
        else {
          assert.equal(reply.headers['retry-after'], '1')
          await sleep(20)
        }
      }
    }
    const senders = Array.from({ length: 8 }, (_, i) => sender(`s${i}`))
    await until('some are acknowledged', 20_000, () => acknowledged.length > 200)
    await broker.kill()
    await until('readiness says so', 30_000, async () => !(await program.isReady()))
    const before = acknowledged.length
    await broker.restart()
    await until('it is ready again', 60_000, () => program.isReady())
    await until('more are acknowledged', 20_000, () => acknowledged.length > before + 200)
    isOver = true
    await Promise.all(senders)
    assert.deepEqual([...statuses].toSorted(), [204, 503])
    const lines = await tail()
    const ids = new Set(
      lines.flatMap(({ payload }) => payload.timeseries.map(({ labels }) => labels['id'] ?? '')),
    )
    const missing = acknowledged.filter((id) => !ids.has(id))
    assert.deepEqual(missing, [])
    await until('nothing is in flight', 10_000, async () => {
      return sumOf(await program.metrics(), 'guidepost_inflight_bytes') === 0
    })
    assertLedger(await program.metrics())
  },
)

test('SIGTERM with Kafka ends in order', options, async () => {
  assert.equal(await program.stop(), 0)
})
