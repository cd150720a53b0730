/** More large requests than a small bound of memory has room for: it holds, small ones are taken, and afterwards all are. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Running } from '../support/running.ts'
import { messageV1, peakBytes, post, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'

const MiB = 1024 ** 2
const memoryBytes = 320 * MiB
const largeBytes = 6 * MiB
const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'identity' }

const running = await Running.start(
  { after },
  {
    env: {
      GUIDEPOST_LIMITS_MEMORY_BYTES: `${memoryBytes}`,
      GUIDEPOST_LIMITS_INFLIGHT_BYTES: '64MiB',
      GUIDEPOST_LIMITS_BODY_BYTES: '8MiB',
      GUIDEPOST_LIMITS_INFLATED_BYTES: '8MiB',
      GUIDEPOST_LIMITS_MESSAGE_BYTES: '8MiB',
    },
  },
)

/** Many series of 1 KB and of some hundred guids: what is dear for its size. */
const large = messageV1(
  ...Array.from({ length: largeBytes / 1024 }, (_, i) => ({
    ...series(`team-${i % 500}`, `large-${i}`),
    pad: 'x'.repeat(950),
  })),
)

test('large requests without end: the memory stays below its bound, small requests are taken', async (context) => {
  const endMs = performance.now() + 8_000
  const told = new Map<string, number>()
  const flood = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const { status, text } = await post(running.port, large, { headers })
      const answer = status === 204 ? '204' : text.split(':', 1)[0]!
      told.set(answer, (told.get(answer) ?? 0) + 1)
      assert.ok(status === 204 || status === 503, `${status} ${text}`)
      if (status === 503) await sleep(100)
    }
  }
  let small = 0
  let waits = 0
  const honest = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const { status } = await post(running.port, snappy(messageV1(series('small', `s${small}`))))
      if (status === 204) small++
      else waits++
      await sleep(20)
    }
  }
  await Promise.all([honest(), ...Array.from({ length: 12 }, flood)])
  const peak = await peakBytes(running.program.pid)
  context.diagnostic(
    `${[...told].map(([answer, count]) => `${answer}: ${count}`).join(', ')}; ${small} small, ${waits} waits; ${Math.round(peak / MiB)} MiB`,
  )
  assert.ok(peak < memoryBytes, `${peak} bytes`)
  assert.ok(small >= 5 && waits < small / 4, `${small} small ones were taken, ${waits} told to wait`)
  assert.ok((told.get('204') ?? 0) > 0, 'large ones too')
  assert.ok(
    [...told.keys()].some((answer) => answer !== '204'),
    'and some were told to wait',
  )
})

test('afterwards senders of large requests that repeat get through, beside others', async () => {
  let isOver = false
  const others = (async () => {
    for (let i = 0; !isOver; i++) {
      await post(running.port, snappy(messageV1(series('small', `later${i}`))))
      await sleep(20)
    }
  })()
  const send = (): Promise<void> =>
    until('it is taken', 60_000, async () => (await post(running.port, large, { headers })).status === 204)
  await Promise.all([send(), send(), send()])
  isOver = true
  await others
  await running.assertServing(memoryBytes)
})
