import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  constants as zlib,
  zstdCompressSync,
} from 'node:zlib'
import { GuidepostError } from '../../../src/errors.ts'
import { KiB, limits, MiB } from '../../../src/limits.ts'
import { Budget } from '../../../src/route/budget.ts'
import type { Body } from '../../../src/transport/body.ts'
import { type Coding, type InflateBounds, inflate, inflateZstd } from '../../../src/transport/inflate.ts'
import { claimOf } from '../../support/claim.ts'

const compressors: readonly (readonly [string, Coding, (input: Buffer) => Buffer])[] = [
  ['gzip', 'gzip', (input) => gzipSync(input)],
  ['zlib', 'deflate', (input) => deflateSync(input)],
  ['bare deflate', 'deflate', (input) => deflateRawSync(input)],
  ['bare deflate, stored', 'deflate', (input) => deflateRawSync(input, { level: 0 })],
  ['brotli', 'br', (input) => brotliCompressSync(input, { params: { [zlib.BROTLI_PARAM_QUALITY]: 3 } })],
  ['zstd', 'zstd', (input) => zstdCompressSync(input)],
]

const small = Buffer.from('payload '.repeat(500))
/** Compresses to a half, so that it is large for the event loop in each coding. */
const large = Buffer.from(randomBytes(600 * KiB).toString('hex'))

function bodyOf(whole: Buffer, pieceBytes = whole.length): { chunks: Buffer[]; bytes: number } {
  const chunks: Buffer[] = []
  for (let at = 0; at < whole.length; at += pieceBytes) chunks.push(whole.subarray(at, at + pieceBytes))
  return { chunks, bytes: whole.length }
}

function boundsWith(bytesMax: number, budget = new Budget(64 * MiB)): InflateBounds {
  return { bytesMax, key: 'limits.someBytes', budget: claimOf(budget) }
}

async function codeOf(
  coding: Coding,
  input: Buffer,
  bytesMax = 32 * MiB,
  budget = new Budget(64 * MiB),
): Promise<string> {
  const result = await inflate(coding, bodyOf(input, 64 * KiB), boundsWith(bytesMax, budget))
  assert.equal(budget.bytes, result instanceof GuidepostError ? 0 : budget.bytes, 'a refusal costs nothing')
  return result instanceof GuidepostError ? result.code : 'inflated'
}

for (const [name, coding, compress] of compressors) {
  test(`${name}: small and large, whole and in chunks, charged until it is released`, async () => {
    for (const payload of [small, large]) {
      const input = compress(payload)
      for (const pieceBytes of [input.length, 7 * KiB, 11]) {
        if (pieceBytes === 11 && payload === large) continue
        const budget = new Budget(64 * MiB)
        const result = inflate(coding, bodyOf(input, pieceBytes), boundsWith(payload.length, budget))
        assert.equal(result instanceof Promise, payload === large, 'only what is large leaves the turn')
        const body = (await result) as Body
        assert.ok(!(body instanceof GuidepostError), String(body))
        assert.equal(body.bytes, payload.length)
        assert.ok(Buffer.concat(body.chunks).equals(payload))
        assert.ok(budget.bytes >= payload.length)
        body.release()
        body.release()
        assert.deepEqual([budget.bytes, body.chunks.length], [0, 0])
      }
    }
  })

  test(`${name}: one byte over the limit is too much, and the limit is named`, async () => {
    for (const payload of [small, large]) {
      const refusal = await inflate(coding, bodyOf(compress(payload)), boundsWith(payload.length - 1))
      assert.ok(refusal instanceof GuidepostError)
      assert.equal(refusal.code, 'GP_BODY_TOO_LARGE')
      assert.match(
        refusal.message,
        new RegExp(`more than ${payload.length - 1} bytes \\(limits\\.someBytes\\)`),
      )
    }
  })

  test(`${name}: what is cut off, empty, or followed by something is malformed`, async () => {
    for (const payload of [small, large]) {
      const input = compress(payload)
      const behind = [
        input.subarray(0, -1),
        input.subarray(0, input.length >> 1),
        input.subarray(0, 1),
        Buffer.alloc(0),
        Buffer.concat([input, Buffer.from('garbage')]),
        Buffer.concat([input, Buffer.alloc(9)]),
        Buffer.concat([input, Buffer.alloc(1), input]),
      ]
      for (const [i, bytes] of behind.entries()) {
        assert.equal(await codeOf(coding, bytes), 'GP_BODY_MALFORMED', `case ${i} of ${payload.length} bytes`)
      }
    }
  })

  test(`${name}: no room in the budget is a reason to try again`, async () => {
    for (const payload of [small, large]) {
      assert.equal(
        await codeOf(coding, compress(payload), 32 * MiB, new Budget(payload.length >> 1)),
        'GP_OVERLOADED',
      )
    }
  })
}

test('what is none of it is malformed', async () => {
  for (const [, coding] of compressors) {
    for (const bytes of [Buffer.from('hello'), Buffer.alloc(300 * KiB, 0xff), randomBytes(300 * KiB)]) {
      if (coding === 'deflate' || bytes.length < 10) bytes[0] = 0xff
      assert.equal(await codeOf(coding, bytes), 'GP_BODY_MALFORMED')
    }
  }
})

test('gzip members and zstd frames that are joined are one body, within the bound', async () => {
  for (const [coding, compress] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    for (const payload of [small, large]) {
      const input = Buffer.concat([compress(payload), compress(Buffer.alloc(0)), compress(payload)])
      const body = await inflate(coding, bodyOf(input, 10_000), boundsWith(2 * payload.length))
      assert.ok(!(body instanceof GuidepostError), String(body))
      assert.ok(Buffer.concat(body.chunks).equals(Buffer.concat([payload, payload])))
      assert.equal(await codeOf(coding, input, 2 * payload.length - 1), 'GP_BODY_TOO_LARGE')
    }
  }
})

test('so many zstd frames that each costs more than its bytes are refused', async () => {
  const frame = zstdCompressSync(small)
  const frames = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => frame))
  assert.equal(await codeOf('zstd', frames(limits.zstdFramesMax)), 'inflated')
  assert.equal(await codeOf('zstd', frames(limits.zstdFramesMax + 1)), 'GP_BODY_MALFORMED')
  assert.equal(await codeOf('zstd', frames(20_000)), 'GP_BODY_MALFORMED')
})

test('a size that a body claims is not believed', async () => {
  const gzip = gzipSync(small)
  gzip.writeUInt32LE(0xffff_ffff, gzip.length - 4)
  assert.equal(await codeOf('gzip', gzip), 'GP_BODY_MALFORMED')
  gzip.writeUInt32LE(1, gzip.length - 4)
  assert.equal(await codeOf('gzip', gzip), 'GP_BODY_MALFORMED')
  // A frame that says 1 EB, with the header of RFC 8878, 3.1.1.1, and a raw block of one byte.
  const zstd = Buffer.from('28b52ffdc0000000000000000010090000610000', 'hex')
  assert.equal(await codeOf('zstd', zstd), 'GP_BODY_MALFORMED')
})

test('a window above 8 MiB is refused: it would be kept for each body', async () => {
  const payload = randomBytes(9 * MiB)
  const frame = zstdCompressSync(payload, { params: { [zlib.ZSTD_c_windowLog]: 24 } })
  assert.equal(await codeOf('zstd', frame), 'GP_BODY_MALFORMED')
})

test('more large bodies than may be inflated at once all come to their end', async () => {
  const budget = new Budget(256 * MiB)
  const input = gzipSync(large)
  const cut = input.subarray(0, -1)
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      inflate('gzip', bodyOf(i % 3 === 0 ? cut : input, 64 * KiB), boundsWith(32 * MiB, budget)),
    ),
  )
  for (const [i, result] of results.entries()) {
    assert.equal(result instanceof GuidepostError, i % 3 === 0)
    if (!(result instanceof GuidepostError)) result.release()
  }
  assert.equal(budget.bytes, 0)
})

test('zstd in this turn, from any chunks up to the bound', () => {
  const frame = zstdCompressSync(small)
  const inflated = inflateZstd([frame.subarray(0, 5), frame.subarray(5)], small.length)
  assert.ok(Buffer.isBuffer(inflated) && inflated.equals(small))
  const code = (chunks: Buffer[], bytesMax: number): string | undefined => {
    const result = inflateZstd(chunks, bytesMax)
    return result instanceof GuidepostError ? result.code : undefined
  }
  assert.equal(code([frame], small.length - 1), 'GP_BODY_TOO_LARGE')
  assert.equal(code([frame, frame], 2 * small.length), undefined)
  assert.equal(code([frame.subarray(0, -1)], 10_000), 'GP_BODY_MALFORMED')
  assert.equal(code([Buffer.alloc(0)], 10_000), 'GP_BODY_MALFORMED')
})
