/** Bodies beyond the limits, plain and inflated, and the largest within them at once: the program stays within its memory. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { largeRequests } from '../support/bad-spans-large.ts'
import { SpansProgram } from '../support/bad-spans-program.ts'

const MiB = 1024 ** 2
/** What twenty refusals may cost together: each inflates 32 MiB at most, and took 30 ms. */
const cpuMsMax = 4_000
/** What the program may occupy: itself, the bodies and records in flight (128 MiB), the kernel with input and output of one request. */
const residentBytesMax = 900e6

test('JSON of 100 MB is refused by what its headers say; what inflates to it, where the limit is', async (context) => {
  const spans = await SpansProgram.start(context)
  const head = Buffer.from('[{"traceId":"1","id":"1","name":"')
  const large = Buffer.concat([head, Buffer.alloc(100 * MiB, 'x'), Buffer.from('"}]')])
  const bomb = gzipSync(large)
  assert.ok(bomb.length < MiB)
  const cost = await spans.cost(async () => {
    for (const way of ['zipkinJson', 'zipkinJsonV1', 'zipkinProto', 'zipkinThrift', 'thrift'] as const) {
      // The rest of a refused body is not read to its end: its sender may get a reset instead of the answer.
      const plain = await spans.send(way, large).catch(() => undefined)
      if (plain !== undefined) {
        assert.equal(plain.status, 413, way)
        assert.match(plain.text, /^GP_BODY_TOO_LARGE: the body has \d+ bytes or more, the limit is \d+/)
      }
      for (let repeat = 0; repeat < 3; repeat++) {
        const inflated = await spans.send(way, bomb, { 'content-encoding': 'gzip' })
        assert.equal(inflated.status, 413, way)
        assert.match(
          inflated.text,
          /^GP_BODY_TOO_LARGE: the body inflates to more than \d+ bytes \(limits\.inflatedBytes\)/,
        )
      }
    }
  })
  assert.equal(await spans.running.refused('body_too_large'), 20)
  assert.ok(cost.cpuMs < cpuMsMax, `${cost.cpuMs} ms`)
  // No more than bodies of the allowed size take: 15 of them, one after the other.
  assert.ok(cost.peakBytes < 400e6, `${cost.peakBytes} bytes`)
  context.diagnostic(`${cost.cpuMs} ms, ${Math.round(cost.peakBytes / 1e6)} MB`)
  await spans.running.assertServing(400e6)
})

test('the largest requests at once: each is taken, too large, or told to wait; the memory stays within its bound', async (context) => {
  const spans = await SpansProgram.start(context)
  const names = [
    'zipkinJson, 1,900,000 tags',
    'zipkinJson, 900,000 times the key tags',
    'thrift, 30,000,000 empty structs in an unknown field',
    'zipkinJsonV1, 300,000 annotations of as many endpoints',
    'thrift, 250,000 tags of the process',
    'grpc, 10,000 processes of as many guids',
  ]
  const large = names.map((name) => largeRequests.get(name)!())
  let waits = 0
  const cost = await spans.cost(async () => {
    for (let round = 0; round < 2; round++) {
      const told = await Promise.all([...large, ...large].map(({ way, body }) => spans.send(way, body)))
      for (const { status, code, text } of told) {
        if (status === 503 || code === 14) waits++
        else if (status === 413 || code === 8) assert.match(text, /^GP_BODY_TOO_LARGE: /)
        else assert.ok(code === 0 && (status === 202 || status === 200), `${status} ${code} ${text}`)
      }
    }
  })
  context.diagnostic(`${waits} of 24 told to wait; ${cost.cpuMs} ms, ${Math.round(cost.peakBytes / 1e6)} MB`)
  assert.ok(cost.peakBytes < residentBytesMax, `${cost.peakBytes} bytes`)
  await spans.running.assertServing(residentBytesMax)
})
