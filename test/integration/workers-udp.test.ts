/** A UDP port that several workers read: the same for all, each datagram once, and another worker's when one has died. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, before, test } from 'node:test'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { readMessages } from '../support/kafka-read.ts'
import { idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { Program } from '../support/program.ts'
import { requireReal } from '../support/real.ts'
import { spanPort } from '../support/span-program.ts'
import { agentMessage } from '../support/span-thrift.ts'
import { until } from '../support/until.ts'
import { untilRestarted, workersOf } from '../support/worker-program.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 200_000 }
const SOCKETS = 16
const EACH = 10
let broker: KafkaBroker

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
  })
  after(() => broker.remove())
}

function message(id: string): Buffer {
  return agentMessage('compact', { serviceName: 'cart', tags: { hostname: 'box-1' } }, [
    { operationName: 'work', tags: { [idAttribute]: id } },
  ])
}

test(
  'a UDP port of two workers: each datagram is taken once, by the worker of its sender',
  options,
  async (context) => {
    const program = await Program.start({
      bus: `kafka://${broker.address}`,
      env: { GUIDEPOST_WORKERS: '2' },
      readyMsMax: 60_000,
    })
    context.after(() => program.kill())
    const port = spanPort({ program }, 'jaegerCompact')
    const sockets = Array.from({ length: SOCKETS }, () => createSocket('udp4'))
    context.after(() => {
      for (const socket of sockets) socket.close()
    })
    const ids: string[] = []
    const send = async (name: string): Promise<void> => {
      for (let each = 0; each < EACH; each++) {
        for (const [index, socket] of sockets.entries()) {
          const id = `${name} ${index}-${each}`
          ids.push(id)
          await new Promise((done) => socket.send(message(id), port, '127.0.0.1', done))
        }
      }
    }
    const published = async (): Promise<number> =>
      sumOf(await program.metrics(), 'guidepost_published_items_total', { receiver: 'jaeger' })
    await send('both')
    await until('all are published', 30_000, async () => (await published()) === ids.length)

    // One is stopped: what its senders send waits for it, and only that.
    const [first] = await workersOf(program)
    process.kill(first!.pid, 'SIGSTOP')
    const before = ids.length
    await send('one stopped')
    await until('the other takes the rest', 30_000, async () => (await published()) > before)
    process.kill(first!.pid, 'SIGCONT')
    await until('all are published', 30_000, async () => (await published()) === ids.length)

    process.kill(first!.pid, 'SIGKILL')
    await untilRestarted(program, 1)
    await send('one died')
    await until('all are published', 30_000, async () => (await published()) >= ids.length)
    assert.equal(await program.stop(), 0)
    const records = await readMessages(broker.address, 'otlp_spans')
    const stored = records.flatMap((record) =>
      itemsOfRecord({ ...record, topic: 'otlp_spans' }).map(({ id }) => id),
    )
    assert.deepEqual(stored.toSorted(), ids.toSorted(), 'each once')
  },
)
