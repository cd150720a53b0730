/**
 * Frames of a client, damaged, cut at random places. Whatever comes, nothing is thrown, each request is closed exactly
 * once, and what is kept and written stays within what came.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../src/limits.ts'
import { answer, helloOf, MemoryConnection, parseFrames } from '../support/http2-server.ts'
import { mutate } from '../support/mutate.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { cut, randomRequests } from '../support/random-http2.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
/** Of what is written for each byte that comes: an answer, or a reset for a frame's head. */
const GAIN_MAX = 8
const HELLO_BYTES = 200

/** Frames of which one in three is damaged, repeated, left out, or anything at all. */
function damaged(random: Random, frames: readonly Buffer[]): Buffer[] {
  return frames.flatMap((frame) => {
    switch (random.below(12)) {
      case 0:
        return [mutate(frame, random.next())]
      case 1:
        return [frame, frame]
      case 2:
        return []
      case 3:
        // Another head around the same payload.
        return [
          Buffer.concat([
            frame.subarray(0, 3),
            Buffer.from([random.below(11), random.below(64)]),
            frame.subarray(5),
          ]),
        ]
      default:
        return [frame]
    }
  })
}

test('damaged frames', async () => {
  const endMs = performance.now() + fuzzMs
  const ends = new Map<string, number>()
  for (let round = seed; round === seed || performance.now() < endMs; round++) {
    const random = new Random(round)
    const isAnswered = random.oneIn(2)
    const connection = new MemoryConnection((request) => isAnswered && answer(request), 'nothing')
    const frames = [helloOf(Buffer.alloc(0)), ...damaged(random, randomRequests(random).frames)]
    const bytes = random.oneIn(4) ? mutate(Buffer.concat(frames), random.next()) : Buffer.concat(frames)
    for (const piece of cut(random, bytes)) connection.take(piece)
    const { seen } = connection
    if (random.oneIn(3)) connection.connection.leave()
    for (const { stream } of seen.requests) if (random.oneIn(3)) stream.reset(8)
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
    const written = Buffer.concat(connection.socket.written)
    // Throws when a frame is not whole.
    parseFrames(written)
    assert.ok(
      written.length <= HELLO_BYTES + GAIN_MAX * bytes.length,
      `seed ${round}: ${written.length} bytes`,
    )
    const kept = seen.requests.flatMap(({ body }) => body).reduce((sum, part) => sum + part.length, 0)
    assert.ok(kept <= bytes.length, `seed ${round}: ${kept} bytes of ${bytes.length} are kept`)
    assert.ok(connection.connection.streamCount <= limits.grpcStreamsMax)
    await connection.close()
    assert.deepEqual(seen.failed, [], `seed ${round}`)
    assert.equal(seen.closed, 1, `seed ${round}`)
    assert.equal(connection.connection.streamCount, 0, `seed ${round}`)
    for (const { closed, stream } of seen.requests)
      assert.equal(closed, 1, `seed ${round}: stream ${stream.id}`)
    const end = seen.broken[0] ?? 'taken'
    ends.set(end, (ends.get(end) ?? 0) + 1)
  }
  // Most of it must get somewhere, or nothing is tried.
  assert.ok((ends.get('taken') ?? 0) > 0 && ends.size > 1, JSON.stringify([...ends]))
})
