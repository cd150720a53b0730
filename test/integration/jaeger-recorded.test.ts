/**
 * What real clients of Jaeger and Zipkin were recorded to send, sent to the program at the entry for its form: the bus holds
 * each span as the translation has it, with one guid, that of its tag where its process or span has one.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { PayloadSender } from '../support/jaeger-judge.ts'
import { recorded, translated } from '../support/jaeger-judge-ours.ts'
import { type PlainAttributes, type PlainItem, sorted, spansOfOtlp } from '../support/plain-spans.ts'
import { Running } from '../support/running.ts'
import { spanPort } from '../support/span-program.ts'
import { until } from '../support/until.ts'

const running = await Running.start({ after })
const sender = new PayloadSender({
  grpc: spanPort(running, 'jaegerGrpc'),
  http: spanPort(running, 'jaegerHttp'),
  binary: spanPort(running, 'jaegerBinary'),
  compact: spanPort(running, 'jaegerCompact'),
  zipkin: spanPort(running, 'zipkin'),
})
after(() => sender.close())

const withoutGuid = <Having extends PlainAttributes>(having: Having): Having => ({
  ...having,
  attributes: having.attributes.filter(([key]) => key !== 'guid'),
})

/** Comparable but for the guid, which is asserted apart. */
function plain(items: readonly PlainItem[], isInSpan: boolean): PlainItem[] {
  return sorted(
    items.map(({ resource, scope, span }) => ({
      resource: withoutGuid(resource),
      scope,
      span: isInSpan ? withoutGuid(span) : span,
    })),
  )
}

for (const { protocol, file, entry, payload } of recorded) {
  test(`${file}: each span is on the bus, translated and stamped`, { timeout: 30_000 }, async () => {
    const expected = translated(entry, payload)
    const before = (await running.records()).length
    await sender.send(entry, payload)
    let found: { guid: string | undefined; item: PlainItem }[] = []
    await until(`${expected.length} spans are on the bus`, 10_000, async () => {
      found = (await running.records())
        .slice(before)
        .flatMap(({ key, value }) => spansOfOtlp(value).map((item) => ({ guid: key, item })))
      return found.length >= expected.length
    })
    const items = found.map(({ item }) => item)
    // A tag of Zipkin's span by which the guid is found moves to the resource.
    assert.deepEqual(plain(items, protocol === 'zipkin'), plain(expected, protocol === 'zipkin'))

    // OpenTelemetry's exporter to Thrift gives the process no tags; its resource is in those of each span.
    const guid = /^python-opentelemetry.(udp|http)/.test(file) ? 'unassigned' : 'team-a'
    for (const { guid: key, item } of found) {
      assert.equal(key, guid)
      assert.deepEqual(
        item.resource.attributes.filter(([name]) => name === 'guid'),
        [['guid', guid]],
      )
    }
  })
}

test('after all of them the books are even', async () => {
  await running.assertWell()
})
