/** SIGKILL at random moments under load: whatever was answered 2xx is in the log, and every record there is whole. */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readLog, seriesOf } from '../support/bus-read.ts'
import { Program } from '../support/program.ts'
import { Random } from '../support/random.ts'
import { temporaryDirectory } from '../support/running.ts'
import { contentV1, contentV2, messageV1, messageV2, post, series, snappy } from '../support/senders.ts'

const rounds = 20
const senders = 8

test(`${rounds} times killed under load: acknowledged items are stored, records whole, restarts work`, async (context) => {
  const directory = await temporaryDirectory(context)
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const random = new Random(seed)
  const acknowledged: string[] = []
  for (let round = 0; round < rounds; round++) {
    const program = await Program.start({ bus: `log:${directory}` })
    try {
      const load = Promise.all(
        Array.from({ length: senders }, (_, i) =>
          sendUntilCut(program.httpPort, `r${round}-s${i}`, acknowledged),
        ),
      )
      // Between the first answers and some hundred requests later, at any point of a group commit.
      await sleep(20 + random.below(120))
      await program.kill()
      await load
    } finally {
      await program.kill()
    }
  }
  assert.ok(acknowledged.length > rounds * 10, `only ${acknowledged.length} requests were answered`)

  const last = await Program.start({ bus: `log:${directory}` })
  const reply = await post(last.httpPort, snappy(messageV1(series('team-a', 'last'))))
  assert.equal(reply.status, 204)
  acknowledged.push('last')
  assert.equal(await last.stop(), 0)

  const stored = new Set<string>()
  for (const record of await readLog(directory)) {
    const found = seriesOf(record)
    assert.equal(String(found.length), record.headers['items'], 'a record is whole')
    for (const { labels } of found) {
      const { guid, id } = Object.fromEntries(labels)
      assert.equal(guid, record.key)
      stored.add(id ?? '')
    }
  }
  assert.deepEqual(
    acknowledged.filter((id) => !stored.has(id)),
    [],
  )
})

/** Sends one request after the other until the connection breaks; two series of two guids each, in 1.0 and 2.0 in turn. */
async function sendUntilCut(port: number, name: string, acknowledged: string[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    for (let i = 0; ; i++) {
      const ids = [`${name}-${i}-a`, `${name}-${i}-b`]
      const labels = [series('team-a', ids[0]!), series('team-b', ids[1]!)]
      const isV1 = i % 2 === 0
      const body = snappy((isV1 ? messageV1 : messageV2)(...labels))
      const reply = await post(port, body, { agent, headers: isV1 ? contentV1 : contentV2 })
      assert.equal(reply.status, 204, reply.text)
      acknowledged.push(...ids)
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
  } finally {
    agent.destroy()
  }
}
