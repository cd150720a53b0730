/**
 * Thrift that no encoder would write, as a batch over HTTP and in datagrams of both protocols, towards OTLP and towards
 * Jaeger's own form: each is taken whole, or refused whole and counted, and nothing of the refused reaches the bus.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import {
  type BatchParts,
  codes,
  emitBatch,
  type Protocol,
  processTags,
  protocols,
  ThriftBytes,
  thriftBatchOf,
  thriftTag,
  thriftTypes,
  varint64,
} from '../support/bad-spans.ts'
import { encodings, SpansWorld, type UdpWay } from '../support/bad-spans-world.ts'

/** A batch is known by its name. */
interface Case {
  readonly name: string
  readonly fate: 'taken' | 'refused'
  readonly batch: Buffer
}

const wayOf: Readonly<Record<Protocol, UdpWay>> = { binary: 'jaegerBinary', compact: 'jaegerCompact' }
const containers = ['struct', 'list', 'set', 'map'] as const
/** What nests deeper than this below a field is refused; each test goes far beyond. */
const levelsTaken = 60
const levelsRefused = [65, 1_000, 10_000]
/** Bytes of a datagram, so that the deepest fits into one. */
const datagramBytesMax = 65_000

/** The batch in each place where a field may stand that nobody knows. */
function places(w: ThriftBytes, name: string, of: (id: number) => Buffer): BatchParts[] {
  const log = w.struct(w.field(1, 'i64', w.integer(64, 5)), w.field(2, 'list', w.list('struct', [])), of(99))
  const reference = w.struct(
    w.field(1, 'i32', w.integer(32, 0)),
    ...[2, 3, 4].map((id) => w.field(id, 'i64', w.integer(64, 9))),
    of(99),
  )
  return [
    { id: `${name} in the batch`, behind: [of(99)] },
    { id: `${name} before the batch's fields`, before: [of(-7)] },
    { id: `${name} in the process`, processFields: [of(32_767)] },
    { id: `${name} in the span`, span: new Map([[99, of(0)]]) },
    { id: `${name} in a tag`, spanTags: [thriftTag(w, 'k', 'v', of(99))] },
    { id: `${name} in a log`, span: new Map([[11, w.field(11, 'list', w.list('struct', [log]))]]) },
    { id: `${name} in a reference`, span: new Map([[6, w.field(6, 'list', w.list('struct', [reference]))]]) },
  ]
}

function unknownFields(w: ThriftBytes): Case[] {
  const parts = thriftTypes.flatMap((type) => places(w, `unknown ${type}`, (id) => w.fieldOf(id, type)))
  return parts.map((each) => ({ name: each.id, fate: 'taken', batch: thriftBatchOf(w, each) }))
}

function nesting(w: ThriftBytes): Case[] {
  const cases = containers.flatMap((type) =>
    [levelsTaken - 10, ...levelsRefused].flatMap((levels) => {
      const value = w.nested(type, levels)
      const fate = levels < levelsTaken ? ('taken' as const) : ('refused' as const)
      return places(w, `${levels} of ${type}`, (id) => w.field(id, type, value)).map((each) => ({
        ...{ name: each.id, fate, batch: thriftBatchOf(w, each) },
      }))
    }),
  )
  return cases.filter(({ batch }) => batch.length < datagramBytesMax)
}

/** Values of another type than the field's, in its place: what a span must have is missing then. */
function wrongTypes(w: ThriftBytes): Case[] {
  const required = [1, 2, 3, 4, 5, 7, 8, 9]
  const known: Readonly<Record<number, string>> = { 5: 'text', 6: 'list', 7: 'i32', 10: 'list', 11: 'list' }
  const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
  return thriftTypes.flatMap((type) =>
    ids
      .filter((id) => type !== (known[id] ?? 'i64'))
      .map((id) => {
        const name = `field ${id} as ${type}`
        const batch = thriftBatchOf(w, { id: name, span: new Map([[id, w.fieldOf(id, type)]]) })
        return { name, fate: required.includes(id) ? 'refused' : 'taken', batch } as const
      }),
  )
}

/** Counts and lengths that the bytes do not hold, or that are negative. */
function sizes(w: ThriftBytes): Case[] {
  const lies = [-1, -(2 ** 31), 2 ** 31 - 1, 1_000_000_000, 70_000, 300]
  const span = (name: string, id: number, type: 'list' | 'text' | 'map' | 'set', value: Buffer): Case => ({
    ...{ name, fate: 'refused' },
    batch: thriftBatchOf(w, { id: name, span: new Map([[id, w.field(id, type, value)]]) }),
  })
  return lies.flatMap((lie) => [
    span(`tags of ${lie}`, 10, 'list', w.list('struct', [], lie)),
    span(`logs of ${lie}`, 11, 'list', w.list('struct', [w.struct()], lie)),
    span(`references of ${lie}`, 6, 'list', w.list('struct', [], lie)),
    span(`name of ${lie}`, 5, 'text', w.text('work', lie)),
    span(`unknown list of ${lie}`, 99, 'list', w.list('bool', [Buffer.alloc(20)], lie)),
    span(`unknown set of ${lie}`, 99, 'set', w.list('i8', [Buffer.alloc(20)], lie)),
    span(`unknown map of ${lie}`, 99, 'map', w.map('bool', 'i8', [Buffer.alloc(20)], lie)),
    span(`unknown list of nothing, ${lie}`, 99, 'list', w.list(codes.bool[0] - 1, [Buffer.alloc(20)], lie)),
    span(`unknown text of ${lie}`, 99, 'text', w.text('text', lie)),
    {
      ...{ name: `spans of ${lie}`, fate: 'refused' },
      batch: w.struct(
        w.field(1, 'struct', w.struct(w.field(1, 'text', w.text(`spans of ${lie}`)))),
        w.field(2, 'list', w.list('struct', [], lie)),
      ),
    },
  ])
}

/** Types that there are not, and lists of other things than structs. */
function types(w: ThriftBytes): Case[] {
  const isCompact = w.protocol === 'compact'
  const absent = isCompact ? [13, 14, 15] : [5, 7, 9, 16, 100, 255]
  const inSpan = (name: string, value: Buffer, id: number, fate: Case['fate']): Case => ({
    ...{ name, fate },
    batch: thriftBatchOf(w, { id: name, span: new Map([[id, value]]) }),
  })
  return [
    ...absent.flatMap((code) => [
      inSpan(`a field of type ${code}`, w.field(99, code, Buffer.alloc(8)), 99, 'refused'),
      inSpan(
        `a list of type ${code}`,
        w.field(99, 'list', w.list(code, [Buffer.alloc(8)], 3)),
        99,
        'refused',
      ),
    ]),
    inSpan('bools in a list', w.field(99, 'list', w.list('bool', [Buffer.of(1, 2, 0, 255)], 4)), 99, 'taken'),
    inSpan(
      'bools in a map',
      w.field(99, 'map', w.map('bool', 'bool', [Buffer.of(1, 0, 2, 1)], 2)),
      99,
      'taken',
    ),
    inSpan('a bool in a field', w.boolField(98, true), 99, 'taken'),
    inSpan('a bool that is false', w.boolField(98, false), 99, 'taken'),
    inSpan(
      'structs full of bools',
      w.field(
        99,
        'list',
        w.list('struct', [w.struct(w.boolField(1, true), w.boolField(2, false)), w.struct()]),
      ),
      99,
      'taken',
    ),
    ...(isCompact
      ? [
          // Type 1 or 2 in a list's header: both are bools of one byte each.
          inSpan('a list of true', w.field(99, 'list', w.list(1, [Buffer.of(1, 1)], 2)), 99, 'taken'),
          inSpan('an endless varint', w.field(99, 'i64', Buffer.alloc(30, 0xff)), 99, 'refused'),
          inSpan('a varint of ten bytes', w.field(99, 'i64', varint64(2n ** 63n)), 99, 'taken'),
          inSpan('a varint longer than needed', w.field(99, 'i32', varint64(1n, 9)), 99, 'taken'),
        ]
      : []),
    // A list of another type in the place of a list of structs.
    ...(['i64', 'text', 'list', 'bool'] as const).flatMap((type) =>
      [6, 10, 11].map((id) =>
        inSpan(
          `a list of ${type} as field ${id}`,
          w.field(id, 'list', w.list(type, [w.valueOf(type)])),
          id,
          'refused',
        ),
      ),
    ),
  ]
}

const groups = { unknownFields, nesting, wrongTypes, sizes, types }

for (const encoding of encodings) {
  test(`${encoding}: structures of every kind, over HTTP and in datagrams`, async (context) => {
    const world = await SpansWorld.start(context, { encoding, udp: true })
    for (const [group, casesOf] of Object.entries(groups)) {
      const wrong: string[] = []
      for (const { name, fate, batch } of casesOf(new ThriftBytes('binary'))) {
        const before = await world.refused('body_malformed')
        const { status, text } = await world.send('thrift', batch)
        const counted = (await world.refused('body_malformed')) - before
        const isTold =
          fate === 'taken'
            ? status === 202 && text === '' && counted === 0
            : status === 400 &&
              counted === 1 &&
              /^GP_BODY_MALFORMED: the body is not a well-formed Thrift Batch \(jaeger\.thrift\)/.test(text)
        const stored = world.spansOf(name).length
        if (!isTold || stored !== (fate === 'taken' ? 1 : 0))
          wrong.push(`${name}: ${status} ${text} ${stored}`)
      }
      assert.deepEqual(wrong, [], group)
      for (const protocol of protocols) {
        world.forget()
        const w = new ThriftBytes(protocol)
        const cases = casesOf(w)
        const refused = await world.sendUdp(
          wayOf[protocol],
          cases.map(({ batch }) => emitBatch(w, batch)),
        )
        const badly = cases.filter(
          ({ name, fate }) => world.spansOf(name).length !== (fate === 'taken' ? 1 : 0),
        )
        assert.deepEqual(
          badly.map(({ name }) => name),
          [],
          `${group}, ${protocol}`,
        )
        assert.equal(refused, cases.filter(({ fate }) => fate === 'refused').length)
      }
      await world.assertWell()
      world.forget()
    }
  })
}

test('a batch cut off at any byte is refused, over HTTP and in datagrams; the whole one is taken', async (context) => {
  const world = await SpansWorld.start(context, { udp: true })
  for (const protocol of protocols) {
    world.forget()
    const w = new ThriftBytes(protocol)
    const batch = thriftBatchOf(w, {
      id: 'cut off',
      processFields: [processTags(w, thriftTag(w, 'hostname', 'box-1'))],
      span: new Map([[99, w.fieldOf(99, 'map')]]),
    })
    const message = emitBatch(w, batch)
    // The arguments' own end may be missing: the batch is whole then.
    const cuts = Array.from({ length: message.length - 2 }, (_, i) => message.subarray(0, i + 1))
    assert.equal(await world.sendUdp(wayOf[protocol], cuts), cuts.length)
    assert.equal(world.spansOf('cut off').length, 0)
    assert.equal(await world.sendUdp(wayOf[protocol], [message]), 0)
    assert.equal(world.spansOf('cut off').length, 1)
    world.forget()
    if (protocol === 'compact') continue
    for (let bytes = 0; bytes < batch.length; bytes++) {
      const { status, text } = await world.send('thrift', batch.subarray(0, bytes))
      assert.equal(status, 400, `${bytes} bytes: ${text}`)
    }
    assert.equal(world.spansOf('cut off').length, 0)
    // What stands behind a batch is nobody's.
    assert.equal((await world.send('thrift', Buffer.concat([batch, Buffer.alloc(100, 0xa5)]))).status, 202)
    assert.equal(world.spansOf('cut off').length, 1)
  }
  await world.assertWell()
})
