/** The oracle and the generator are held against each other and against recorded bodies, before others rely on them. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { snappyDecompress } from '@platformatic/wasm-utils'
import fc from 'fast-check'
import { mutate } from '../../support/mutate.ts'
import {
  decodeV1,
  decodeV2,
  encodeV1,
  encodeV2,
  expectedV1,
  expectedV2,
  type OracleRules,
  resolveV2,
  type V1Model,
} from '../../support/oracle/index.ts'
import { propertyBounds, Random } from '../../support/random.ts'
import { arbitraryRules, arbitraryV1, arbitraryV2 } from '../../support/random-write-request.ts'

const DATA = new URL('../../data/prometheus/', import.meta.url)
const RULES: OracleRules = {
  sources: [
    { kind: 'label', name: 'guid' },
    { kind: 'label', name: 'namespace' },
  ],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
}

function recorded(prefix: string): Buffer[] {
  const names = readdirSync(DATA).filter((name) => name.startsWith(prefix) && name.endsWith('.snappy'))
  assert.ok(names.length > 0, `no recorded bodies ${prefix}*`)
  return names.map((name) => snappyDecompress(readFileSync(new URL(name, DATA))))
}

test('recorded 1.0 bodies: decoded and encoded they are the same bytes', () => {
  for (const body of recorded('v1-')) {
    const model = decodeV1(body)
    assert.equal(model.timeseries?.length, 2000)
    // Prometheus writes fields that are zero as absent and the rest in the order of their numbers, as the oracle does.
    assert.ok(encodeV1(model).equals(body))
  }
})

test('recorded 2.0 bodies: decoded and encoded they mean the same', () => {
  for (const body of recorded('v2-')) {
    const model = decodeV2(body)
    assert.equal(model.timeseries?.length, 2000)
    assert.deepEqual(decodeV2(encodeV2(model)), model)
    assert.equal(resolveV2(model).timeseries?.[0]?.labels?.includes('__name__'), true)
  }
})

test('recorded bodies: every series goes to the guid of its namespace', () => {
  for (const body of recorded('v1-')) {
    const { messages, refused } = expectedV1(decodeV1(body), RULES)
    const guids = [...messages.keys()].filter((guid) => guid !== 'team-a' && guid !== 'team-b')
    assert.deepEqual(guids, [])
    assert.deepEqual(refused, [])
    const total = [...messages.values()].reduce((sum, message) => sum + (message.timeseries?.length ?? 0), 0)
    assert.equal(total, 2000)
  }
})

test('the staleness marker and a negative zero keep their bits', () => {
  const model: V1Model = {
    timeseries: [
      {
        samples: [
          { valueBits: String(0x7ff0000000000002n), timestamp: '-1' },
          { valueBits: String(2n ** 63n), timestamp: String(2n ** 63n - 1n) },
        ],
      },
    ],
  }
  const encoded = encodeV1(model)
  assert.equal(encoded.includes(Buffer.from('020000000000f07f', 'hex')), true)
  assert.deepEqual(decodeV1(encoded), model)
})

test('a message that is cut short is no message', () => {
  assert.throws(() => decodeV1(Buffer.from('0a160a06', 'hex')))
  assert.throws(() => decodeV2(Buffer.from('2a160a06', 'hex')))
})

test('the guid stands at its place by bytes, and forged ones are gone', () => {
  const names = ['Zone', '__name__', 'guid', 'group', 'guid', 'handler']
  const model: V1Model = { timeseries: [{ labels: names.map((name) => ({ name, value: `v-${name}` })) }] }
  const { messages } = expectedV1(model, { ...RULES, sources: [{ kind: 'constant', value: 'team-a' }] })
  const labels = messages.get('team-a')?.timeseries?.[0]?.labels
  assert.deepEqual(
    labels?.map(({ name, value }) => `${name}=${value}`),
    ['Zone=v-Zone', '__name__=v-__name__', 'group=v-group', 'guid=team-a', 'handler=v-handler'],
  )
})

test('a refused series leaves its neighbours alone', () => {
  const good = { labels: [{ name: 'a', value: '1' }] }
  const bad = {
    labels: [
      { name: 'b', value: '1' },
      { name: 'a', value: '1' },
    ],
  }
  const { messages, refused } = expectedV1({ timeseries: [good, bad, good] }, RULES)
  assert.deepEqual(refused, [{ index: 1, reason: 'labels unsorted' }])
  assert.equal(messages.get('unassigned')?.timeseries?.length, 2)
})

test('2.0: bad references refuse their series alone', () => {
  const symbols = ['', 'a', '1']
  const timeseries = [{ labelsRefs: [1, 2] }, { labelsRefs: [1] }, { labelsRefs: [1, 3] }]
  const { messages, refused } = expectedV2({ symbols, timeseries }, RULES)
  assert.deepEqual(refused, [
    { index: 1, reason: 'odd references' },
    { index: 2, reason: 'reference outside the table' },
  ])
  assert.deepEqual(messages.get('unassigned'), { timeseries: [{ labels: ['a', '1', 'guid', 'unassigned'] }] })
})

test('generated 1.0 bytes mean their model, however they are written', () => {
  fc.assert(
    fc.property(arbitraryV1({ flaws: true }), ({ model, bytes }) => {
      assert.deepEqual(decodeV1(bytes), model)
      assert.deepEqual(decodeV1(encodeV1(model)), model)
    }),
    propertyBounds(),
  )
})

test('generated 2.0 bytes mean their model, however they are written', () => {
  fc.assert(
    fc.property(arbitraryV2({ flaws: true }), ({ model, bytes }) => {
      assert.deepEqual(decodeV2(bytes), model)
      assert.deepEqual(decodeV2(encodeV2(model)), model)
    }),
    propertyBounds(),
  )
})

test('without flaws no series is refused for its labels, and none is lost', () => {
  fc.assert(
    fc.property(arbitraryV1(), arbitraryV2(), arbitraryRules(), (first, second, rules) => {
      const open: OracleRules = {
        ...rules,
        conflict: 'overwrite',
        missing: { action: 'stamp', guid: 'nobody' },
      }
      for (const { messages, refused } of [expectedV1(first.model, open), expectedV2(second.model, open)]) {
        // `job` may be the stamped name, in which case the labels `guid` are labels like any other.
        if (open.name === 'guid') assert.deepEqual(refused, [])
        assert.equal(
          [...messages.values()].every((message) =>
            (message.timeseries ?? []).every((series) => series.labels),
          ),
          true,
        )
      }
      const { messages } = expectedV1(first.model, { ...open, name: 'guid' })
      const stored = [...messages.values()].reduce(
        (sum, message) => sum + (message.timeseries?.length ?? 0),
        0,
      )
      assert.equal(stored, first.model.timeseries?.length ?? 0)
    }),
    propertyBounds(),
  )
})

test('a seed replays its mutation, and mutations differ', () => {
  const [body] = recorded('v1-')
  assert.ok(body)
  const seen = new Set<string>()
  for (let seed = 1; seed <= 200; seed += 1) {
    const once = mutate(body, seed)
    assert.ok(once.equals(mutate(body, seed)))
    seen.add(once.toString('latin1'))
  }
  assert.ok(seen.size > 190, `only ${seen.size} of 200 mutations differ`)
  assert.notEqual(new Random(1).next(), new Random(2).next())
})
