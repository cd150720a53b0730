/** Real clients of Jaeger, and Jaeger's own agent, pointed at the program: what they send is on the bus, each span once, with its guid. */
import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { after, test } from 'node:test'
import { JaegerAgent, jaegerAvailable } from '../support/jaeger-agent.ts'
import { pythonJaegerAvailable, runNodeJaeger, sendFromPythonJaeger } from '../support/jaeger-clients.ts'
import { requireReal } from '../support/real.ts'
import { Running } from '../support/running.ts'
import { assertStored, idsOf, spanPort } from '../support/span-program.ts'

const skipPython = await requireReal('Python', pythonJaegerAvailable)
const skipAgent = await requireReal('the Jaeger agent', () => jaegerAvailable('agent'))
const timeout = 90_000
const service = 'checkout'
const running = await Running.start({ after })

const node = (variables: Readonly<Record<string, string>>, ids: readonly string[]): Promise<void> =>
  runNodeJaeger({ JAEGER_SERVICE_NAME: service, ...variables }, ids)
/** What a Node application is told by its environment when an agent is to be reached at this port. */
const agentAt = (port: number): Record<string, string> => ({
  JAEGER_AGENT_HOST: '127.0.0.1',
  JAEGER_AGENT_PORT: `${port}`,
})

test('a Node application with JAEGER_AGENT_HOST: all its spans arrive, with the guid of its tag', {
  timeout,
}, async () => {
  const ids = idsOf('node-udp')
  await node({ ...agentAt(spanPort(running, 'jaegerBinary')), JAEGER_TAGS: 'guid=team-a,cluster=eu' }, ids)
  await assertStored(running, 'node-udp', 'team-a', ids)
})

test('a Node application without any tag: its guid is the name of its host, a container’s by default', {
  timeout,
}, async () => {
  const ids = idsOf('node-host')
  await node(agentAt(spanPort(running, 'jaegerBinary')), ids)
  await assertStored(running, 'node-host', hostname(), ids)
})

test('a Node application with JAEGER_ENDPOINT: over HTTP, with the guid of its tag', {
  timeout,
}, async () => {
  const ids = idsOf('node-http', 120)
  const endpoint = `http://127.0.0.1:${spanPort(running, 'jaegerHttp')}/api/traces`
  await node({ JAEGER_ENDPOINT: endpoint, JAEGER_TAGS: 'guid=team-b' }, ids)
  await assertStored(running, 'node-http', 'team-b', ids)
})

test('a Node application whose JAEGER_ENDPOINT has the guid in its path: no tag can be another', {
  timeout,
}, async () => {
  const ids = idsOf('node-path')
  const endpoint = `http://127.0.0.1:${running.port}/t/team-c/api/traces`
  await node({ JAEGER_ENDPOINT: endpoint, JAEGER_TAGS: 'guid=evil,hostname=evil' }, ids)
  await assertStored(running, 'node-path', 'team-c', ids)
})

test('a Python application: compact Thrift over UDP, in several datagrams', {
  skip: skipPython,
  timeout,
}, async () => {
  const ids = idsOf('python', 35)
  const port = spanPort(running, 'jaegerCompact')
  await sendFromPythonJaeger({ client: 'jaeger-client', port, service, tags: { guid: 'team-d' }, ids })
  await assertStored(running, 'python', 'team-d', ids)
})

test('OpenTelemetry’s exporter to Jaeger over gRPC: its resource says the guid', {
  skip: skipPython,
  timeout,
}, async () => {
  const ids = idsOf('otel-grpc')
  const port = spanPort(running, 'jaegerGrpc')
  const tags = { 'k8s.namespace.name': 'team-e' }
  await sendFromPythonJaeger({ client: 'otel-grpc', port, service, tags, ids })
  await assertStored(running, 'otel-grpc', 'team-e', ids)
})

for (const client of ['otel-udp', 'otel-http'] as const) {
  test(`OpenTelemetry’s ${client}: it sends no tags of a process, so its guid is unassigned`, {
    skip: skipPython,
    timeout,
  }, async () => {
    const ids = idsOf(client)
    const port = spanPort(running, client === 'otel-udp' ? 'jaegerCompact' : 'jaegerHttp')
    await sendFromPythonJaeger({ client, port, service, tags: { guid: 'team-f' }, ids })
    await assertStored(running, client, 'unassigned', ids)
  })
}

test('a Jaeger agent relays to the program what it gets over UDP, each span with its guid', {
  skip: skipPython || skipAgent,
  timeout,
}, async (context) => {
  const agent = await JaegerAgent.start(spanPort(running, 'jaegerGrpc'))
  context.after(() => agent.stop())
  const compact = idsOf('agent-compact', 25)
  const binary = idsOf('agent-binary', 25)
  const job = { client: 'jaeger-client', service, tags: { guid: 'team-g' }, ids: compact } as const
  await Promise.all([
    sendFromPythonJaeger({ ...job, port: agent.compactPort }),
    node({ ...agentAt(agent.binaryPort), JAEGER_TAGS: 'guid=team-h' }, binary),
  ])
  await assertStored(running, 'agent-compact', 'team-g', compact)
  await assertStored(running, 'agent-binary', 'team-h', binary)

  const answer = await fetch(`http://127.0.0.1:${agent.httpPort}/sampling?service=${service}`)
  const strategy = (await answer.json()) as {
    readonly probabilisticSampling?: { readonly samplingRate?: number }
  }
  assert.equal(
    strategy.probabilisticSampling?.samplingRate,
    0.001,
    'it asks the program which spans to sample',
  )
})

test('a Jaeger agent with --agent.tags: its tag is the guid of all that it relays', {
  skip: skipAgent,
  timeout,
}, async (context) => {
  const agent = await JaegerAgent.start(spanPort(running, 'jaegerGrpc'), { 'k8s.namespace.name': 'team-i' })
  context.after(() => agent.stop())
  const ids = idsOf('agent-tags')
  await node(agentAt(agent.binaryPort), ids)
  await assertStored(running, 'agent-tags', 'team-i', ids)
})

test('after all of them the books are even and nothing was refused', { timeout }, async () => {
  await running.assertWell()
  assert.equal(await running.counter('guidepost_refused_requests_total'), 0)
  assert.equal(await running.counter('guidepost_rejected_items_total'), 0)
})
