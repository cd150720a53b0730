/** Bodies whose compression lies, is cut, or is a bomb: each is refused, and costs no more than an honest one. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { readData } from '../support/data.ts'
import { Running } from '../support/running.ts'
import {
  contentV1,
  messageV1,
  post,
  type Reply,
  series,
  snappy,
  snappyLiterals,
  varint,
} from '../support/senders.ts'

const MiB = 1024 ** 2
const inflatedBytesMax = 32 * MiB
const zstd = { ...contentV1, 'content-encoding': 'zstd' }
const good = messageV1(series('team-a', 'whole'), series('team-b', 'whole'))

const running = await Running.start({ after })

function send(body: Buffer, headers: Readonly<Record<string, string>> = contentV1): Promise<Reply> {
  return post(running.port, body, { headers })
}

/** Sends each body; the answers that are not `status` with `code` are named. */
async function assertAll(
  bodies: Iterable<readonly [name: string, body: Buffer]>,
  [status, code]: readonly [number, string],
  headers: Readonly<Record<string, string>> = contentV1,
): Promise<void> {
  const wrong: string[] = []
  for (const [name, body] of bodies) {
    const reply = await send(body, headers)
    if (reply.status !== status || !reply.text.startsWith(`${code}: `)) {
      wrong.push(`${name}: ${reply.status} ${reply.text}`)
    }
  }
  assert.deepEqual(wrong, [])
}

const malformed = [400, 'GP_BODY_MALFORMED'] as const
const tooLarge = [413, 'GP_BODY_TOO_LARGE'] as const

test('a snappy block that announces more than the limit is refused by its first bytes', async () => {
  const before = await running.refused('body_too_large')
  const lies: [string, Buffer][] = [
    ['one byte over the limit', snappyLiterals(good, inflatedBytesMax + 1)],
    ['2 GB', snappyLiterals(good, 2 ** 31)],
    ['4 GB', snappyLiterals(good, 2 ** 32 - 1)],
  ]
  await assertAll(lies, tooLarge)
  assert.equal(await running.refused('body_too_large'), before + lies.length)
  await assertAll(
    [
      ['beyond 32 bits', snappyLiterals(good, 2 ** 32)],
      ['a length without an end', Buffer.alloc(20, 0xff)],
      ['nothing but a length', varint(1000)],
    ],
    malformed,
  )
  await running.assertWell()
})

test('a snappy block that lies about its length is malformed, however it lies', async () => {
  const block = snappyLiterals(good)
  assert.equal((await send(block)).status, 204, 'the honest one is taken')
  await assertAll(
    [-good.length, -100, -1, 1, 2, 1000, 31 * MiB].map((by) => [
      `${by} bytes`,
      snappyLiterals(good, good.length + by),
    ]),
    malformed,
  )
  const copies: [string, Buffer][] = [
    ['a copy from before the start', Buffer.of(8, 0x00, 0x41, 0x01 | (3 << 2), 0x05)],
    ['a copy with offset 0', Buffer.of(5, 0x00, 0x41, 0x01, 0x00)],
    ['a copy beyond the end', Buffer.of(3, 0x00, 0x41, 0x01 | (7 << 2), 0x01)],
    ['a literal of 4 GB', Buffer.of(3, 63 << 2, 0xff, 0xff, 0xff, 0xff, 0x41)],
    ['a literal whose length is cut', Buffer.of(3, 62 << 2, 0xff)],
  ]
  await assertAll(copies, malformed)
})

test('a snappy body cut at any byte is malformed, and nothing of it is stored', async () => {
  const stored = (await running.stored()).length
  const small = snappy(good)
  await assertAll(
    Array.from({ length: small.length - 1 }, (_, i) => [`cut at ${i + 1}`, small.subarray(0, i + 1)]),
    malformed,
  )
  const large = await readData('prometheus/v1-01.snappy')
  const cuts = Array.from({ length: 60 }, (_, i) => Math.floor(((i + 1) * (large.length - 1)) / 61))
  await assertAll(
    [...cuts, large.length - 1].map((at) => [`cut at ${at}`, large.subarray(0, at)]),
    malformed,
  )
  await running.assertWell()
  assert.equal((await running.stored()).length, stored + 1, 'only the probe was stored')
})

test('the framed format of snappy is refused by name', async () => {
  const identifier = Buffer.from([0xff, 0x06, 0, 0, ...Buffer.from('sNaPpY')])
  const payload = snappy(good)
  const chunk = Buffer.concat([Buffer.of(0, payload.length + 4, 0, 0, 1, 2, 3, 4), payload])
  const reply = await send(Buffer.concat([identifier, chunk]))
  assert.equal(reply.status, 400)
  assert.match(reply.text, /GP_BODY_MALFORMED: .*framed/)
})

test('snappy that inflates to all that is allowed is judged, again and again, in bounded memory', async () => {
  // 32 MiB of one field that no version knows: well-formed, and no item in it.
  const filler = Buffer.alloc(inflatedBytesMax - 8)
  const body = snappy(Buffer.concat([Buffer.of(0x7a), varint(filler.length), filler]))
  assert.ok(body.length < 2 * MiB)
  for (let i = 0; i < 12; i++) {
    const reply = await send(body)
    assert.equal(reply.status, 413, reply.text)
  }
  await running.assertWell()
})

test('zstd bombs stop at the limit', async () => {
  const bomb = tenGigabytes()
  assert.ok(bomb.length < 2 * MiB, `it is ${bomb.length} bytes`)
  const startedMs = performance.now()
  await assertAll([['10 GB', bomb]], tooLarge, zstd)
  assert.ok(performance.now() - startedMs < 2000, 'and it did not take long')
  await assertAll([['33 MiB', zstdCompressSync(Buffer.alloc(33 * MiB))]], tooLarge, zstd)
  await running.assertWell()
})

test('zstd with a window larger than 8 MiB is refused', async () => {
  await assertAll([['128 MiB', windowFrame(good, 27)]], malformed, zstd)
  assert.equal((await send(windowFrame(good, 20), zstd)).status, 204, 'a window of 1 MiB is fine')
})

test('zstd cut at any byte, followed by more, or no zstd at all is malformed', async () => {
  const stored = (await running.stored()).length
  const frame = zstdCompressSync(good)
  await assertAll(
    Array.from({ length: frame.length - 1 }, (_, i) => [`cut at ${i + 1}`, frame.subarray(0, i + 1)]),
    malformed,
    zstd,
  )
  const more: [string, Buffer][] = [
    ['a second frame that is cut', Buffer.concat([frame, frame.subarray(0, -1)])],
    ['other bytes behind it', Buffer.concat([frame, Buffer.from('more')])],
    ['snappy', snappy(good)],
    ['no compression', good],
  ]
  await assertAll(more, malformed, zstd)
  assert.equal((await running.stored()).length, stored)
  assert.equal((await send(frame, zstd)).status, 204)
  await running.assertWell()
})

test('an encoding that is not known is told which are', async () => {
  for (const encoding of ['gzip', 'deflate', 'snappy, gzip', 'x-snappy-framed']) {
    const reply = await send(snappy(good), { ...contentV1, 'content-encoding': encoding })
    assert.equal(reply.status, 415, encoding)
    assert.match(reply.text, /GP_ENCODING_UNSUPPORTED: .*snappy.*zstd.*identity/)
  }
  for (const [encoding, body] of [
    ['SNAPPY', snappy(good)],
    [' snappy ', snappy(good)],
    ['identity', good],
  ] as const) {
    assert.equal((await send(body, { ...contentV1, 'content-encoding': encoding })).status, 204, encoding)
  }
  const { 'content-encoding': _, ...unsaid } = contentV1
  assert.equal((await send(snappy(good), unsaid)).status, 204, 'snappy that is not named')
  assert.equal((await send(good, unsaid)).status, 204, 'no compression, and none named')
  await running.assertWell()
})

/** One frame of raw blocks with the given window, RFC 8878, 3.1.1: no checksum, no content size. */
function windowFrame(payload: Buffer, windowLog: number): Buffer {
  const header = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3)
  return Buffer.concat([header, block(payload.length, 0, true), payload])
}

/** RFC 8878, 3.1.1.2: last block, type (0 raw, 1 one byte repeated), size. */
function block(size: number, type: number, isLast: boolean): Buffer {
  const head = (size << 3) | (type << 1) | (isLast ? 1 : 0)
  return Buffer.of(head & 0xff, (head >> 8) & 0xff, head >> 16)
}

/** A frame of repeated bytes: four bytes for each 128 KiB. */
function tenGigabytes(): Buffer {
  const blockBytes = 128 * 1024
  const repeated = Buffer.concat([block(blockBytes, 1, false), Buffer.of(0)])
  const blocks = Math.ceil(1e10 / blockBytes)
  const header = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, (23 - 10) << 3)
  return Buffer.concat([header, Buffer.alloc(blocks * repeated.length, repeated), block(0, 0, true)])
}
