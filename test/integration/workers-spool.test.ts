/** Workers and their spools: what a dead one had spooled, and one whose spool cannot be opened again. */
import assert from 'node:assert/strict'
import { appendFile, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { limits } from '../../src/limits.ts'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { requireReal } from '../support/real.ts'
import { temporaryDirectory } from '../support/running.ts'
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

test('what a dead worker had spooled arrives, and the books close', options, async (context) => {
  const directory = await temporaryDirectory(context)
  const own = await KafkaBroker.started()
  context.after(() => own.remove())
  const env = { GUIDEPOST_SPOOL_ENABLED: 'true' }
  const program = await startWorkers({ broker: own.address, directory, env })
  context.after(() => program.kill())
  const senders = new SteadySenders(program.httpPort, 'spooled', 8)
  await until('there is load', 60_000, () => senders.count > 100)
  await own.kill()
  const spooled = async (): Promise<number> => sumOf(await program.metrics(), 'guidepost_spooled_items')
  await until('both spools fill', 60_000, async () => (await spooled()) > 300)
  const folders = (await readdir(path.join(directory, 'spool'))).filter((name) => name.startsWith('worker-'))
  assert.deepEqual(folders.toSorted(), ['worker-1', 'worker-2'])
  const page = await fetch(`http://127.0.0.1:${program.adminPort}/`, {
    headers: { accept: 'application/json' },
  })
  const { spool } = (await page.json()) as {
    readonly spool: { readonly bytesMax: number; readonly bytes: number }
  }
  assert.equal(spool.bytesMax, limits.spoolBytesMax, 'the page has the sum of what each worker may spool')
  assert.ok(spool.bytes > 0)
  const [victim] = await workersOf(program)
  process.kill(victim!.pid, 'SIGKILL')
  await untilRestarted(program, 1)
  const atOnce = senders.count
  await until('it spools again', 60_000, () => senders.count > atOnce + 100)
  await own.restart()
  await until('all is delivered', 90_000, async () => (await spooled()) === 0)
  await senders.stop()
  await assertBooks(program)
  const samples = await program.metrics()
  assert.ok(sumOf(samples, received, { receiver: 'spool' }) > 0, 'it was received anew')
  assert.ok(sumOf(samples, 'guidepost_rejected_items_total', { reason: 'worker_died_spooled' }) > 0)
  assert.equal(await program.stop(), 0)
  await assertArrived(own.address, senders)
})

test('a worker that cannot be started again ends the program, with the reason', options, async (context) => {
  const directory = await temporaryDirectory(context)
  const env = { GUIDEPOST_SPOOL_ENABLED: 'true' }
  const program = await startWorkers({ broker: broker.address, directory, env })
  context.after(() => program.kill())
  const [victim] = await workersOf(program)
  await program.assertLedger()
  // A file where its folder was: an operator has to mend that.
  const folder = path.join(directory, 'spool', 'worker-1')
  process.kill(victim!.pid, 'SIGSTOP')
  await rm(folder, { recursive: true })
  await appendFile(folder, 'no folder')
  process.kill(victim!.pid, 'SIGKILL')
  await until('it gives up', 120_000, () => program.logs.some(({ level }) => level === 'fatal'))
  const fatal = program.logs.filter(({ level }) => level === 'fatal')
  assert.deepEqual(
    fatal.map(({ msg }) => msg),
    ['the gateway cannot go on, and ends'],
  )
  assert.match(
    String(fatal[0]!['reason']),
    /^worker 1 could not be started 8 times in succession: The spool .* cannot be opened/,
  )
  await until('it has ended by itself', 60_000, () => !isAlive(program.pid))
  assert.equal(await program.stop(), 1)
})
