/** More in flight than limits.inflightBytes: senders are told to wait, in time, and everything is as before afterwards. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { Running } from '../support/running.ts'
import { contentV2, head, messageV1, post, RawSender, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'

const inflightBytes = 4 * 1024 ** 2
const running = await Running.start(
  { after },
  {
    env: {
      GUIDEPOST_LIMITS_INFLIGHT_BYTES: String(inflightBytes),
      GUIDEPOST_LIMITS_BODY_BYTES: '1MiB',
      GUIDEPOST_LIMITS_INFLATED_BYTES: '1MiB',
      GUIDEPOST_LIMITS_MESSAGE_BYTES: '1MiB',
    },
  },
)
const body = snappy(messageV1(series('team-a', 'small')))
const inflight = (): Promise<number> => running.counter('guidepost_inflight_bytes')

test('over the budget: 503 with Retry-After before the body is read, and recovery', async () => {
  const holders = await Promise.all([1, 2, 3].map(() => RawSender.connect(running.port)))
  const part = Buffer.alloc(700 * 1024, 0x41)
  for (const holder of holders.slice(0, 2)) holder.write(head({ 'content-length': 1024 ** 2 }), part)
  await until('their bodies are in memory', 5000, async () => (await inflight()) >= 2 * part.length)
  const before = await running.refused('overloaded')
  // Its head alone is enough: it asks for more than there is.
  const late = holders[2]!.write(head({ 'content-length': 900 * 1024 }))
  await until('it is refused', 5000, () => late.statuses.length > 0)
  assert.deepEqual(late.statuses, [503])
  assert.match(late.received, /retry-after: 1\r\n/i)
  assert.match(late.received, /GP_OVERLOADED: too much is in flight \(limits\.inflightBytes is 4194304\)/)
  // By chunks, which announce nothing: refused when it no longer fits.
  const chunked = await post(running.port, Buffer.alloc(800 * 1024), { chunked: true, headers: contentV2 })
  assert.equal(chunked.status, 503)
  assert.equal(chunked.headers['retry-after'], '1')
  assert.equal(chunked.headers['x-prometheus-remote-write-samples-written'], '0')
  assert.equal(await running.refused('overloaded'), before + 2)
  assert.equal((await post(running.port, body)).status, 204, 'what fits is taken')
  for (const holder of holders) holder.close()
  await until('the budget is free', 5000, async () => (await inflight()) === 0)
  await running.assertWell()
})

test('many senders at once: each is answered, none is lost, the budget holds', async () => {
  let peak = 0
  let isOver = false
  const watching = (async () => {
    while (!isOver) peak = Math.max(peak, await inflight())
  })()
  const stored: string[] = []
  let refused = 0
  const sendAll = async (sender: number): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      const id = `s${sender}-${i}`
      const large = { ...series('team-a', id), pad: `${sender}`.padEnd(300_000, 'ab') }
      const reply = await post(running.port, messageV1(large), {
        headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'identity' },
      })
      if (reply.status === 204) stored.push(id)
      else {
        assert.equal(reply.status, 503, reply.text)
        refused++
      }
    }
  }
  await Promise.all(Array.from({ length: 24 }, (_, i) => sendAll(i)))
  isOver = true
  await watching
  assert.equal(stored.length + refused, 240)
  assert.ok(stored.length > 0 && refused > 0, `${stored.length} stored, ${refused} refused`)
  // Buffers are as large as the next power of two, so the bound may be passed by one of them.
  assert.ok(peak <= inflightBytes + 2 * 1024 ** 2, `${peak} bytes were in flight`)
  await running.assertWell()
  const ids = new Set((await running.stored()).map(({ id }) => id))
  assert.deepEqual(
    stored.filter((id) => !ids.has(id)),
    [],
  )
})
