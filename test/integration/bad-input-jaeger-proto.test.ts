/**
 * PostSpansRequests that no encoder would write, towards OTLP and towards Jaeger's own form: ids, times, and every liberty
 * that protobuf takes or leaves. Each is taken whole and can be read, or is refused whole.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { ThriftBytes, thriftBatchOf, varint64 } from '../support/bad-spans.ts'
import { encodings, type SpanEncodingName, SpansWorld } from '../support/bad-spans-world.ts'
import { mutate } from '../support/mutate.ts'
import { decodeOtlp } from '../support/otlp-items.ts'
import { field, loose, tag, varint } from '../support/otlp-wire.ts'
import { fuzzMs } from '../support/random.ts'

type Fate = 'taken' | 'refused' | { readonly [encoding in SpanEncodingName]: 'taken' | 'refused' }

/** What OTLP can say and Jaeger's readers cannot. */
const notInJaeger = { otlp_proto: 'taken', jaeger_proto: 'refused' } as const
const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)

const plain: Readonly<Record<string, Buffer>> = {
  traceId: field(1, Buffer.alloc(16, 1)),
  spanId: field(2, Buffer.alloc(8, 2)),
  name: field(3, 'work'),
  start: field(6, tag(1, 0), varint(1_700_000_000), tag(2, 0), varint(5)),
  duration: field(7, tag(1, 0), varint(1)),
}
const idTag = (id: string): Buffer => field(8, field(1, 'test.id'), field(3, id))
const service = field(2, field(1, 'cart'))

/** One span with these fields, in the place of those of the same name or behind them. */
function spanOf(id: string, fields: Readonly<Record<string, Buffer>> = {}): Buffer {
  return field(1, ...Object.values({ ...plain, ...fields }), idTag(id))
}

const requestOf = (id: string, fields: Readonly<Record<string, Buffer>> = {}): Buffer =>
  field(1, spanOf(id, fields), service)
const seconds = (number: number, whole: bigint, nanos: bigint): Buffer =>
  field(number, tag(1, 0), varint64(whole), tag(2, 0), varint64(nanos))

async function expectFates(
  world: SpansWorld,
  cases: ReadonlyMap<string, readonly [Fate, Buffer]>,
): Promise<void> {
  const wrong: string[] = []
  for (const [name, [fate, body]] of cases) {
    world.forget()
    const { code, text } = await world.send('grpc', body)
    const expected = typeof fate === 'string' ? fate : fate[world.encoding]
    const isTold =
      expected === 'taken'
        ? code === 0 && text === ''
        : code === 3 &&
          /^GP_BODY_MALFORMED: the body is not a well-formed jaeger\.api_v2\.PostSpansRequest/.test(text)
    const stored = world.spansOf(name).length
    if (!isTold || stored !== (expected === 'taken' ? 1 : 0)) wrong.push(`${name}: ${code} ${text} ${stored}`)
    for (const record of world.stored) world.assertRecord(record)
  }
  assert.deepEqual(wrong, [])
}

/** Lengths of ids, as the readers of Jaeger's model take them: 8 or 16 bytes, and 8. */
function ids(): Map<string, readonly [Fate, Buffer]> {
  const cases = new Map<string, readonly [Fate, Buffer]>()
  const reference = (traceBytes: number, spanBytes: number): Buffer =>
    field(4, field(1, Buffer.alloc(traceBytes, 1)), field(2, Buffer.alloc(spanBytes, 3)))
  for (const bytes of [1, 4, 7, 8, 9, 12, 15, 16, 17, 24, 32, 1_000]) {
    const ofTrace = bytes === 8 || bytes === 16 ? 'taken' : 'refused'
    const ofSpan = bytes === 8 ? 'taken' : 'refused'
    const id = Buffer.alloc(bytes, 7)
    const add = (name: string, fate: Fate, fields: Readonly<Record<string, Buffer>>): unknown =>
      cases.set(`${name} of ${bytes} bytes`, [fate, requestOf(`${name} of ${bytes} bytes`, fields)])
    add('a trace id', ofTrace, { traceId: field(1, id) })
    add('a span id', ofSpan, { spanId: field(2, id) })
    add('the trace id of a reference', ofTrace, { reference: reference(bytes, 8) })
    add('the span id of a reference', ofSpan, { reference: reference(16, bytes) })
    // The last one counts; readers fail at the first all the same.
    add('a first trace id', ofTrace, {
      traceId: Buffer.concat([field(1, id), field(1, Buffer.alloc(16, 1))]),
    })
  }
  const nothing = Buffer.alloc(0)
  cases.set('no ids', ['taken', requestOf('no ids', { traceId: nothing, spanId: nothing })])
  cases.set('ids of zero', [
    'taken',
    requestOf('ids of zero', { traceId: field(1, Buffer.alloc(16)), spanId: field(2, Buffer.alloc(8)) }),
  ])
  return cases
}

/** Both ends of 64 bits, and of what a Timestamp and a Duration of protobuf may say. */
function times(): Map<string, readonly [Fate, Buffer]> {
  const max = 2n ** 63n - 1n
  const values: readonly (readonly [bigint, bigint, Fate, Fate])[] = [
    [0n, 0n, 'taken', 'taken'],
    [-1n, 0n, 'taken', 'taken'],
    [0n, 999_999_999n, 'taken', 'taken'],
    [0n, -1n, notInJaeger, 'taken'],
    [0n, 1_000_000_000n, notInJaeger, notInJaeger],
    [0n, 2n ** 31n - 1n, notInJaeger, notInJaeger],
    [18_446_744_073n, 709_551_615n, 'taken', notInJaeger],
    [18_446_744_073n, 709_551_616n, 'taken', notInJaeger],
    [253_402_300_799n, 0n, 'taken', notInJaeger],
    [253_402_300_800n, 0n, notInJaeger, notInJaeger],
    [max, 0n, notInJaeger, notInJaeger],
    [max, 999_999_999n, notInJaeger, notInJaeger],
    [-max - 1n, 0n, notInJaeger, notInJaeger],
    [-max - 1n, -max - 1n, notInJaeger, notInJaeger],
  ]
  const cases = new Map<string, readonly [Fate, Buffer]>()
  for (const [whole, nanos, ofTime, ofDuration] of values) {
    const add = (name: string, fate: Fate, fields: Readonly<Record<string, Buffer>>): unknown =>
      cases.set(`${name} ${whole} ${nanos}`, [fate, requestOf(`${name} ${whole} ${nanos}`, fields)])
    add('start', ofTime, { start: seconds(6, whole, nanos) })
    add('duration', ofDuration, { duration: seconds(7, whole, nanos) })
    add('log', ofTime, { log: field(9, seconds(1, whole, nanos)) })
  }
  return cases
}

/** Protobuf's own freedoms, and what it forbids. */
function wire(): Map<string, readonly [Fate, Buffer]> {
  const inSpan = (
    name: string,
    fate: Fate,
    ...more: readonly Buffer[]
  ): readonly [string, readonly [Fate, Buffer]] => [
    name,
    [fate, requestOf(name, { more: Buffer.concat(more) })],
  ]
  const group = (number: number, ...inside: readonly Buffer[]): Buffer =>
    Buffer.concat([tag(number, 3), ...inside, tag(number, 4)])
  return new Map([
    inSpan('a group', 'refused', group(99)),
    inSpan('a group with a guid', 'refused', group(99, field(1, 'guid'))),
    inSpan(
      'groups 10,000 deep',
      'refused',
      Buffer.alloc(10_000 * 2, tag(99, 3)),
      Buffer.alloc(10_000 * 2, tag(99, 4)),
    ),
    inSpan('an end of no group', 'refused', tag(99, 4)),
    inSpan('wire type 6', 'refused', tag(99, 6), varint(5)),
    inSpan('wire type 7', 'refused', tag(99, 7), varint(5)),
    inSpan('field 0', 'refused', tag(0, 0), varint(5)),
    inSpan('the last field there is', 'taken', varint64((2n ** 29n - 1n) << 3n), varint(5)),
    inSpan('a field beyond it', 'refused', varint64(2n ** 32n), varint(5)),
    inSpan('a varint of eleven bytes', 'refused', tag(5, 0), Buffer.alloc(10, 0x80), Buffer.of(1)),
    inSpan('a varint of ten bytes', 'taken', tag(5, 0), varint64(1n, 10)),
    inSpan('flags of 64 bits', 'taken', tag(5, 0), varint64(2n ** 64n - 1n)),
    inSpan(
      'lengths longer than needed',
      'taken',
      loose(3, 5, 'work'),
      loose(8, 4, loose(1, 3, 'k'), loose(3, 5, 'v')),
    ),
    inSpan('a name that is a number', 'refused', tag(3, 0), varint(5)),
    inSpan('an id of eight bytes fixed', 'refused', tag(1, 1), Buffer.alloc(8)),
    inSpan('a tag of four bytes fixed', 'refused', tag(8, 5), Buffer.alloc(4)),
    inSpan('a length beyond the end', 'refused', tag(99, 2), varint(1_000), Buffer.alloc(10)),
    inSpan('a length of 2^63', 'refused', tag(99, 2), varint64(2n ** 63n)),
    inSpan('a length of -1', 'refused', tag(99, 2), varint64(2n ** 64n - 1n)),
    inSpan('a length of 2^32', 'refused', tag(99, 2), varint64(2n ** 32n)),
    inSpan(
      'names and ids twice',
      'taken',
      field(3, 'second'),
      field(1, Buffer.alloc(16, 9)),
      field(2, Buffer.alloc(8, 9)),
    ),
    inSpan('times in parts', 'taken', field(6, tag(2, 0), varint(7)), field(7, tag(2, 0), varint(8))),
    inSpan(
      'every kind of unknown field',
      'taken',
      tag(90, 0),
      varint(1),
      tag(91, 1),
      Buffer.alloc(8),
      field(92, 'x'),
      tag(93, 5),
      Buffer.alloc(4),
    ),
    inSpan(
      'a reference of an unknown kind',
      'taken',
      field(4, field(1, Buffer.alloc(16, 1)), field(2, Buffer.alloc(8, 1)), tag(3, 0), varint(77)),
    ),
    inSpan(
      'empty messages everywhere',
      'taken',
      field(8),
      field(9),
      field(9, field(2)),
      field(10),
      field(12),
      field(11),
    ),
  ])
}

for (const encoding of encodings) {
  test(`${encoding}: ids, times and wire forms of every kind`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    for (const cases of [ids(), times(), wire()]) await expectFates(world, cases)
    await world.assertWell()
  })

  test(`${encoding}: a request cut off at any byte is refused, and nothing of it stored`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const whole = requestOf('cut off', {
      log: field(9, field(2, field(1, 'event'), field(3, 'e'))),
      warning: field(12, 'w'),
    })
    for (let bytes = 1; bytes < whole.length; bytes++) {
      const { code, text } = await world.send('grpc', whole.subarray(0, bytes))
      assert.equal(code, 3, `${bytes}: ${text}`)
    }
    assert.deepEqual(world.stored, [])
    assert.equal((await world.send('grpc', whole)).code, 0)
    assert.equal(world.spansOf('cut off').length, 1)
    await world.assertWell()
  })

  test(`${encoding}: damaged requests are taken or refused, and what is taken can be read`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const whole = field(
      1,
      spanOf('one', {
        log: field(9, field(2, field(1, 'k'), field(3, 'v'))),
        process: field(10, field(1, 'own')),
      }),
      spanOf('two', { reference: field(4, field(1, Buffer.alloc(16, 1)), field(2, Buffer.alloc(8, 3))) }),
      service,
    )
    const endMs = performance.now() + fuzzMs
    const codes = new Map<number, number>()
    for (let i = 0; performance.now() < endMs; i++) {
      const { code } = await world.send('grpc', mutate(whole, seed + i))
      codes.set(code, (codes.get(code) ?? 0) + 1)
      for (const record of world.stored) world.assertRecord(record)
      world.forget()
    }
    assert.deepEqual(
      [...codes.keys()].filter((code) => code !== 0 && code !== 3),
      [],
      `seed ${seed}`,
    )
    context.diagnostic(`seed ${seed}: ${JSON.stringify([...codes])}`)
    await world.assertWell()
  })

  test(`${encoding}: times of Thrift at both ends of 64 bits are taken, and are not lost`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const w = new ThriftBytes('binary')
    for (const us of [
      2n ** 63n - 1n,
      -(2n ** 63n),
      -1n,
      0n,
      18_446_744_073_709_551n,
      18_446_744_073_709_552n,
      253_402_300_800_000_000n,
    ]) {
      world.forget()
      const i64 = (id: number): Buffer => w.field(id, 'i64', w.integer(64, us))
      const log = w.struct(i64(1), w.field(2, 'list', w.list('struct', [])))
      const span = new Map([
        [8, i64(8)],
        [9, i64(9)],
        [11, w.field(11, 'list', w.list('struct', [log]))],
        [1, i64(1)],
        [2, i64(2)],
        [3, i64(3)],
        [4, i64(4)],
      ])
      const { status, text } = await world.send('thrift', thriftBatchOf(w, { id: 'ends', span }))
      assert.deepEqual([status, text], [202, ''], `${us}`)
      assert.equal(world.spansOf('ends').length, 1)
      const [record] = world.stored
      if (encoding === 'jaeger_proto' || record === undefined) continue
      const said = JSON.stringify(decodeOtlp('traces', record.value))
      // Nanoseconds that fit into 64 bits, or the microseconds as they came.
      const isKept =
        us < 0n || us * 1_000n >= 2n ** 64n
          ? said.includes(`"${us}"`)
          : said.includes(`"${us * 1_000n}"`) || us === 0n
      assert.ok(isKept, said)
    }
    await world.assertWell()
  })
}
