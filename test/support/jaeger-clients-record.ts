/**
 * Records what real clients send, into test/data/jaeger and test/data/zipkin:
 *
 *     node test/support/jaeger-clients-record.ts
 *
 * Needs the Python environment and the agent (jaeger-python/make-environment, bench/peers/build-jaeger agent).
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Envoy } from './envoy.ts'
import { JaegerAgent } from './jaeger-agent.ts'
import { runNodeJaeger, sendFromPythonJaeger, sendFromPythonZipkin } from './jaeger-clients.ts'
import { JaegerEnd } from './jaeger-storage.ts'
import { until } from './until.ts'
import { sendFromZipkin } from './zipkin-clients.ts'

const DATA = path.resolve(import.meta.dirname, '../data')
const IDS = ['a', 'b', 'c', 'd', 'e', 'f']
/** In the place of this machine's name and address. */
const tags = { guid: 'team-a', hostname: 'node-1', ip: '10.1.2.3' }
const service = 'checkout'
const nodeVariables = {
  JAEGER_SERVICE_NAME: service,
  JAEGER_TAGS: Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(','),
}

/** Everything that arrives, whatever port it came to. */
class Inbox {
  readonly bodies: Buffer[] = []
  readonly udp: Socket = createSocket('udp4', (datagram) => this.bodies.push(datagram))
  readonly http: Server = createServer((request, response) => {
    void buffer(request).then((body) => {
      this.bodies.push(body)
      response.writeHead(202).end()
    })
  })

  async listen(): Promise<{ udpPort: number; httpPort: number }> {
    this.udp.bind(0, '127.0.0.1')
    this.http.listen(0, '127.0.0.1')
    await Promise.all([once(this.udp, 'listening'), once(this.http, 'listening')])
    const address = this.http.address()
    const httpPort = address === null || typeof address === 'string' ? 0 : address.port
    return { udpPort: this.udp.address().port, httpPort }
  }

  close(): void {
    this.udp.close()
    this.http.close()
    this.http.closeAllConnections()
  }
}

async function write(folder: string, name: string, bodies: readonly Buffer[]): Promise<void> {
  const [body] = bodies
  if (body === undefined || bodies.length !== 1) throw new Error(`${name}: ${bodies.length} bodies`)
  await mkdir(path.join(DATA, folder), { recursive: true })
  await writeFile(path.join(DATA, folder, name), body)
}

async function record(
  folder: string,
  name: string,
  send: () => Promise<void>,
  inbox: readonly Buffer[],
): Promise<void> {
  const before = inbox.length
  await send()
  await until(`something of ${name} arrives`, 10_000, () => inbox.length > before)
  await write(folder, name, inbox.slice(before))
}

async function recordJaeger(inbox: Inbox, end: JaegerEnd): Promise<void> {
  const { udpPort, httpPort } = await inbox.listen()
  const node = (name: string, variables: Readonly<Record<string, string>>): Promise<void> =>
    record('jaeger', name, () => runNodeJaeger({ ...nodeVariables, ...variables }, IDS), inbox.bodies)
  await node('npm-jaeger-client.udp-binary.bin', {
    JAEGER_AGENT_HOST: '127.0.0.1',
    JAEGER_AGENT_PORT: `${udpPort}`,
  })
  await node('npm-jaeger-client.http-binary.bin', {
    JAEGER_ENDPOINT: `http://127.0.0.1:${httpPort}/api/traces`,
  })

  const python = (
    name: string,
    client: 'jaeger-client' | 'otel-udp' | 'otel-http' | 'otel-grpc',
    port: number,
    bodies: readonly Buffer[],
  ): Promise<void> =>
    record('jaeger', name, () => sendFromPythonJaeger({ client, port, service, tags, ids: IDS }), bodies)
  await python('python-jaeger-client.udp-compact.bin', 'jaeger-client', udpPort, inbox.bodies)
  await python('python-opentelemetry.udp-compact.bin', 'otel-udp', udpPort, inbox.bodies)
  await python('python-opentelemetry.http-binary.bin', 'otel-http', httpPort, inbox.bodies)
  await python('python-opentelemetry.grpc.bin', 'otel-grpc', end.port, end.requests)

  const agent = await JaegerAgent.start(end.port, { 'agent.name': 'agent-1' })
  try {
    await python('agent-compact.grpc.bin', 'jaeger-client', agent.compactPort, end.requests)
    const variables = { JAEGER_AGENT_HOST: '127.0.0.1', JAEGER_AGENT_PORT: `${agent.binaryPort}` }
    const send = (): Promise<void> => runNodeJaeger({ ...nodeVariables, ...variables }, IDS)
    await record('jaeger', 'agent-binary.grpc.bin', send, end.requests)
  } finally {
    await agent.stop()
  }
}

async function recordZipkin(inbox: Inbox): Promise<void> {
  const { httpPort } = await inbox.listen()
  for (const version of ['v1', 'v2'] as const) {
    const endpoint = `http://127.0.0.1:${httpPort}/api/${version}/spans`
    const send = (): Promise<void> => sendFromZipkin({ endpoint, tags: { guid: 'team-a' }, ids: IDS })
    await record('zipkin', `npm-zipkin.${version}.json`, send, inbox.bodies)
  }
  const forms = {
    'v1.json': 'V1_JSON',
    'v1-thrift.bin': 'V1_THRIFT',
    'v2.json': 'V2_JSON',
    'v2-proto.bin': 'V2_PROTO3',
  } as const
  for (const [form, encoding] of Object.entries(forms)) {
    const url = `http://127.0.0.1:${httpPort}/api/${form.slice(0, 2)}/spans`
    const job = { url, encoding, service, tags: { guid: 'team-a' }, ids: IDS }
    await record('zipkin', `python-py-zipkin.${form}`, () => sendFromPythonZipkin(job), inbox.bodies)
  }
  for (const [name, form] of [
    ['envoy.v2.json', 'HTTP_JSON'],
    ['envoy.v2-proto.bin', 'HTTP_PROTO'],
  ] as const) {
    const endpoint = `http://127.0.0.1:${httpPort}/api/v2/spans`
    const envoy = await Envoy.start({ endpoint, form, tags: { guid: 'team-a' }, spans: IDS.length })
    try {
      await record('zipkin', name, () => envoy.request(IDS), inbox.bodies)
    } finally {
      await envoy.stop()
    }
  }
}

const end = await JaegerEnd.start()
const inboxes = [new Inbox(), new Inbox()] as const
try {
  await recordJaeger(inboxes[0], end)
  await recordZipkin(inboxes[1])
} finally {
  for (const inbox of inboxes) inbox.close()
  end.stop()
}
