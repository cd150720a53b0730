/**
 * The topic `jaeger-spans`, as it is written with `encoding: jaeger_proto`, read by Jaeger's own ingester and by the
 * Collector's kafka receiver: spans of Jaeger's and Zipkin's clients, each once, with its guid.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Collector, collectorAvailable } from '../support/collector.ts'
import { JaegerIngester, jaegerAvailable } from '../support/jaeger-agent.ts'
import { runNodeJaeger } from '../support/jaeger-clients.ts'
import { JaegerEnd } from '../support/jaeger-storage.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { type PlainAttributes, spansOfOtlpJson } from '../support/plain-spans.ts'
import { Program } from '../support/program.ts'
import { protoRoot } from '../support/proto.ts'
import { requireReal } from '../support/real.ts'
import { idsOf, spanPort } from '../support/span-program.ts'
import { until } from '../support/until.ts'
import { sendFromZipkin } from '../support/zipkin-clients.ts'

const skipKafka = await requireReal('Kafka', kafkaAvailable)
const skipIngester = await requireReal('the Jaeger ingester', () => jaegerAvailable('ingester'))
const skipCollector = await requireReal('the Collector', collectorAvailable)
const timeout = 120_000
const READ_MS_MAX = 60_000
let broker: KafkaBroker
let program: Program

if (skipKafka === false) {
  before(async () => {
    broker = await KafkaBroker.started()
    const env = {
      GUIDEPOST_RECEIVERS_JAEGER_ENCODING: 'jaeger_proto',
      GUIDEPOST_RECEIVERS_ZIPKIN_ENCODING: 'jaeger_proto',
    }
    program = await Program.start({ bus: `kafka://${broker.address}`, env })
  })
  after(async () => {
    try {
      await program?.end()
    } finally {
      await broker?.remove()
    }
  })
}

/** Sends spans by way of three clients, each with a guid of its own; returns `guid id` of each span. */
async function sendAll(name: string): Promise<string[]> {
  const at = (port: number): string => `http://127.0.0.1:${port}`
  const tags = (guid: string): Record<string, string> => ({
    JAEGER_SERVICE_NAME: 'checkout',
    JAEGER_TAGS: `guid=${guid}`,
  })
  const http = idsOf(`${name} http`)
  const endpoint = `${at(spanPort({ program }, 'jaegerHttp'))}/api/traces`
  await runNodeJaeger({ ...tags('team-a'), JAEGER_ENDPOINT: endpoint }, http)
  const udp = idsOf(`${name} udp`)
  const agentPort = `${spanPort({ program }, 'jaegerBinary')}`
  await runNodeJaeger(
    { ...tags('team-b'), JAEGER_AGENT_HOST: '127.0.0.1', JAEGER_AGENT_PORT: agentPort },
    udp,
  )
  const zipkin = idsOf(`${name} zipkin`)
  const spans = `${at(spanPort({ program }, 'zipkin'))}/api/v2/spans`
  await sendFromZipkin({ endpoint: spans, tags: { guid: 'team-c' }, ids: zipkin })
  return [
    ...http.map((id) => `team-a ${id}`),
    ...udp.map((id) => `team-b ${id}`),
    ...zipkin.flatMap((id) => [`team-c ${id}`, `team-c ${id} at the server`]),
  ].toSorted()
}

interface Tag {
  readonly key: string
  readonly v_str: string
}

interface Span {
  readonly tags: readonly Tag[]
  readonly process: { readonly service_name: string; readonly tags: readonly Tag[] }
}

const spanType = protoRoot(['jaeger/api_v2/model.proto'], { keepCase: true })
  .resolveAll()
  .lookupType('jaeger.api_v2.Span')

const textsOf = (tags: readonly Tag[], key: string): string =>
  tags.flatMap((tag) => (tag.key === key ? [tag.v_str] : [])).join('+')

test('Jaeger’s ingester reads every span and hands each to its storage, with its guid', {
  skip: skipKafka || skipIngester,
  timeout,
}, async (context) => {
  const storage = await JaegerEnd.start()
  context.after(() => storage.stop())
  const ingester = await JaegerIngester.start(broker.address, `127.0.0.1:${storage.port}`)
  context.after(() => ingester.stop())

  const expected = await sendAll('ingester')
  await until(
    `the storage has ${expected.length} spans`,
    READ_MS_MAX,
    () => storage.spans.length >= expected.length,
  )
  const spans = storage.spans.map((bytes) => spanType.toObject(spanType.decode(bytes)) as Span)
  const found = spans.map(
    ({ tags, process }) => `${textsOf(process.tags, 'guid')} ${textsOf(tags, 'test.id')}`,
  )
  assert.deepEqual(found.toSorted(), expected)
  const services = new Set(spans.map(({ process }) => process.service_name))
  assert.deepEqual(services, new Set(['checkout', 'cart']))

  assert.equal(await ingester.stop(), 0)
  assert.doesNotMatch(ingester.output, /"level":"(error|fatal)"/)
})

test('a Collector whose kafka receiver has the encoding jaeger_proto reads every span, with its guid', {
  skip: skipKafka || skipCollector,
  timeout,
}, async (context) => {
  const expected = await sendAll('collector')
  const env = { KAFKA_BROKER: broker.address }
  const consumer = await Collector.start({ config: 'otelcol-jaeger-consumer.yaml', env })
  context.after(() => consumer.remove())

  const textIn = ({ attributes }: PlainAttributes, key: string): string =>
    attributes.flatMap(([name, value]) => (name === key ? [`${value}`] : [])).join('+')
  let found: string[] = []
  await until(`the Collector has read ${expected.length} spans`, READ_MS_MAX, async () => {
    const items = (await consumer.lines()).flatMap(spansOfOtlpJson)
    found = items
      .map(({ resource, span }) => `${textIn(resource, 'guid')} ${textIn(span, 'test.id')}`)
      .filter((text) => text.includes('collector'))
    return found.length >= expected.length
  })
  assert.deepEqual(found.toSorted(), expected)
  assert.equal(await consumer.stop(), 0)
  assert.doesNotMatch(consumer.output, /error/i)
})
