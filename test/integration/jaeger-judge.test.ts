/**
 * The Collector's receivers and the gateway's translation are given the same bytes, recorded from real clients and random,
 * and say the same of every span, but for the differences that docs/jaeger.md and docs/zipkin.md list.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { collectorAvailable } from '../support/collector.ts'
import { encodeDatagram, encodeProto, encodeThrift } from '../support/jaeger-encode.ts'
import { Judge, type JudgeEntry, judge, judgedAttribute, type Reason } from '../support/jaeger-judge.ts'
import { recorded, translated } from '../support/jaeger-judge-ours.ts'
import { jaegerReasons, repeatedReasons, zipkinReasons } from '../support/jaeger-judge-reasons.ts'
import type { PlainItem } from '../support/plain-spans.ts'
import { Random } from '../support/random.ts'
import { type JaegerBatch, randomJaeger } from '../support/random-jaeger.ts'
import { requireReal } from '../support/real.ts'
import { clientSpans, zipkinText } from '../support/zipkin-clients-spans.ts'
import { zipkinProto } from '../support/zipkin-encode.ts'

const skip = await requireReal('the Collector', collectorAvailable)
const options = { skip, timeout: 120_000 }
const BATCHES = 150
/** As many datagrams at a time as any socket's buffer holds. */
const BURST = 10
const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1_000_000)
let real: Judge
/** Spans that the judge was sent so far. */
let sent = 0

if (skip === false) {
  before(async () => {
    real = await Judge.start()
  })
  after(() => real?.remove())
}

/** Sends the payloads and returns what the judge made of them, in whatever order. */
async function judged(
  entry: JudgeEntry,
  payloads: readonly { payload: Buffer; spans: number }[],
): Promise<PlainItem[]> {
  const from = sent
  for (const [index, { payload, spans }] of payloads.entries()) {
    await real.send(entry, payload)
    sent += spans
    if (entry.startsWith('udp') && index % BURST === BURST - 1) await real.items(sent)
  }
  return (await real.items(sent)).slice(from)
}

function assertAlike(
  entry: JudgeEntry,
  theirs: readonly PlainItem[],
  ours: readonly PlainItem[],
  reasons: readonly Reason[],
): ReadonlyMap<string, number> {
  const { unexplained, explained } = judge(entry, theirs, ours, reasons)
  assert.deepEqual(unexplained.slice(0, 20), [], `${unexplained.length} differences; GUIDEPOST_SEED=${seed}`)
  return explained
}

/** The Collector refuses a version 1 address that is `true`, as every version 1 tracer writes it; without them it reads the list. */
function withoutAddresses(payload: Buffer): Buffer {
  const spans = JSON.parse(payload.toString()) as { binaryAnnotations: { value: unknown }[] }[]
  const plain = spans.map((span) => ({
    ...span,
    binaryAnnotations: span.binaryAnnotations.filter(({ value }) => value !== true),
  }))
  return Buffer.from(JSON.stringify(plain))
}

for (const { protocol, file, entry, payload: whole } of recorded) {
  test(`recorded: ${file} means the same to the Collector`, options, async () => {
    let payload = whole
    if (entry === 'zipkin-v1-json') {
      await assert.rejects(real.send(entry, whole), /400/)
      payload = withoutAddresses(whole)
    }
    const ours = translated(entry, payload)
    assert.ok(ours.length >= 6, `${ours.length} spans`)
    const reasons = protocol === 'jaeger' ? jaegerReasons : zipkinReasons
    assertAlike(entry, await judged(entry, [{ payload, spans: ours.length }]), ours, reasons)
  })
}

const encoders: readonly [JudgeEntry, (batch: JaegerBatch) => Buffer][] = [
  ['grpc', encodeProto],
  ['http-binary', (batch) => encodeThrift('binary', batch)],
  ['udp-binary', (batch) => encodeDatagram('binary', batch)],
  ['udp-compact', (batch) => encodeDatagram('compact', batch)],
]

for (const [entry, encode] of encoders) {
  for (const isDistinct of [true, false]) {
    const what = isDistinct ? '' : ' with repeated keys'
    test(`random: batches by ${entry}${what} mean the same to the Collector`, options, async () => {
      const random = new Random(seed)
      const via = entry === 'grpc' ? 'proto' : 'thrift'
      const batches = Array.from({ length: BATCHES }, (_, index) =>
        marked(randomJaeger(random, { via, isDistinct }), `${entry} ${index}`),
      )
      const payloads = batches.map((batch) => ({ payload: encode(batch), spans: batch.spans.length }))
      const ours = payloads.flatMap(({ payload }) => translated(entry, payload))
      const reasons = isDistinct ? jaegerReasons : [...jaegerReasons, ...repeatedReasons]
      const explained = assertAlike(entry, await judged(entry, payloads), ours, reasons)
      // Differences were looked for and found: the batches hold what the reasons are about.
      assert.ok(explained.size >= 4, `${[...explained.keys()]}; GUIDEPOST_SEED=${seed}`)
    })
  }
}

const zipkinEncoders = [
  ['zipkin-v2-json', zipkinText],
  ['zipkin-v2-proto', zipkinProto],
] as const

for (const [entry, encode] of zipkinEncoders) {
  test(`random: lists by ${entry} mean the same to the Collector`, options, async () => {
    const random = new Random(seed)
    const lists = Array.from({ length: BATCHES }, (_, index) => clientSpans(random, `${entry} ${index}`))
    const payloads = lists.map((spans) => ({ payload: encode(spans), spans: spans.length }))
    const ours = payloads.flatMap(({ payload }) => translated(entry, payload))
    const explained = assertAlike(entry, await judged(entry, payloads), ours, zipkinReasons)
    assert.ok(explained.size >= 3, `${[...explained.keys()]}; GUIDEPOST_SEED=${seed}`)
  })
}

type Change = (item: PlainItem) => PlainItem
const inSpan =
  (change: Partial<PlainItem['span']>): Change =>
  (item) => ({ ...item, span: { ...item.span, ...change } })
const changes: Readonly<Record<string, Change>> = {
  name: inSpan({ name: 'other' }),
  kind: inSpan({ kind: 5 }),
  'end of time': inSpan({ endTimeUnixNano: 1n }),
  parent: inSpan({ parentSpanId: '0102030405060708' }),
  'trace state': inSpan({ traceState: 'a=1' }),
  status: inSpan({ status: { code: 2, message: 'other' } }),
  events: inSpan({ events: [] }),
  links: inSpan({ links: [] }),
  'an attribute more': (item) =>
    inSpan({ attributes: [...item.span.attributes, ['span.kind', 'client']] })(item),
  'an attribute less': (item) => inSpan({ attributes: item.span.attributes.slice(1) })(item),
  'the type of an attribute': (item) =>
    inSpan({ attributes: item.span.attributes.map(([key, value]) => [key, `${value}`]) })(item),
  'an attribute of the resource': (item) => ({
    ...item,
    resource: { attributes: [], droppedAttributesCount: 0 },
  }),
  scope: (item) => ({ ...item, scope: { ...item.scope, name: 'other' } }),
}

for (const [what, change] of Object.entries(changes)) {
  test(`the comparison sees a change of ${what}, whatever the reasons`, () => {
    const { payload } = recorded.find(({ file }) => file === 'python-opentelemetry.grpc.bin')!
    const theirs = translated('grpc', payload)
    const reasons = [...jaegerReasons, ...repeatedReasons, ...zipkinReasons]
    assert.deepEqual(judge('grpc', theirs, theirs, reasons).unexplained, [])
    assert.notDeepEqual(judge('grpc', theirs, theirs.map(change), reasons).unexplained, [])
  })
}

/** Every span gets an attribute by which it is known. */
function marked(batch: JaegerBatch, name: string): JaegerBatch {
  const spans = batch.spans.map((span, index) => {
    const mark = { key: judgedAttribute, type: 'string', value: `${name} ${index}` } as const
    return { ...span, tags: [...span.tags, mark] }
  })
  return { ...batch, spans }
}
