/** Datagrams while the only broker hangs: nobody can be told to wait, so they go to the spool, and none is lost. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { readMessages } from '../support/kafka-read.ts'
import { idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { Program } from '../support/program.ts'
import { requireReal } from '../support/real.ts'
import { spanPort } from '../support/span-program.ts'
import { agentMessage } from '../support/span-thrift.ts'
import { sendEach } from '../support/udp.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const batches = 80
const batchDatagrams = 25
const batchPauseMs = 100
let broker: KafkaBroker
let directory: string

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
    directory = await mkdtemp(join(tmpdir(), 'guidepost-spool-udp-'))
  })
  after(async () => {
    await broker.remove()
    await rm(directory, { recursive: true, force: true })
  })
}

function message(id: string): Buffer {
  return agentMessage('compact', { serviceName: 'cart', tags: { hostname: 'box-1' } }, [
    { operationName: 'work', tags: { [idAttribute]: id } },
  ])
}

test('a broker that hangs: every datagram is spooled, and on Kafka in the end', {
  skip,
  timeout: 180_000,
}, async () => {
  const program = await Program.start({
    bus: `kafka://${broker.address}`,
    env: { GUIDEPOST_SPOOL_ENABLED: 'true', GUIDEPOST_SPOOL_DIRECTORY: directory },
  })
  try {
    const port = spanPort({ program }, 'jaegerCompact')
    const ids: string[] = []
    const sum = async (name: string): Promise<number> => sumOf(await program.metrics(), name)
    await sendEach(port, [message('first')])
    ids.push('first')
    await until('it is published', 30_000, async () => (await sum('guidepost_published_items_total')) === 1)
    await broker.freeze()
    try {
      // Several times as long as a record waits for Kafka.
      for (let batch = 0; batch < batches; batch++) {
        const names = Array.from({ length: batchDatagrams }, (_, index) => `${batch}-${index}`)
        ids.push(...names)
        await sendEach(port, names.map(message))
        await sleep(batchPauseMs)
      }
      await until('they are spooled', 60_000, async () => {
        return (await sum('guidepost_spooled_items')) === ids.length - 1
      })
      assert.equal(await sum('guidepost_refused_requests_total'), 0, 'none was dropped')
      assert.equal(await sum('guidepost_rejected_items_total'), 0)
    } finally {
      broker.thaw()
    }
    await until('the spool is empty', 60_000, async () => (await sum('guidepost_spooled_items')) === 0)
    assert.equal(await program.stop(), 0)
    const records = await readMessages(broker.address, 'otlp_spans')
    const stored = new Set(
      records.flatMap((record) => itemsOfRecord({ ...record, topic: 'otlp_spans' }).map(({ id }) => id)),
    )
    assert.deepEqual(
      ids.filter((id) => !stored.has(id)),
      [],
    )
  } finally {
    await program.kill()
  }
})
