/**
 * The official OpenTelemetry exporters, of Node and of Python, send to the running program: each item lies on the bus
 * once, under the guid of its resource.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { OtlpClientOptions } from '../support/otlp-clients.ts'
import { OtlpClient, otlpProtocols, runNodeApplication } from '../support/otlp-clients.ts'
import { itemsOfRecord, type OtlpSignal, otlpSignals, topicOf } from '../support/otlp-items.ts'
import {
  assertRecords,
  batchOf,
  endpointOf,
  expectedOf,
  namespaceOf,
  otlpPorts,
  storedOf,
} from '../support/otlp-program.ts'
import { pythonAvailable, runInstrumented, sendFromPython } from '../support/python.ts'
import { requireReal } from '../support/real.ts'
import { Running } from '../support/running.ts'

const skipPython = await requireReal("OpenTelemetry's exporters for Python", pythonAvailable)
const options = { timeout: 60_000 }
const received = 'guidepost_received_items_total'
const published = 'guidepost_published_items_total'
const running = await Running.start({ after }, { env: otlpPorts })

/** What each signal's counters say, of OTLP as `[received, published]`. */
async function counted(): Promise<Record<OtlpSignal, [number, number]>> {
  const entries = otlpSignals.map(async (signal) => [
    signal,
    [
      await running.counter(received, { receiver: 'otlp', signal }),
      await running.counter(published, { receiver: 'otlp', signal }),
    ],
  ])
  return Object.fromEntries(await Promise.all(entries)) as Record<OtlpSignal, [number, number]>
}

/** Sends the three signals by `send`, and finds all of it on the bus, in the counters and in the books. */
async function assertArrives(
  name: string,
  send: (batches: Readonly<Record<OtlpSignal, ReturnType<typeof batchOf>>>) => Promise<void>,
  guid?: string,
): Promise<void> {
  const before = await counted()
  const batches = {
    traces: batchOf(`${name} traces`),
    metrics: batchOf(`${name} metrics`),
    logs: batchOf(`${name} logs`),
  }
  await send(batches)
  const now = await counted()
  const records = await running.records()
  for (const signal of otlpSignals) {
    const expected = expectedOf(batches[signal]).map((text) =>
      guid === undefined ? text : `${guid}${text.slice(text.indexOf(' '))}`,
    )
    assert.deepEqual(storedOf(signal, `${name} ${signal}`, records), expected.toSorted())
    const [was, is] = [before[signal], now[signal]]
    assert.deepEqual([is[0] - was[0], is[1] - was[1]], [expected.length, expected.length])
  }
  assertRecords(records)
}

async function withClient(
  client: Omit<OtlpClientOptions, 'endpoint'>,
  use: (client: OtlpClient) => Promise<void>,
): Promise<void> {
  const opened = new OtlpClient({ ...client, endpoint: endpointOf(running.program, client.protocol) })
  try {
    await use(opened)
  } finally {
    await opened.close()
  }
}

for (const protocol of otlpProtocols) {
  for (const compression of ['none', 'gzip'] as const) {
    const name = `node ${protocol} ${compression}`
    test(`${name}: each item is there once, under its namespace`, options, () =>
      withClient({ protocol, compression }, (client) =>
        assertArrives(name, async (batches) => {
          for (const signal of otlpSignals) await client.send(signal, batches[signal])
        }),
      ),
    )
  }

  test(`node ${protocol}: a header says the guid`, options, () =>
    withClient({ protocol, headers: { 'x-guid': 'team-header' } }, (client) =>
      assertArrives(
        `node ${protocol} header`,
        async (batches) => {
          for (const signal of otlpSignals) await client.send(signal, batches[signal])
        },
        'team-header',
      ),
    ),
  )
}

test('many exports at once, of all protocols', options, async () => {
  const names = otlpProtocols.flatMap((protocol) =>
    Array.from({ length: 4 }, (_, index) => [protocol, `many ${protocol} ${index}`] as const),
  )
  await Promise.all(
    names.map(([protocol, name]) =>
      withClient({ protocol }, async (client) => {
        await Promise.all(otlpSignals.map((signal) => client.send(signal, batchOf(`${name} ${signal}`))))
      }),
    ),
  )
  const records = await running.records()
  for (const [, name] of names) {
    for (const signal of otlpSignals) {
      const expected = expectedOf(batchOf(`${name} ${signal}`))
      assert.deepEqual(storedOf(signal, `${name} ${signal}`, records), expected)
    }
  }
  assertRecords(records)
})

for (const protocol of ['grpc', 'http/protobuf'] as const) {
  for (const compression of ['none', 'gzip'] as const) {
    const name = `python ${protocol} ${compression}`
    test(`${name}: each item is there once`, { ...options, skip: skipPython }, async () => {
      const endpoint = endpointOf(running.program, protocol)
      const headers = compression === 'gzip' ? { 'x-guid': 'team-python' } : {}
      await assertArrives(
        name,
        async (batches) => {
          const results = await sendFromPython({ protocol, endpoint, compression, headers, batches })
          assert.deepEqual(results, { traces: 'SUCCESS', metrics: 'SUCCESS', logs: 'SUCCESS' })
        },
        headers['x-guid'],
      )
    })
  }

  test(`python ${protocol}: an application that is configured by variables alone`, {
    ...options,
    skip: skipPython,
  }, async () => {
    const ids = [`variables-${protocol}-1`, `variables-${protocol}-2`]
    await runInstrumented(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: endpointOf(running.program, protocol),
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_RESOURCE_ATTRIBUTES: 'k8s.namespace.name=team-env',
        OTEL_SERVICE_NAME: 'shop',
        OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED: 'true',
      },
      ids,
    )
    await assertVariables(ids, 'team-env')
  })
}

test('node: an application whose exporters are configured by variables alone', options, async () => {
  const ids = ['variables-node-1', 'variables-node-2']
  await runNodeApplication(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpointOf(running.program, 'http/protobuf'),
      OTEL_EXPORTER_OTLP_HEADERS: 'x-guid=team-node',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    },
    ids,
  )
  await assertVariables(ids, 'team-node')
})

test('node: the guid in the path of the endpoint, on the port of every protocol', options, async () => {
  const ids = ['variables-path-1', 'variables-path-2']
  await runNodeApplication({ OTEL_EXPORTER_OTLP_ENDPOINT: running.program.url('/t/team-path') }, ids)
  await assertVariables(ids, 'team-path')
})

/** One item of each signal for each id, under the guid. */
async function assertVariables(ids: readonly string[], guid: string): Promise<void> {
  const records = await running.records()
  for (const signal of otlpSignals) {
    const found = records
      .filter(({ topic }) => topic === topicOf[signal])
      .flatMap((record) => itemsOfRecord(record).map((item) => ({ record, item })))
      .filter(({ item }) => ids.includes(item.id))
    assert.deepEqual(
      found.map(({ record, item }) => `${record.headers['guid']} ${item.id}`).toSorted(),
      ids.map((id) => `${guid} ${id}`),
    )
  }
  assertRecords(records)
}

test(
  'the items of a resource without a header went to its namespace, and the books are even',
  options,
  async () => {
    const records = await running.records()
    const own = records.filter(({ key }) => /^team-[a-c]$/.test(key)).flatMap(itemsOfRecord)
    assert.ok(own.length > 0)
    for (const item of own) assert.deepEqual(item.resource.get('guid'), [namespaceOf(item)])
    await running.assertWell()
  },
)
