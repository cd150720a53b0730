import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { createLogger, Throttled } from '../../../src/telemetry/log.ts'

function collect(): { stream: PassThrough; lines: () => Record<string, unknown>[]; text: () => string } {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return {
    stream,
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
  }
}

test('lines are JSON with the level as a word', () => {
  const { stream, lines } = collect()
  createLogger({ level: 'info', format: 'auto' }, stream).info({ port: 1 }, 'listening')
  const [line] = lines()
  assert.equal(line?.['level'], 'info')
  assert.equal(line?.['port'], 1)
  assert.equal(line?.['msg'], 'listening')
  assert.ok(!Number.isNaN(Date.parse(String(line?.['time']))))
})

test('lines below the level are left out', () => {
  const { stream, text } = collect()
  createLogger({ level: 'warn', format: 'json' }, stream).info('no')
  assert.equal(text(), '')
})

test('pretty lines are readable, and without colours where there is no terminal', async () => {
  const { stream, text } = collect()
  createLogger({ level: 'info', format: 'pretty' }, stream).warn({ port: 9 }, 'careful')
  while (!text().includes('port')) await new Promise((resolve) => setImmediate(resolve))
  assert.match(text(), /WARN.*careful\n\s+port: 9/)
  assert.ok(!text().includes('\u001b['))
})

test('equal lines within the window are counted, and the next one says how many', () => {
  const { stream, lines } = collect()
  let nowMs = 0
  const throttled = new Throttled(createLogger({ level: 'info', format: 'json' }, stream), 1000, () => nowMs)
  for (let i = 0; i < 5; i++) throttled.warn('bad-body', { i }, 'a body is bad')
  throttled.warn('other', {}, 'something else')
  throttled.error('bad-body', {}, 'the same key at another level')
  nowMs = 1000
  throttled.warn('bad-body', { i: 5 }, 'a body is bad')
  assert.deepEqual(
    lines().map(({ level, msg, i, repeats }) => ({ level, msg, i, repeats })),
    [
      { level: 'warn', msg: 'a body is bad', i: 0, repeats: undefined },
      { level: 'warn', msg: 'something else', i: undefined, repeats: undefined },
      { level: 'error', msg: 'the same key at another level', i: undefined, repeats: undefined },
      { level: 'warn', msg: 'a body is bad', i: 5, repeats: 4 },
    ],
  )
})

test('the number of kinds is bounded: the oldest is forgotten and may be logged again', () => {
  const { stream, lines } = collect()
  const throttled = new Throttled(createLogger({ level: 'info', format: 'json' }, stream), 1000, () => 0)
  for (let i = 0; i <= limits.logThrottleKeysMax; i++) throttled.warn(`kind-${i}`, {}, 'x')
  const before = lines().length
  throttled.warn(`kind-${limits.logThrottleKeysMax}`, {}, 'still quiet')
  throttled.warn('kind-0', {}, 'forgotten')
  assert.deepEqual(
    lines()
      .slice(before)
      .map((line) => line['msg']),
    ['forgotten'],
  )
})
