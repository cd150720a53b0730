/** Spans that are large in one thing or another: the program stays within its memory and time, and says what is too much. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../src/limits.ts'
import { largeRequests } from '../support/bad-spans-large.ts'
import { SpansProgram } from '../support/bad-spans-program.ts'
import { encodings } from '../support/bad-spans-world.ts'

/**
 * What one request may cost. The worst are those that become tens of thousands of records: they took 0.8 s of two shared
 * cores; what is quadratic in its size would take minutes.
 */
const cpuMsMax = 4_000
/** What the program may occupy: itself, the bodies and records in flight (128 MiB), the kernel with input and output of one request. */
const residentBytesMax = 900e6

for (const encoding of encodings) {
  test(`${encoding}: 100,000 of a thing, 10,000 guids, lists of millions`, async (context) => {
    const spans = await SpansProgram.start(context, encoding)
    let worst = { name: '', cpuMs: 0, peakBytes: 0 }
    for (const [name, make] of largeRequests) {
      // What JSON becomes is read the same way for both.
      if (encoding === 'jaeger_proto' && name.startsWith('zipkinJson')) continue
      const large = make()
      const isLongJson = name.startsWith('zipkinJson') && large.body.length > limits.jsonBytesMax
      const known = encoding === 'otlp_proto' ? large.fate : (large.fateInJaeger ?? large.fate)
      const fate = isLongJson ? 'too large' : known
      const received = { signal: 'traces' }
      const before = await spans.running.counter('guidepost_published_items_total', received)
      const cost = await spans.cost(async () => {
        const { status, code, text } = await spans.send(large.way, large.body)
        if (fate === 'taken') {
          assert.ok(code === 0 && (status === 202 || status === 200), `${name}: ${status} ${code} ${text}`)
        } else {
          assert.deepEqual([status, code], large.way === 'grpc' ? [200, 8] : [413, 0], `${name}: ${text}`)
          assert.match(
            text,
            /^GP_BODY_TOO_LARGE: the (?:request (?:has|becomes) more than|body has) \d+ .*; send smaller batches/,
          )
        }
      })
      const published = (await spans.running.counter('guidepost_published_items_total', received)) - before
      assert.equal(published, fate === 'taken' ? large.spans : 0, name)
      assert.ok(cost.cpuMs < cpuMsMax, `${name} took ${cost.cpuMs} ms of CPU time`)
      assert.ok(cost.peakBytes < residentBytesMax, `${name} took ${cost.peakBytes} bytes`)
      if (cost.cpuMs > worst.cpuMs) worst = { name, ...cost }
    }
    context.diagnostic(`${worst.name}: ${worst.cpuMs} ms, ${Math.round(worst.peakBytes / 1e6)} MB`)
    await spans.running.assertServing(residentBytesMax)
  })
}
