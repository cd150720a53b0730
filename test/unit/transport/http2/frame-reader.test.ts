import assert from 'node:assert/strict'
import test from 'node:test'
import { FrameReader } from '../../../../src/transport/http2/frame-reader.ts'
import { Flag, FrameType, preface } from '../../../../src/transport/http2/frames.ts'
import { frame } from '../../../support/grpc-raw.ts'

interface Read {
  /** `type flags id payload`, DATA without its padding. */
  readonly frames: string[]
  /** What it is not, once that is known. */
  malformed: string
  begun: number
}

/** What becomes of these pieces. */
function read(pieces: readonly Buffer[]): Read {
  const result: Read = { frames: [], malformed: '', begun: 0 }
  const data: Buffer[] = []
  const add = (payload: Buffer): void => {
    result.frames.push(`${reader.type} ${reader.flags} ${reader.id} ${payload.toString('hex')}`)
  }
  const reader: FrameReader = new FrameReader({
    begin: () => result.begun++,
    data: (chunk, from, to) => {
      assert.ok(to > from, 'no empty piece is handed on')
      data.push(Buffer.from(chunk.subarray(from, to)))
    },
    dataEnd: () => add(Buffer.concat(data.splice(0))),
    frame: (payload, from, to) => add(payload.subarray(from, to)),
    malformed: (text) => {
      result.malformed = text
      throw new Error(text)
    },
  })
  try {
    for (const piece of pieces) reader.read(piece)
  } catch (error) {
    assert.equal((error as Error).message, result.malformed)
  }
  return result
}

function padded(bytes: string, padding: number): Buffer {
  return Buffer.concat([Buffer.of(padding), Buffer.from(bytes), Buffer.alloc(padding)])
}

const frames = [
  frame(FrameType.SETTINGS, 0, 0),
  frame(FrameType.HEADERS, Flag.END_HEADERS, 1, Buffer.from('headers')),
  frame(FrameType.DATA, 0, 1, Buffer.from('data')),
  frame(FrameType.DATA, Flag.PADDED, 1, padded('more', 3)),
  frame(FrameType.DATA, Flag.PADDED, 1, padded('', 2)),
  frame(FrameType.DATA, Flag.PADDED, 1, padded('x', 0)),
  frame(FrameType.DATA, Flag.PADDED, 1, padded('', 0)),
  frame(FrameType.PING, 0, 0, Buffer.from('12345678')),
  frame(FrameType.DATA, Flag.END_STREAM, 0x7fff_ffff),
  frame(0xf0, 0xff, 0, Buffer.from('unknown')),
]
const bytes = Buffer.concat([preface, ...frames])
const expected = [
  '4 0 0 ',
  `1 4 1 ${Buffer.from('headers').toString('hex')}`,
  `0 0 1 ${Buffer.from('data').toString('hex')}`,
  `0 8 1 ${Buffer.from('more').toString('hex')}`,
  '0 8 1 ',
  '0 8 1 78',
  '0 8 1 ',
  `6 0 0 ${Buffer.from('12345678').toString('hex')}`,
  '0 1 2147483647 ',
  `240 255 0 ${Buffer.from('unknown').toString('hex')}`,
]

test('the same frames come out wherever the bytes are cut in two', () => {
  for (let at = 0; at <= bytes.length; at++) {
    const { frames: found, malformed, begun } = read([bytes.subarray(0, at), bytes.subarray(at)])
    assert.deepEqual([found, malformed, begun], [expected, '', frames.length], `cut at ${at}`)
  }
})

test('and when each byte comes alone', () => {
  assert.deepEqual(read([...bytes].map((byte) => Buffer.of(byte))).frames, expected)
})

test('the reserved bit of a stream’s number is passed over', () => {
  const reserved = frame(FrameType.PING, 0, 0x8000_0001, Buffer.alloc(8))
  assert.deepEqual(read([preface, reserved]).frames, ['6 0 1 0000000000000000'])
})

test('what is not HTTP/2 is known by its first wrong byte', () => {
  for (let at = 0; at < preface.length; at++) {
    const wrong = Buffer.from(preface)
    wrong[at]! ^= 1
    assert.equal(read([wrong.subarray(0, at)]).malformed, '')
    assert.equal(read([wrong.subarray(0, at + 1)]).malformed, 'this is not HTTP/2')
  }
})

test('DATA with more padding than bytes', () => {
  const wrong = [
    [frame(FrameType.DATA, Flag.PADDED, 1, Buffer.of(1)), 'more padding than DATA'],
    [frame(FrameType.DATA, Flag.PADDED, 1, Buffer.of(255, 1, 2)), 'more padding than DATA'],
    [frame(FrameType.DATA, Flag.PADDED, 1), 'padding without its length'],
  ] as const
  for (const [bad, text] of wrong) {
    for (let at = 0; at <= bad.length; at++) {
      assert.equal(read([preface, bad.subarray(0, at), bad.subarray(at)]).malformed, text)
    }
  }
})

test('it knows which frame has begun and is not whole', () => {
  const reader = new FrameReader({
    begin: () => undefined,
    data: () => undefined,
    dataEnd: () => undefined,
    frame: () => undefined,
    malformed: (text) => assert.fail(text),
  })
  reader.read(preface)
  const begun: number[] = []
  const data = frame(FrameType.DATA, 0, 1, Buffer.from('ab'))
  for (const byte of Buffer.concat([
    frame(FrameType.PING, 0, 0, Buffer.alloc(8)),
    data,
    data.subarray(0, 3),
  ])) {
    reader.read(Buffer.of(byte))
    begun.push(reader.begun)
  }
  // DATA is its stream's, and not waited for.
  const ping = [...new Array<number>(16).fill(1), -1]
  const first = [...new Array<number>(8).fill(2), -1, -1, -1]
  assert.deepEqual(begun, [...ping, ...first, 3, 3, 3])
})
