import assert from 'node:assert/strict'
import test from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import { limits } from '../../../src/limits.ts'
import type { Owner } from '../../../src/route/batch.ts'
import { Batcher, type BatcherLimits, type Destination } from '../../../src/route/batcher.ts'
import { Budget } from '../../../src/route/budget.ts'
import { BufferPool } from '../../../src/route/pool.ts'
import type { RecordsTogether } from '../../../src/route/record-source.ts'
import type { Cell } from '../../../src/telemetry/ledger.ts'
import { FakeBus } from '../../support/gateway-fixture.ts'

interface Books extends Owner {
  readonly reasons: Record<string, Cell>
}

function owner(text: string): Books {
  const reasons: Record<string, Cell> = {}
  return {
    text,
    receiver: 'otlp',
    published: { value: 0 },
    deadLettered: { value: 0 },
    inflightBytes: 0,
    reasons,
    rejected: (reason) => {
      reasons[reason] ??= { value: 0 }
      return reasons[reason]
    },
  }
}

/** Items are letters: a record is a string of them, cut anywhere. */
const letters: Destination = {
  topic: 'prometheus_metrics',
  encoding: 'prometheus_remote_write_1',
  joins: true,
  cut(_owner, value, bytesMax) {
    const parts: { value: Buffer; items: number }[] = []
    const step = Math.max(1, bytesMax)
    for (let at = 0; at < value.length; at += step) {
      const part = Buffer.from(value.subarray(at, at + step))
      parts.push({ value: part, items: part.length })
    }
    return parts
  },
}
const unjoined: Destination = { ...letters, encoding: 'prometheus_remote_write_2', joins: false }

/** The records side by side, with `gap` other bytes between them. */
function together(records: readonly (readonly [Owner, string])[], gap: number): RecordsTogether {
  const places: number[] = []
  let bytes = 0
  for (const [, text] of records) {
    places.push(bytes)
    bytes += text.length + gap
  }
  return {
    bytes: bytes - gap,
    at: (i) => places[i]!,
    copy: (target) => target.write(records.map(([, text]) => text).join('#'.repeat(gap)), 'latin1'),
  }
}

class Route {
  readonly bus = new FakeBus()
  readonly budget: Budget
  readonly batcher: Batcher
  readonly deadLetters: string[] = []

  constructor(batchLimits: Partial<BatcherLimits> = {}, spread = 1, inflightBytes = 1e6) {
    this.budget = new Budget(inflightBytes)
    this.batcher = new Batcher({
      bus: this.bus,
      budget: this.budget,
      pool: new BufferPool(),
      limits: { lingerMs: 5, recordBytes: 100, ...batchLimits },
      spread,
      published: () => undefined,
      deadLettered: (_record, reason) => this.deadLetters.push(reason),
    })
  }

  /** Submits one request; the records are copied at once, so the source may be gone right after. */
  submit(records: readonly (readonly [Owner, string])[], destination = letters, connection = 1, gap = -1) {
    let isOver = false
    const source = {
      records: records.map(([of, text]) => ({ owner: of, bytes: text.length, items: text.length })),
      copy(i: number, target: Buffer, at: number) {
        assert.ok(!isOver, 'the source is not used after submit')
        target.write(records[i]![1], at, 'latin1')
      },
      all: gap < 0 ? undefined : together(records, gap),
    }
    const submission = this.batcher.submit(destination, source, connection, 1)
    isOver = true
    return typeof submission === 'string' ? undefined : submission
  }

  texts(): string[] {
    return this.bus.stored.map(({ value }) => value.toString())
  }

  /** Every byte that was taken was given back. */
  async assertIdle(): Promise<void> {
    await this.batcher.drain()
    assert.equal(this.budget.bytes, 0, 'nothing is in flight')
  }
}

const code = (failure: { readonly code: string } | undefined): string | undefined => failure?.code

test('two requests of one guid within the linger become one record, and both are answered', async () => {
  const route = new Route()
  const a = owner('a')
  const settled = await Promise.all([
    route.submit([[a, 'one']])!.settled,
    route.submit([[a, 'two']])!.settled,
  ])
  assert.deepEqual(settled, [undefined, undefined])
  assert.deepEqual(route.texts(), ['onetwo'])
  assert.equal(route.bus.stored[0]?.items, 6)
  assert.equal(a.published.value, 6)
  await route.assertIdle()
})

test('other guids, other encodings and messages that do not join stay apart', async () => {
  const route = new Route()
  const [a, b] = [owner('a'), owner('b')]
  await Promise.all([
    route.submit([
      [a, 'a1'],
      [b, 'b1'],
    ])!.settled,
    route.submit([[a, 'a2']])!.settled,
    route.submit([[a, 'x']], unjoined)!.settled,
    route.submit([[a, 'y']], unjoined)!.settled,
  ])
  assert.deepEqual(route.texts().toSorted(), ['a1a2', 'b1', 'x', 'y'])
  assert.deepEqual(
    route.bus.stored.map(({ guid, value }) => guid === (value.toString().startsWith('b') ? 'b' : 'a')),
    [true, true, true, true],
  )
  assert.equal(new Set(route.bus.stored.map(({ batchId }) => batchId)).size, 4)
  await route.assertIdle()
})

test('a request with several records is durable only when all of them are', async () => {
  const route = new Route()
  const [a, b] = [owner('a'), owner('b')]
  route.bus.fate = ({ guid }) => (guid === 'b' ? 'retry' : 'stored')
  const both = route.submit([
    [a, 'a1'],
    [b, 'b1'],
  ])!
  const onlyA = route.submit([[a, 'a2']])!
  assert.equal(code(await both.settled), 'GP_BUS_UNAVAILABLE')
  assert.equal(await onlyA.settled, undefined, 'who shared the good record is not told of the bad one')
  assert.deepEqual([a.published.value, b.reasons['bus_unavailable']?.value], [4, 2])
  await route.assertIdle()
})

test('no record is larger than recordBytes unless one piece is, and the order of a guid is kept', async () => {
  const route = new Route({ recordBytes: 10 })
  const a = owner('a')
  const pieces = ['aaaa', 'bbbb', 'cccc', 'd'.repeat(25), 'ee', 'ff', 'g'.repeat(10), 'h']
  await Promise.all(pieces.map((piece) => route.submit([[a, piece]])!.settled))
  assert.deepEqual(route.texts(), ['aaaabbbb', 'cccc', 'd'.repeat(25), 'eeff', 'g'.repeat(10), 'h'])
  await route.assertIdle()
})

test('order holds over many appends that are under way at once', async () => {
  const route = new Route({ lingerMs: 0, recordBytes: 20 })
  const a = owner('a')
  const sent: Promise<unknown>[] = []
  let text = ''
  for (let i = 0; i < 300; i++) {
    const piece = `${i};`
    text += piece
    sent.push(route.submit([[a, piece]])!.settled)
    if (i % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(sent)
  assert.equal(
    route.bus.appends.flatMap((records) => records.map(({ value }) => value.toString())).join(''),
    text,
  )
  await route.assertIdle()
})

test('a batch that grows keeps its bytes, and they are on all books', async () => {
  const route = new Route({ recordBytes: 300_000 }, 1, 2e6)
  const a = owner('a')
  const pieces = Array.from({ length: 40 }, (_, i) => String.fromCharCode(65 + i).repeat(5000))
  const sent = pieces.map((piece) => route.submit([[a, piece]])!.settled)
  assert.ok(route.budget.bytes >= 200_000, `${route.budget.bytes} for 200,000 bytes`)
  assert.equal(a.inflightBytes, route.budget.bytes)
  await Promise.all(sent)
  assert.equal(route.texts().join(''), pieces.join(''))
  await route.assertIdle()
  assert.equal(a.inflightBytes, 0)
  // Beside something that waits, these would be measured by what their objects cost.
  const crowd = Array.from({ length: 1000 }, (_, i) => [owner(`o${i}`), 'x'] as const)
  assert.ok(route.submit(crowd), 'nothing waits')
  assert.equal(route.submit(crowd), undefined, 'now it does')
  await route.assertIdle()
})

test('a crowd of guids has company like others, in their order, and every byte is given back', async () => {
  for (const gap of [-1, 0, 7]) {
    const route = new Route({ recordBytes: 40 }, 1, 1e8)
    const owners = Array.from({ length: 300 }, (_, i) => owner(`o${i}`))
    const crowd = (word: string) => owners.map((one, i) => [one, `${word}${i};`] as const)
    const submissions = [
      route.submit([[owners[7]!, 'before;']])!,
      route.submit(crowd('one'), letters, 1, gap)!,
      route.submit([[owners[8]!, 'between;']])!,
      route.submit(crowd('two'), letters, 1, gap)!,
      route.submit([[owners[9]!, 'x'.repeat(40)]])!,
      route.submit(crowd('three'), letters, 1, gap)!,
    ]
    const overheadBytes = 300 * limits.recordOverheadBytes + 600 * limits.pieceOverheadBytes
    assert.ok(route.budget.bytes > overheadBytes, 'they cost more than their bytes')
    for (const { settled } of submissions) assert.equal(await settled, undefined)
    const texts = new Map<string, string[]>()
    for (const { guid, value, items } of route.bus.stored) {
      assert.equal(items, value.length)
      texts.set(guid, [...(texts.get(guid) ?? []), value.toString()])
    }
    assert.deepEqual(texts.get('o7'), ['before;one7;two7;three7;'])
    assert.deepEqual(texts.get('o8'), ['one8;between;two8;three8;'])
    assert.deepEqual(texts.get('o9')?.join(''), `one9;two9;${'x'.repeat(40)}three9;`)
    for (let i = 10; i < 300; i++) assert.deepEqual(texts.get(`o${i}`), [`one${i};two${i};three${i};`])
    await route.assertIdle()
    for (const { inflightBytes } of owners) assert.equal(inflightBytes, 0)
  }
})

test('of a crowd some records fail, some are too large: each has its own fate, and its memory is left alone', async () => {
  const route = new Route({ recordBytes: 1000 }, 1, 1e8)
  const owners = Array.from({ length: 400 }, (_, i) => owner(`o${i}`))
  const crowd = (word: string) => owners.map((one, i) => [one, `${word.repeat(40)}${i};`] as const)
  const late = Promise.withResolvers<'retry'>()
  const failing: BusRecord[] = []
  route.bus.fate = (record) => {
    if (record.guid === 'o3') failing.push(record)
    if (record.guid === 'o3') return late.promise
    return record.guid === 'o5' && record.value.length > 30 ? 'too_large' : 'stored'
  }
  const first = route.submit(crowd('a'), unjoined, 1, 3)!
  await new Promise((resolve) => setImmediate(resolve))
  late.resolve('retry')
  assert.equal(code(await first.settled), 'GP_BUS_UNAVAILABLE')
  assert.equal(owners[3]!.reasons['bus_unavailable']?.value, 42)
  assert.equal(owners[5]!.published.value, 42, 'cut until it fitted')
  assert.equal(owners[399]!.published.value, 44)
  // What failed may still be on its way: what comes now may not be written over it.
  assert.equal(
    await route.submit(crowd('b'), { ...unjoined, topic: 'otlp_logs' }, 1, 3)!.settled.then(() => 0),
    0,
  )
  assert.equal(failing[0]?.value.toString(), `${'a'.repeat(40)}3;`)
  await route.assertIdle()
  for (const { inflightBytes } of owners) assert.equal(inflightBytes, 0)
})

test('a record that is too large is halved until it fits; every item is there once', async () => {
  for (const destination of [letters, unjoined]) {
    const route = new Route()
    const a = owner('a')
    route.bus.fate = ({ value }) => (value.length > 3 ? 'too_large' : 'stored')
    const text = 'abcdefghijklmnopqrstuvwxyz'
    assert.equal(await route.submit([[a, text]], destination)!.settled, undefined)
    assert.equal(route.texts().join(''), text)
    assert.equal(a.published.value, 26)
    assert.equal(new Set(route.bus.stored.map(({ batchId }) => batchId)).size, route.bus.stored.length)
    assert.ok(route.bus.stored.every(({ items, value }) => items === value.length))
    await route.assertIdle()
  }
})

test('the parts of a record are sent in their order; after one that must be repeated, no more of them', async () => {
  const route = new Route()
  const a = owner('a')
  route.bus.fate = ({ value }) => {
    if (value.length > 2) return 'too_large'
    return value.includes('e') ? 'retry' : 'stored'
  }
  assert.equal(code(await route.submit([[a, 'abcdefgh']])!.settled), 'GP_BUS_UNAVAILABLE')
  assert.deepEqual(route.texts(), ['ab', 'cd'])
  assert.deepEqual([a.published.value, a.reasons['bus_unavailable']?.value], [4, 4])
  await route.assertIdle()
})

test('an item that is too large by itself goes to the dead letters, counted and told; the others arrive', async () => {
  const route = new Route()
  const a = owner('a')
  route.bus.fate = ({ topic, value }) =>
    topic !== 'dead_letters' && value.includes('X') ? 'too_large' : 'stored'
  assert.equal(await route.submit([[a, 'abXcd']])!.settled, undefined)
  const letter = route.bus.stored.find(({ topic }) => topic === 'dead_letters')
  assert.deepEqual(letter?.headers, {
    reason: 'GP_RECORD_TOO_LARGE',
    topic: 'prometheus_metrics',
    bytes: '1',
  })
  assert.equal(letter?.value.toString(), 'X')
  assert.equal(letter?.guid, 'a')
  assert.deepEqual([a.published.value, a.deadLettered.value], [4, 1])
  assert.equal(route.deadLetters.length, 1)
  assert.equal(route.texts().join('').replace('X', ''), 'abcd')
  await route.assertIdle()
})

test('a dead letter is cut to its bound, and its header says the whole length', async () => {
  const route = new Route({ recordBytes: 1e6 }, 1, 8e6)
  const a = owner('a')
  const uncut: Destination = { ...letters, cut: () => [] }
  route.bus.fate = ({ topic }) => (topic === 'dead_letters' ? 'stored' : 'refused')
  const bytes = limits.deadLetterBytesMax + 5
  assert.equal(await route.submit([[a, 'z'.repeat(bytes)]], uncut)!.settled, undefined)
  assert.equal(route.bus.stored[0]?.value.length, limits.deadLetterBytesMax)
  assert.equal(route.bus.stored[0]?.headers?.['bytes'], String(bytes))
  await route.assertIdle()
})

test('a dead letter is cut to what a bus takes that takes less', async () => {
  const route = new Route({ recordBytes: 1e6 }, 1, 8e6)
  const a = owner('a')
  const uncut: Destination = { ...letters, cut: () => [] }
  route.bus.fate = ({ topic }) => (topic === 'dead_letters' ? 'stored' : 'refused')
  route.bus.recordBytesMax = 60_000
  const bytes = limits.deadLetterBytesMax + 5
  assert.equal(await route.submit([[a, 'z'.repeat(bytes)]], uncut)!.settled, undefined)
  assert.equal(route.bus.stored[0]?.value.length, 60_000)
  assert.equal(route.bus.stored[0]?.headers?.['bytes'], String(bytes))
  await route.assertIdle()
})

test('when the dead letters cannot be written either, the sender is told to try again', async () => {
  for (const fate of ['retry', 'refused', 'too_large', 'rejects'] as const) {
    const route = new Route()
    const a = owner('a')
    route.bus.fate = ({ topic }) => (topic === 'dead_letters' ? fate : 'refused')
    const failure = await route.submit([[a, 'abc']])!.settled
    assert.deepEqual([fate, failure?.code, failure?.canRetry], [fate, 'GP_BUS_UNAVAILABLE', true])
    assert.equal(a.reasons['bus_unavailable']?.value, 3)
    assert.equal(a.deadLettered.value, 0)
    await route.assertIdle()
  }
})

test('a cut that fails, or a bus that rejects, leaves nobody waiting and nothing in flight', async () => {
  const route = new Route()
  const a = owner('a')
  const broken: Destination = {
    ...letters,
    cut() {
      throw new Error('out of memory')
    },
  }
  route.bus.fate = ({ topic }) => (topic === 'dead_letters' ? 'stored' : 'too_large')
  assert.equal(await route.submit([[a, 'abc']], broken)!.settled, undefined)
  assert.equal(a.deadLettered.value, 3)
  route.bus.fate = () => 'rejects'
  assert.equal((await route.submit([[a, 'abc']])!.settled)?.canRetry, true)
  await route.assertIdle()
})

test('a guid has no more than two thirds of what is in flight, and a request with it is refused whole', async () => {
  const route = new Route({ lingerMs: 10_000 }, 1, 1e6)
  const [greedy, modest] = [owner('greedy'), owner('modest')]
  const large = 'x'.repeat(10_000)
  const submissions = []
  for (;;) {
    const submission = route.submit([[greedy, large]], unjoined)
    if (submission === undefined) break
    submissions.push(submission)
    assert.ok(submissions.length < 100)
  }
  assert.ok(submissions.length > 55, `${submissions.length} of 10 KB`)
  const held = route.budget.bytes
  const mixed: [Owner, string][] = [
    [modest, 'm'],
    [greedy, large],
  ]
  assert.equal(route.submit(mixed, unjoined), undefined)
  assert.deepEqual([route.budget.bytes, modest.inflightBytes], [held, 0], 'nothing of it was taken')
  const other = route.submit([[modest, large]], unjoined)!
  await route.assertIdle()
  for (const submission of [...submissions, other]) assert.equal(await submission.settled, undefined)
  assert.deepEqual([greedy.inflightBytes, modest.inflightBytes], [0, 0])
  assert.ok(route.submit(mixed, unjoined), 'now it is taken')
  await route.assertIdle()
})

test('what does not fit the budget is refused whole, and the budget stays as it was', async () => {
  const route = new Route({ lingerMs: 10_000 }, 1, 4096)
  const [a, b] = [owner('a'), owner('b')]
  const first = route.submit([[a, 'abc']])!
  const taken = route.budget.bytes
  assert.equal(
    route.submit([
      [a, 'abc'],
      [b, 'x'.repeat(4000)],
    ]),
    undefined,
  )
  assert.equal(route.budget.bytes, taken)
  // Many small records cost more than their bytes.
  assert.equal(route.submit(Array.from({ length: 10 }, (_, i) => [owner(`o${i}`), 'x'] as const)), undefined)
  assert.equal(route.budget.bytes, taken)
  await route.assertIdle()
  assert.equal(await first.settled, undefined)
  assert.deepEqual(route.texts(), ['abc'])
})

test('a request without records is durable at once', async () => {
  const route = new Route()
  assert.equal(await route.submit([])!.settled, undefined)
  assert.deepEqual(route.bus.appends, [])
})

test('with spread, connections have lanes of their own, and each keeps its order', async () => {
  const route = new Route({}, 3)
  const a = owner('a')
  await Promise.all(
    [1, 2, 3, 4, 5, 6].map(
      (connection) => route.submit([[a, String(connection)]], letters, connection)!.settled,
    ),
  )
  const lanes = Object.fromEntries(
    route.bus.stored.map((record: BusRecord) => [record.sender, record.value.toString()]),
  )
  assert.deepEqual(lanes, { 0: '36', 1: '14', 2: '25' })
  await route.assertIdle()
})

test('limits that are reloaded count from then on', async () => {
  const route = new Route({ recordBytes: 4, lingerMs: 0 })
  const a = owner('a')
  route.batcher.reload({ recordBytes: 8, lingerMs: 5 })
  assert.equal(route.batcher.recordBytes, 8)
  await Promise.all(['abc', 'def', 'ghi'].map((text) => route.submit([[a, text]])!.settled))
  assert.deepEqual(route.texts(), ['abcdef', 'ghi'])
  await route.assertIdle()
})

test('who comes alone again and again does not wait for long; who comes beside another one does', async () => {
  const lingerMs = 400
  const route = new Route({ lingerMs })
  const a = owner('a')
  const alone = async (): Promise<number> => {
    const submittedMs = performance.now()
    await route.submit([[a, 'x']])!.settled
    return performance.now() - submittedMs
  }
  for (let i = 0; i < limits.lingersAloneMax; i++)
    assert.ok((await alone()) >= lingerMs - 2, 'somebody may come')
  for (let i = 0; i < 3; i++) assert.ok((await alone()) < lingerMs, 'nobody did')
  // Two in one turn are company, and so is one whose predecessor is under way: it is worth waiting again.
  await Promise.all([route.submit([[a, 'one']])!.settled, route.submit([[a, 'two']])!.settled])
  assert.equal(route.texts().at(-1), 'onetwo')
  const waiting = [route.submit([[a, 'three']])!.settled]
  await new Promise((resolve) => setTimeout(resolve, 20))
  waiting.push(route.submit([[a, 'four']])!.settled)
  await Promise.all(waiting)
  assert.equal(route.texts().at(-1), 'threefour')
  await route.assertIdle()
})

test('a drain sends what lingers at once, and waits for it', async () => {
  const route = new Route({ lingerMs: 60_000 })
  const sent = route.submit([[owner('a'), 'abc']])!.settled
  await route.batcher.drain()
  assert.deepEqual(route.texts(), ['abc'])
  assert.equal(await sent, undefined)
})
