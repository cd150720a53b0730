/** OTLP that is cut, damaged, or not what it says: refused in words, never a crash, and what is on the bus decodes. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import protobuf from 'protobufjs'
import { fullRequest, jsonOf } from '../support/otlp-full.ts'
import { decodeOtlp, encodeOtlp, itemsOfRecord, otlpSignals } from '../support/otlp-items.ts'
import type { Transport } from '../support/otlp-send.ts'
import { field, type Place, placesOf, requestAt, requestOf, tag, varint } from '../support/otlp-wire.ts'
import { assertRecord, OtlpWorld, type Told } from '../support/otlp-world.ts'

const world = await OtlpWorld.start({ after })
/** Every byte is tried where the reader of the bytes differs; where only the way to it does, every seventh. */
const strides: readonly (readonly [Transport, number])[] = [
  ['grpc', 1],
  ['protobuf', 7],
  ['json', 3],
]
const guidHeader = { headers: { 'x-guid': 'team-true' } }

/** Does the work for each, some at a time. */
async function each<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}

/** The told of each body; only what may be told of a body: taken, or never to be repeated. */
async function tellAll(
  transport: Transport,
  signal: (typeof otlpSignals)[number],
  bodies: readonly Buffer[],
): Promise<Told[]> {
  const told: Told[] = []
  await each([...bodies.entries()], async ([i, body]) => {
    told[i] = await world.send(transport, signal, body, guidHeader)
  })
  const strange = told.filter(({ code }) => code !== 0 && code !== 3)
  assert.deepEqual(strange, [], `${signal} over ${transport}`)
  return told
}

for (const signal of otlpSignals) {
  const whole = encodeOtlp(signal, fullRequest[signal])
  const json = Buffer.from(jsonOf(fullRequest[signal]))

  for (const [transport, stride] of strides) {
    const sample = transport === 'json' ? json : whole

    test(`${signal} over ${transport}: whole it is taken, cut at any byte it is refused`, async () => {
      world.forget()
      const refused = await world.refused('body_malformed')
      const cuts = places(sample.length, stride)
      const told = await tellAll(
        transport,
        signal,
        cuts.map((at) => sample.subarray(0, at)),
      )
      // What ends where a resource ends is a whole request; so is nothing.
      const taken = told.flatMap(({ code }, i) => (code === 0 ? [cuts[i]] : []))
      const whole = transport === 'json' ? [0, sample.length] : boundaries(sample)
      const expected = whole.filter((at) => cuts.includes(at))
      assert.deepEqual(taken, expected)
      for (const { text } of told.filter(({ code }) => code === 3)) {
        if (transport === 'json')
          assert.match(text, /^GP_BODY_MALFORMED: the body is not OTLP JSON: .*byte \d+/)
        else assert.match(text, /^GP_BODY_MALFORMED: the body is not a well-formed Export\w+ServiceRequest/)
      }
      assert.equal(await world.refused('body_malformed'), refused + cuts.length - expected.length)
      await world.assertWell()
    })

    test(`${signal} over ${transport}: with any byte changed nothing breaks, and the bus holds what decodes`, async () => {
      world.forget()
      const masks = [0x01, 0x04, 0x80]
      const bodies = places(sample.length - 1, stride).map((at) => {
        const body = Buffer.from(sample)
        body[at]! ^= masks[Math.floor(at / stride) % masks.length]!
        return body
      })
      const told = await tellAll(transport, signal, bodies)
      assert.ok(told.some(({ code }) => code === 0) && told.some(({ code }) => code === 3))
      if (transport !== 'json') {
        const undecodable = told.filter(
          ({ code, rejected }, i) => code + rejected === 0 && !decodes(signal, bodies[i]!),
        )
        assert.deepEqual(undecodable, [], 'what protobufjs refuses is not taken')
      }
      assert.ok(world.stored.length > 0)
      for (const record of world.stored) {
        assertRecord(record)
        assert.ok(record.guid === 'team-true' || record.guid === 'probe')
      }
      await world.assertWell()
    })
  }
}

/** 0, `stride`, …, and `last`. */
function places(last: number, stride: number): number[] {
  return [...Array.from({ length: Math.ceil(last / stride) }, (_, i) => i * stride), last]
}

/** Ends of the top-level fields, 0 among them. */
function boundaries(message: Buffer): number[] {
  const reader = protobuf.Reader.create(message)
  const ends = [0]
  while (reader.pos < message.length) {
    reader.uint32()
    reader.skip(reader.uint32())
    ends.push(reader.pos)
  }
  return ends
}

function decodes(signal: (typeof otlpSignals)[number], message: Buffer): boolean {
  try {
    decodeOtlp(signal, message)
    return true
  } catch {
    return false
  }
}

/** A value of each wire type, valid for it: 3 and 4 are a group that is opened and closed, 6 and 7 are none. */
const values: readonly Buffer[] = [
  Buffer.of(0),
  Buffer.alloc(8),
  Buffer.of(0),
  Buffer.alloc(0),
  Buffer.alloc(0),
  Buffer.alloc(4),
  Buffer.of(0),
  Buffer.of(0),
]

function typesOf({ field: { type, repeated, resolvedType } }: Place): readonly number[] {
  if (resolvedType instanceof protobuf.Type || type === 'string' || type === 'bytes') return [2]
  const own = /fixed64|double/.test(type) ? 1 : /fixed32|float/.test(type) ? 5 : 0
  return repeated ? [own, 2] : [own]
}

for (const signal of otlpSignals) {
  const schema = placesOf(signal)

  test(`${signal}: every known field with a wrong wire type is refused, with its own it is taken`, async () => {
    world.forget()
    const wrong: string[] = []
    const cases = schema.flatMap((place) => [0, 1, 2, 3, 4, 5, 6, 7].map((type) => [place, type] as const))
    await each(cases, async ([place, type]) => {
      const group = type === 3 ? tag(place.field.id, 4) : Buffer.alloc(0)
      const content = Buffer.concat([tag(place.field.id, type), values[type]!, group])
      const id = `${place.name} ${type}`
      const told = await world.send('grpc', signal, requestAt(signal, place, id, content))
      const expected = typesOf(place).includes(type) ? 0 : 3
      if (told.code !== expected) wrong.push(`${id}: ${told.code} ${told.text}`)
    })
    assert.deepEqual(wrong, [])
    await world.assertWell()
  })

  test(`${signal}: a text that is not UTF-8 costs the items that it belongs to, and no others`, async () => {
    world.forget()
    const wrong: string[] = []
    const texts = schema.filter(({ field: { type } }) => type === 'string')
    assert.ok(texts.length >= 12, `${texts.length} texts`)
    const before = await world.rejected('not_utf8')
    const broken = ['ff', 'c0af', 'eda080', 'f4908080', '61c3'].map((hex) => Buffer.from(hex, 'hex'))
    const cases = texts.flatMap((place) => broken.map((bytes) => [place, bytes] as const))
    await each(cases, async ([place, bytes]) => {
      const id = `${place.name} ${bytes.toString('hex')}`
      const bad = requestAt(signal, place, `bad ${id}`, field(place.field.id, bytes))
      const body = Buffer.concat([requestOf(signal, `before ${id}`), bad, requestOf(signal, `after ${id}`)])
      const { code, rejected, text } = await world.send('grpc', signal, body, guidHeader)
      const isTold = /^1 of 3 items refused, the others are kept:.*UTF-8.*\(not_utf8\)/s.test(text)
      const kept = ['before', 'bad', 'after'].filter(
        (which) => world.recordsWith(signal, `${which} ${id}`).length === 1,
      )
      if (code !== 0 || rejected !== 1 || !isTold || kept.join() !== 'before,after') {
        wrong.push(`${id}: ${code} ${rejected} ${text} ${kept.join()}`)
      }
    })
    assert.deepEqual(wrong, [])
    assert.equal(await world.rejected('not_utf8'), before + cases.length)
    await world.assertWell()
  })

  test(`${signal}: an id of a wrong length costs its item alone`, async () => {
    world.forget()
    const wrong: string[] = []
    const ids = schema.filter(({ field: { name } }) => /^(?:traceId|spanId|parentSpanId)$/.test(name))
    assert.ok(ids.length >= 2)
    const lengths = [0, 1, 4, 7, 8, 9, 15, 16, 17, 24, 32]
    const before = await world.rejected('id_length')
    let refusals = 0
    await each(
      ids.flatMap((place) => lengths.map((bytes) => [place, bytes] as const)),
      async ([place, bytes]) => {
        const id = `${place.name} ${bytes}`
        const isRight = bytes === 0 || bytes === (place.field.name === 'traceId' ? 16 : 8)
        const bad = requestAt(signal, place, `bad ${id}`, field(place.field.id, Buffer.alloc(bytes, 'i')))
        const body = Buffer.concat([bad, requestOf(signal, `good ${id}`)])
        const { code, rejected, text } = await world.send('grpc', signal, body, guidHeader)
        const isTold = isRight ? text === '' : /^1 of 2 items refused.*16 bytes.*\(id_length\)/s.test(text)
        const isKept = world.recordsWith(signal, `good ${id}`).length === 1
        if (!isRight) refusals++
        if (code !== 0 || rejected !== (isRight ? 0 : 1) || !isTold || !isKept) {
          wrong.push(`${id}: ${code} ${rejected} ${text} ${isKept}`)
        }
      },
    )
    assert.deepEqual(wrong, [])
    assert.equal(await world.rejected('id_length'), before + refusals)
    await world.assertWell()
  })

  test(`${signal}: fields of a later version travel along, at every level`, async () => {
    world.forget()
    const later = Buffer.concat([
      tag(500, 0),
      varint(7),
      field(501, 'later'),
      tag(502, 5),
      Buffer.alloc(4, 'w'),
    ])
    const messages = new Map(schema.map((place) => [place.above.map(({ name }) => name).join('.'), place]))
    await each([...messages.values()], async (place) => {
      const id = `later ${place.name}`
      const body = Buffer.concat([requestAt(signal, place, id, later), requestOf(signal, id)])
      const told = await world.send('grpc', signal, body, guidHeader)
      assert.equal(told.code, 0, `${id}: ${told.text}`)
      const record = world.stored.find((one) => itemsOfRecord(one).some((item) => item.id === id))
      assert.ok(record?.value.includes(later), id)
    })
    await world.assertWell()
  })
}
