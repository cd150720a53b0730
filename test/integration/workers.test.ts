/** Several workers on the same ports, as senders and operators see them while all is well. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { requireReal } from '../support/real.ts'
import { temporaryDirectory } from '../support/running.ts'
import { head, messageV1, post, RawSender, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'
import {
  assertArrived,
  isAlive,
  SteadySenders,
  socketsOf,
  startWorkers,
  workersOf,
} from '../support/worker-program.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 200_000 }
let broker: KafkaBroker

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
  })
  after(() => broker.remove())
}

test('two workers share the ports: one ready, one /metrics, one end', options, async (context) => {
  const directory = await temporaryDirectory(context)
  const program = await startWorkers({ broker: broker.address, directory })
  context.after(() => program.kill())
  const workers = await workersOf(program)
  assert.deepEqual(
    workers.map(({ worker, state, restarts }) => [worker, state, restarts]),
    [
      [1, 'serving', 0],
      [2, 'serving', 0],
    ],
  )
  assert.ok(!workers.some(({ pid }) => pid === program.pid), 'the primary is a process of its own')
  const said = (msg: string) => program.logs.filter((line) => line.msg === msg)
  assert.equal(said('ready').length, 1, 'ready is said once')
  assert.equal(said('listening').filter(({ listener }) => listener === 'http').length, 1)
  assert.equal(said('connected to Kafka').length, 2, 'each has connections of its own')
  assert.deepEqual(new Set(said('connected to Kafka').map(({ worker }) => worker)), new Set([1, 2]))

  const sockets = (): number[] => workers.map(({ pid }) => socketsOf(pid))
  const before = sockets()
  const held: RawSender[] = []
  for (let each = 1; each <= 6; each++) {
    held.push(await RawSender.connect(program.httpPort))
    await until('it is accepted', 20_000, () => sum(sockets()) === sum(before) + each)
  }
  assert.deepEqual(
    sockets().map((count, index) => count - before[index]!),
    [3, 3],
    'connections go to the workers in turn',
  )
  for (const sender of held) sender.close()

  const senders = new SteadySenders(program.httpPort, 'well', 6)
  await until('there is load', 60_000, () => senders.count > 100)
  await senders.stop()
  assert.deepEqual(senders.troubles.flat(), [])
  await until('nothing is in flight', 20_000, async () => {
    const samples = await program.metrics()
    return sumOf(samples, 'guidepost_inflight_bytes') === 0
  })
  const samples = await program.metrics()
  assert.equal(sumOf(samples, 'guidepost_received_items_total'), senders.count)
  assert.equal(sumOf(samples, 'guidepost_published_items_total'), senders.count)
  assert.equal(sumOf(samples, 'guidepost_request_duration_seconds_count', { code: '204' }), senders.count)
  for (const name of ['guidepost_bus_up', 'guidepost_ready', 'guidepost_build_info'])
    assert.equal(sumOf(samples, name), 1, name)
  assert.equal(sumOf(samples, 'guidepost_worker_up'), 2)
  assert.equal(sumOf(samples, 'guidepost_worker_restarts_total'), 0)

  assert.equal(await program.stop(), 0)
  assert.equal(said('draining').length, 2)
  assert.equal(said('drained; goodbye').length, 1)
  assert.ok(!workers.some(({ pid }) => isAlive(pid)), 'no worker is left')
  await assertArrived(broker.address, senders)
})

test(
  'SIGTERM under load: every worker finishes what it has begun; a second signal hurries',
  options,
  async (context) => {
    const directory = await temporaryDirectory(context)
    const program = await startWorkers({ broker: broker.address, directory })
    context.after(() => program.kill())
    const senders = new SteadySenders(program.httpPort, 'ending', 8)
    await until('there is load', 60_000, () => senders.count > 100)
    assert.equal(await program.stop('SIGTERM', { inflight: 'left' }), 0)
    await senders.stop()
    await assertArrived(broker.address, senders)

    const slow = await startWorkers({ broker: broker.address, directory })
    context.after(() => slow.kill())
    const sender = (await RawSender.connect(slow.httpPort)).write(head({ 'content-length': 1000 }), 'begun')
    await until('the request is under way', 20_000, async () => {
      return sumOf(await slow.metrics(), 'guidepost_inflight_bytes') > 0
    })
    const over = slow.stop('SIGTERM', { inflight: 'left' })
    const readyz = `http://127.0.0.1:${slow.adminPort}/readyz`
    await until('it is not ready', 20_000, async () => (await fetch(readyz)).status === 503)
    assert.match(await (await fetch(readyz)).text(), /draining/)
    const startedMs = performance.now()
    process.kill(slow.pid, 'SIGTERM')
    assert.equal(await over, 1, 'it was cut short')
    assert.ok(performance.now() - startedMs < 15_000, 'and sooner than its deadline')
    sender.close()
  },
)

test(
  'SIGHUP: a good configuration reaches every worker, a bad one is told once',
  options,
  async (context) => {
    const directory = await temporaryDirectory(context)
    const config = (guid: string): string => `guid:\n  from:\n    - constant: ${guid}\n`
    const program = await startWorkers({ broker: broker.address, directory, config: config('first') })
    context.after(() => program.kill())
    const file = path.join(directory, 'guidepost.yaml')
    const countOf = async (guid: string): Promise<number> =>
      sumOf(await program.metrics(), 'guidepost_published_items_total', { guid })
    // Each on a connection of its own, so that each worker has its turn.
    const send = async (name: string): Promise<void> => {
      for (let i = 0; i < 4; i++)
        assert.equal(
          (await post(program.httpPort, snappy(messageV1(series('label', `${name}-${i}`))))).status,
          204,
        )
    }
    const said = (msg: RegExp): number => program.logs.filter((line) => msg.test(line.msg ?? '')).length
    await send('before')
    assert.equal(await countOf('first'), 4)
    await writeFile(file, config('second'))
    process.kill(program.pid, 'SIGHUP')
    await until('both say so', 20_000, () => said(/was reloaded/) === 2)
    await send('after')
    assert.equal(await countOf('second'), 4)
    assert.equal(said(/until a restart/), 1, 'that the UDP ports are on now needs a restart: told once')

    await writeFile(file, 'guid:\n  conflict: never\n')
    process.kill(program.pid, 'SIGHUP')
    await until('it says so', 20_000, () => said(/has problems; the old one stays/) === 1)
    await send('still')
    assert.equal(await countOf('second'), 8)
    // A worker that is started now must not get what the file says, but what the others have.
    const [worker] = await workersOf(program)
    process.kill(worker!.pid, 'SIGKILL')
    await until('it is back', 60_000, async () => {
      const workers = await workersOf(program)
      return workers[0]?.restarts === 1 && workers.every(({ state }) => state === 'serving')
    })
    const earlier = await countOf('second')
    await send('later')
    assert.equal((await countOf('second')) - earlier, 4)
    assert.equal(said(/has problems; the old one stays/), 1)
    assert.equal(await program.stop(), 0)
  },
)

test('each process collects its whole heap once, a while after its start', options, async (context) => {
  const directory = await temporaryDirectory(context)
  const through = ['sh', '-c', 'exec "$0" --trace-gc "$@"']
  const program = await startWorkers({ broker: broker.address, directory, through })
  context.after(() => program.kill())
  // What V8 says, its process first, of a collection that was asked for.
  const line = /^\[(\d+):.*Mark-Compact.*testing;/
  const asked = () => program.logs.flatMap(({ msg = '' }) => line.exec(msg)?.slice(1).map(Number) ?? [])
  const pids = [program.pid, ...(await workersOf(program)).map(({ pid }) => pid)]
  await until('each has', 60_000, () => pids.every((pid) => asked().includes(pid)))
  assert.deepEqual(asked().toSorted(), pids.toSorted())
  assert.equal(await program.stop(), 0)
})

test('what stops the start is told once, exit 1', options, async (context) => {
  const directory = await temporaryDirectory(context)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  context.after(() => once(taken.close(), 'close'))
  const { port } = taken.address() as AddressInfo
  for (const variable of ['GUIDEPOST_HTTP_PORT', 'GUIDEPOST_ADMIN_PORT']) {
    const env = { [variable]: String(port) }
    await assert.rejects(startWorkers({ broker: broker.address, directory, env }), (error: Error) => {
      assert.match(error.message, /ended early \(1\)/)
      assert.equal(error.message.match(/GP_PORT_TAKEN/g)?.length, 1, error.message)
      assert.ok(error.message.includes(`127.0.0.1:${port} is taken`), error.message)
      return true
    })
  }
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
