/** What becomes of senders, of the books and of the others when a worker, or the primary, dies or hangs. */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { after, before, test } from 'node:test'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { requireReal } from '../support/real.ts'
import { temporaryDirectory } from '../support/running.ts'
import { messageV1, post, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'
import {
  assertArrived,
  assertBooks,
  isAlive,
  SteadySenders,
  startWorkers,
  untilRestarted,
  workersOf,
} from '../support/worker-program.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 230_000 }
let broker: KafkaBroker

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
  })
  after(() => broker.remove())
}

const received = 'guidepost_received_items_total'

test(
  'workers are killed under load: others serve on, it is back, counters never fall, the books close',
  options,
  async (context) => {
    const directory = await temporaryDirectory(context)
    const program = await startWorkers({ broker: broker.address, directory })
    context.after(() => program.kill())
    const senders = new SteadySenders(program.httpPort, 'killed', 8)
    await until('there is load', 60_000, () => senders.count > 100)
    let seen = 0
    const look = async (): Promise<void> => {
      const count = sumOf(await program.metrics(), received)
      assert.ok(count >= seen, `${count} received, and before it were ${seen}`)
      seen = count
    }
    for (const which of [1, 2, 1]) {
      const workers = await workersOf(program)
      const victim = workers.find(({ worker }) => worker === which)!
      const [troubles, count] = [senders.troubles.flat().length, senders.count]
      await look()
      process.kill(victim.pid, 'SIGKILL')
      await until('others are served', 30_000, async () => {
        await look()
        return senders.count > count + 50
      })
      await untilRestarted(program, which, victim.restarts)
      await look()
      // Each sender has one connection, and so one request that the death can have met.
      const met = senders.troubles.flat().length - troubles
      assert.ok(met <= 8, `${met} requests met the death`)
    }
    await senders.stop()
    const codes = new Set(senders.troubles.flat())
    assert.ok(
      [...codes].every((code) => code === 'ECONNRESET'),
      `lost connections, no refusals: ${[...codes]}`,
    )
    await assertBooks(program)
    const samples = await program.metrics()
    assert.equal(sumOf(samples, 'guidepost_worker_restarts_total'), 3)
    assert.equal(sumOf(samples, 'guidepost_worker_up'), 2)
    const deaths = program.logs.filter(({ msg }) => msg?.startsWith('a worker died'))
    assert.deepEqual(
      deaths.map(({ worker, signal }) => [worker, signal]),
      [
        [1, 'SIGKILL'],
        [2, 'SIGKILL'],
        [1, 'SIGKILL'],
      ],
    )
    assert.equal(await program.stop(), 0)
    await assertArrived(broker.address, senders)
  },
)

test('a worker that is ended in order is started again, and counts once', options, async (context) => {
  const directory = await temporaryDirectory(context)
  const env = { GUIDEPOST_SPOOL_ENABLED: 'true' }
  const program = await startWorkers({ broker: broker.address, directory, env })
  context.after(() => program.kill())
  const bytesMax = 'guidepost_spool_bytes_max'
  const before = sumOf(await program.metrics(), bytesMax)
  assert.ok(before > 0)
  const [first] = await workersOf(program)
  process.kill(first!.pid, 'SIGTERM')
  await untilRestarted(program, 1)
  // What is a state and no count went with the process that had it.
  assert.equal(sumOf(await program.metrics(), bytesMax), before)
  await assertBooks(program)
  assert.equal(await program.stop(), 0)
})

test('the primary is killed: the workers finish what they have begun, and end', options, async (context) => {
  const directory = await temporaryDirectory(context)
  const program = await startWorkers({ broker: broker.address, directory })
  context.after(() => program.kill())
  const workers = await workersOf(program)
  const senders = new SteadySenders(program.httpPort, 'orphaned', 8)
  await until('there is load', 60_000, () => senders.count > 100)
  await program.kill()
  await until('no worker is left', 40_000, () => !workers.some(({ pid }) => isAlive(pid)))
  await senders.stop()
  const drained = program.logs.filter(({ msg }) => msg === 'draining').map(({ worker }) => worker)
  assert.deepEqual(new Set(drained), new Set([1, 2]))
  await assertArrived(broker.address, senders)
  // Nothing of theirs is in the way of the next program.
  const next = await startWorkers({ broker: broker.address, directory })
  await next.end()
})

test(
  'a worker that hangs: /metrics answers, the others serve, it is ended and started again',
  options,
  async (context) => {
    const directory = await temporaryDirectory(context)
    const program = await startWorkers({ broker: broker.address, directory })
    context.after(() => program.kill())
    const body = (id: string): Buffer => snappy(messageV1(series('team-a', id)))
    for (let i = 0; i < 4; i++) assert.equal((await post(program.httpPort, body(`first-${i}`))).status, 204)
    assert.equal(sumOf(await program.metrics(), received), 4)
    const [victim] = await workersOf(program)
    // One that is stopped does not see that the primary is gone.
    context.after(() => isAlive(victim!.pid) && process.kill(victim!.pid, 'SIGKILL'))
    process.kill(victim!.pid, 'SIGSTOP')
    const startedMs = performance.now()
    const samples = await program.metrics()
    assert.ok(performance.now() - startedMs < 10_000, 'a scrape does not wait for it for long')
    assert.equal(sumOf(samples, received), 4, 'what it has counted is there')

    // One connection is on its way to it; the others go elsewhere, and that one learns of its end.
    const agents = Array.from({ length: 6 }, () => new Agent({ keepAlive: true }))
    const answers = agents.map((agent, index) =>
      post(program.httpPort, body(`then-${index}`), { agent }).then(
        ({ status }) => String(status),
        (error: NodeJS.ErrnoException) => error.code ?? String(error),
      ),
    )
    await until('it was told of', 60_000, () =>
      program.logs.some(({ msg, worker }) => msg?.startsWith('a worker hangs') === true && worker === 1),
    )
    const settled = await Promise.all(answers)
    for (const agent of agents) agent.destroy()
    assert.ok(settled.filter((each) => each === '204').length >= 5, settled.join())
    assert.ok(
      settled.every((each) => each === '204' || each === 'ECONNRESET'),
      settled.join(),
    )
    await untilRestarted(program, 1)
    assert.ok(!isAlive(victim!.pid))
    await assertBooks(program)
    assert.equal(await program.stop(), 0)
  },
)
