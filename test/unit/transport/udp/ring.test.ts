import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { RingReader, RingWriter, recordBytes, ringMemory } from '../../../../src/transport/udp/ring.mjs'
import { propertyBounds } from '../../../support/random.ts'

/** Bytes of the largest record below. */
const LARGEST = recordBytes(100, 25)

function ring(bytes: number): { readonly writer: RingWriter; readonly reader: RingReader } {
  const memory = ringMemory(bytes)
  return { writer: new RingWriter(memory), reader: new RingReader(memory) }
}

/** What is read, or undefined. */
function take(reader: RingReader): { readonly bytes: Buffer; readonly peer: string } | undefined {
  const bytes = reader.next()
  if (bytes === undefined) return undefined
  const taken = { bytes: Buffer.from(bytes), peer: reader.peer }
  reader.release()
  return taken
}

test('any sequence of puts, takes and new writers is that of a bounded queue', () => {
  const put = fc.record({
    kind: fc.constant('put' as const),
    // Records of a few sizes meet the end of the ring, and the tail, exactly.
    bytes: fc.oneof(
      fc.constantFrom(8, 24, 56).map((bytes) => new Uint8Array(bytes).fill(bytes)),
      fc.uint8Array({ maxLength: 100 }),
    ),
    peer: fc.constantFrom('', '', '', '127.0.0.1', '::1', '2001:db8::ffff:10.0.0.255'),
  })
  const others = fc.constantFrom({ kind: 'take' as const }, { kind: 'rewrite' as const })
  const property = fc.property(
    fc.constantFrom(2 * LARGEST, 280, 320, 384, 1_000),
    fc.array(fc.oneof({ weight: 6, arbitrary: put }, { weight: 5, arbitrary: others }), {
      minLength: 50,
      maxLength: 200,
    }),
    (size, actions) => {
      const memory = ringMemory(size)
      const reader = new RingReader(memory)
      let writer = new RingWriter(memory)
      const model: { bytes: Buffer; peer: string }[] = []
      let heldBytes = 0
      for (const action of actions) {
        if (action.kind === 'rewrite') writer = new RingWriter(memory)
        else if (action.kind === 'take') {
          const expected = model.shift()
          if (expected !== undefined) heldBytes -= recordBytes(expected.bytes.length, expected.peer.length)
          assert.deepEqual(take(reader), expected)
        } else {
          const bytes = Buffer.from(action.bytes)
          const needed = recordBytes(bytes.length, action.peer.length)
          if (writer.put(bytes, bytes.length, action.peer)) {
            model.push({ bytes, peer: action.peer })
            heldBytes += needed
            assert.ok(heldBytes < size + 8, 'it holds more than it has room for')
          } else {
            assert.ok(model.length > 0, 'an empty ring refused')
            // Unused is what is too short for this one, and a piece at the end that was too short for an earlier one.
            assert.ok(
              heldBytes + needed + LARGEST >= size,
              `refused ${needed} with ${heldBytes} of ${size} taken`,
            )
          }
        }
        assert.equal(reader.isEmpty, model.length === 0)
      }
      for (const expected of model) assert.deepEqual(take(reader), expected)
      assert.equal(take(reader), undefined)
    },
  )
  fc.assert(property, propertyBounds())
})

test('a full ring refuses, keeps what it has, and takes more once there is room', () => {
  const { writer, reader } = ring(1_000)
  const datagram = (n: number) => Buffer.alloc(92, n)
  let held = 0
  while (writer.put(datagram(held), 92, '')) held++
  assert.equal(held, 9, '9 of 104 bytes with their heads, and not the last 8 bytes')
  assert.equal(take(reader)?.bytes[0], 0)
  assert.ok(!writer.put(datagram(held), 92, ''), 'the head may not come to the tail')
  assert.equal(take(reader)?.bytes[0], 1)
  assert.ok(writer.put(datagram(held), 92, ''))
  for (let n = 2; n <= 9; n++) assert.equal(take(reader)?.bytes[0], n)
  assert.ok(reader.isEmpty)
})

test('a record that would fill the ring to the last byte is refused', () => {
  const { writer, reader } = ring(1_040)
  const put = (): boolean => writer.put(Buffer.alloc(96), 96, '')
  for (let n = 0; n < 9; n++) assert.ok(put())
  assert.ok(!put(), 'a tenth of 104 bytes')
  take(reader)
  assert.ok(put(), 'to the end, and the next one at 0')
  assert.ok(!put())
  for (let n = 0; n < 9; n++) assert.equal(take(reader)?.bytes.length, 96)
  assert.ok(reader.isEmpty)
})

test('only the first bytes of the source count, and an empty datagram is one', () => {
  const { writer, reader } = ring(1_000)
  writer.put(Buffer.from('abcdef'), 3, '::1')
  writer.put(Buffer.from('abcdef'), 0, '::1')
  assert.deepEqual(take(reader), { bytes: Buffer.from('abc'), peer: '::1' })
  assert.deepEqual(take(reader), { bytes: Buffer.alloc(0), peer: '::1' })
})

test('the reader is woken once, and not when there is something to read', () => {
  const { writer, reader } = ring(1_000)
  assert.equal(writer.takeWaiting(), false, 'nobody waits yet')
  assert.equal(reader.wait(), true)
  writer.put(Buffer.from('a'), 1, '')
  assert.equal(writer.isReaderWaiting, true)
  assert.deepEqual([writer.takeWaiting(), writer.takeWaiting()], [true, false])
  assert.equal(reader.wait(), false, 'there is one')
  assert.equal(writer.isReaderWaiting, false)
})

test('drops are told by reason, each once, and a counter may turn over', () => {
  const { writer, reader } = ring(1_000)
  const told: [string, number][] = []
  const look = (): void => reader.takeDropped((reason, count) => told.push([reason, count]))
  writer.dropped('queue', 2)
  writer.dropped('queue', 1)
  writer.dropped('empty', 1)
  look()
  look()
  writer.dropped('kernel', 0x7fff_ffff)
  look()
  writer.dropped('kernel', 5)
  look()
  assert.deepEqual(told, [
    ['queue', 3],
    ['empty', 1],
    ['kernel', 0x7fff_ffff],
    ['kernel', 5],
  ])
})
