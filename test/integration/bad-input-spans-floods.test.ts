/** Floods of bad requests on every entry beside an honest sender: each of its requests is taken, and soon. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { ThriftBytes, thriftBatchOf } from '../support/bad-spans.ts'
import { protoSpan } from '../support/bad-spans-forgeries.ts'
import { SpansProgram } from '../support/bad-spans-program.ts'
import { postSpansPath, type Way } from '../support/bad-spans-world.ts'
import { itemsOfRecord } from '../support/otlp-items.ts'
import { RawGrpc } from '../support/otlp-raw-grpc.ts'
import { field, tag } from '../support/otlp-wire.ts'
import { residentBytesMax } from '../support/running.ts'
import { peakBytes } from '../support/senders.ts'

const MiB = 1024 ** 2
const floodMs = 3_000
/**
 * What an honest request may wait while each core has other work too: the bad ones cost some milliseconds each, of which
 * at most one for each sender is before it.
 */
const honestMsMax = 4_000
const w = new ThriftBytes('binary')

/** Requests that are refused whole, whatever they cost until then. */
const bad: Readonly<Record<string, readonly (readonly [Way, Buffer, Readonly<Record<string, string>>?])[]>> =
  {
    small: [
      ['thrift', Buffer.alloc(300, 0xa5)],
      ['thrift', thriftBatchOf(w, { id: 'never' }).subarray(0, -2)],
      ['zipkinJson', Buffer.from('[{"traceId":"1","id":"1","kind":"X"}]')],
      ['zipkinThrift', w.list('struct', [], 2 ** 30)],
      ['zipkinProto', Buffer.alloc(300, 0xff)],
      ['grpc', field(1, protoSpan('never', tag(99, 3)))],
    ],
    deep: [
      ['thrift', thriftBatchOf(w, { id: 'never', behind: [w.field(99, 'list', w.nested('list', 100_000))] })],
      ['zipkinJson', Buffer.from(`[{"later":${'['.repeat(1_000_000)}`)],
      ['zipkinThrift', w.list('struct', [w.field(99, 'map', w.nested('map', 100_000))])],
      ['grpc', field(1, Buffer.alloc(1_000_000, tag(99, 3)))],
    ],
    large: [
      ['zipkinJson', gzipSync(Buffer.alloc(100 * MiB, '[')), { 'content-encoding': 'gzip' }],
      ['thrift', gzipSync(Buffer.alloc(100 * MiB)), { 'content-encoding': 'gzip' }],
      // Well-formed to the last byte but one.
      ['thrift', thriftBatchOf(w, { id: 'never', spanTags: [Buffer.alloc(2 * MiB)] }).subarray(0, -2)],
      ['zipkinJson', Buffer.from(`[{"traceId":"1","id":"1","name":"${'x'.repeat(2 * MiB)}"}`)],
      ['grpc', Buffer.concat([field(1, Buffer.alloc(MiB, field(1))), Buffer.of(0x0a)])],
    ],
  }

for (const [name, requests] of Object.entries(bad)) {
  test(`${name} bad requests, eight senders at once`, async (context) => {
    const spans = await SpansProgram.start(context)
    const grpc = await RawGrpc.connect(spans.portOf('jaegerGrpc'))
    context.after(() => grpc.close())
    const endMs = performance.now() + floodMs
    let refused = 0
    const flood = async (from: number): Promise<void> => {
      for (let i = from; performance.now() < endMs; i++) {
        const [way, body, headers = {}] = requests[i % requests.length]!
        const { status, code, text } = await spans.send(way, body, headers)
        const isRefused = [400, 413, 503].includes(status) || [3, 8, 14].includes(code)
        assert.ok(isRefused, `${way}: ${status} ${code} ${text}`)
        refused++
        await turn()
      }
    }
    const ids: string[] = []
    const waitsMs: number[] = []
    const honest = async (): Promise<void> => {
      while (performance.now() < endMs || ids.length < 10) {
        const startedMs = performance.now()
        const overGrpc = `grpc ${ids.length}`
        const { grpcStatus, message } = await grpc.call(postSpansPath, field(1, protoSpan(overGrpc)))
        assert.equal(grpcStatus, 0, message)
        const overHttp = `http ${ids.length}`
        const { status, text } = await spans.send('thrift', thriftBatchOf(w, { id: overHttp }))
        assert.equal(status, 202, text)
        ids.push(overGrpc, overHttp)
        waitsMs.push((performance.now() - startedMs) / 2)
        await turn()
      }
    }
    await Promise.all([honest(), ...Array.from({ length: 8 }, (_, i) => flood(i))])
    const stored = (await spans.running.records())
      .filter(({ topic }) => topic === 'otlp_spans')
      .flatMap((record) => itemsOfRecord(record).map(({ id }) => id))
    assert.deepEqual(stored.toSorted(), ids.toSorted(), 'each once, and nothing else')
    const worstMs = Math.max(...waitsMs)
    context.diagnostic(
      `${refused} refused beside ${ids.length} honest; the longest wait ${worstMs.toFixed(0)} ms, ${Math.round((await peakBytes(spans.program.pid)) / 1e6)} MB`,
    )
    assert.ok(worstMs < honestMsMax, `${worstMs} ms`)
    assert.ok(refused > 8, `${refused} refused`)
    await spans.running.assertServing(name === 'large' ? 600e6 : residentBytesMax)
  })
}
