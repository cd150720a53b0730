/** `guidepost inspect --ledger` beside a program under load: no false alarm, and every item is in the table. */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { test } from 'node:test'
import { cli } from '../../src/commands/cli.ts'
import { Running } from '../support/running.ts'
import { contentV1, messageV1, post, series, snappy } from '../support/senders.ts'
import { fakeIo } from '../unit/commands/fake-io.ts'

interface Row {
  readonly receiver: string
  readonly signal: string
  readonly guid: string
  readonly received: number
  readonly published: number
  readonly rejected: Readonly<Record<string, number>>
  readonly state: string
}

async function inspectLedger(running: Running): Promise<{ code: number; rows: Row[]; said: string }> {
  const io = fakeIo()
  const url = `http://127.0.0.1:${running.program.adminPort}`
  const code = await cli(['inspect', '--ledger', url, '--json'], io, { run: async () => 9 })
  return { code, rows: JSON.parse(io.stdout.text).rows, said: io.stdout.text + io.stderr.text }
}

test('a gateway under load is no false alarm, and afterwards every item is accounted for', async (context) => {
  const running = await Running.start(context, { env: { GUIDEPOST_GUID_CONFLICT: 'reject' } })
  const counts = { good: 0, forged: 0 }
  let isOver = false
  const sender = async (guid: string): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; !isOver; i++) {
      // The second series claims to be another's: it is refused, and the first is stored.
      const body = snappy(messageV1(series(guid, `${i}`), series('forged', `${i}`)))
      const reply = await post(running.port, body, { agent, headers: { ...contentV1, 'x-guid': guid } })
      assert.equal(reply.status, 400)
      counts.good++
      counts.forged++
    }
    agent.destroy()
  }
  const senders = Promise.all(['a', 'b', 'c', 'd'].map(sender))
  for (let i = 0; i < 3; i++) {
    const { code, said } = await inspectLedger(running)
    assert.equal(code, 0, said)
  }
  isOver = true
  await senders
  const { code, rows, said } = await inspectLedger(running)
  assert.equal(code, 0, said)
  assert.ok(
    rows.every(
      ({ state, receiver, signal }) => `${state} ${receiver} ${signal}` === 'even remote_write metrics',
    ),
    said,
  )
  const total = (of: (row: Row) => number): number => rows.reduce((sum, row) => sum + of(row), 0)
  assert.equal(
    total(({ received }) => received),
    counts.good + counts.forged,
  )
  assert.equal(
    total(({ published }) => published),
    counts.good,
  )
  assert.equal(
    total(({ rejected }) => Object.values(rejected).reduce((sum, items) => sum + items, 0)),
    counts.forged,
  )
})
