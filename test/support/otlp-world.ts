/** The whole gateway in this process as OTLP's senders see it; each answer is read as its transport writes it. */
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import type { BusRecord } from '../../src/bus/bus.ts'
import type { Config } from '../../src/config/config.ts'
import { sumOf } from './exposition.ts'
import { configWith, GatewayFixture } from './gateway-fixture.ts'
import { assertLedger } from './ledger.ts'
import { readResponse, readResponseJson, readStatus, readStatusJson } from './otlp-answers.ts'
import { decodeOtlp, encodeOtlp, itemsOfRecord, type OtlpSignal, otlpSignals, topicOf } from './otlp-items.ts'
import { RawGrpc, type RawReply } from './otlp-raw-grpc.ts'
import { exportRequest, grpcPath, type Transport } from './otlp-send.ts'
import { until } from './until.ts'

export type Headers = Readonly<Record<string, string | string[]>>

/** What a sender was told, over any transport. */
export interface Told {
  /** gRPC's status, or the code in the Status of an HTTP error; 0 for success. */
  readonly code: number
  /** HTTP's; 200 over gRPC. */
  readonly status: number
  readonly text: string
  readonly rejected: number
  /** When it may try again: RetryInfo, and over HTTP Retry-After as well. */
  readonly retrySeconds: number | undefined
}

export interface Ports {
  readonly grpc: number
  readonly http: number
}

export interface SendOptions {
  readonly headers?: Headers
  /** Over HTTP, instead of `/v1/<signal>`. */
  readonly path?: string
}

const contentTypes = { protobuf: 'application/x-protobuf', json: 'application/json' } as const
const httpOf: Readonly<Record<number, number>> = { 0: 200, 3: 400, 8: 413, 12: 404, 14: 503 }

/** Sends bytes to the ports of a gateway and reads what comes back, strictly. */
export class OtlpSender {
  readonly #ports: Ports
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 })
  #grpc: RawGrpc | undefined

  constructor(ports: Ports) {
    this.#ports = ports
  }

  async send(
    transport: Transport,
    signal: OtlpSignal,
    body: Uint8Array,
    options: SendOptions = {},
  ): Promise<Told> {
    const { headers = {}, path = `/v1/${signal}` } = options
    if (transport === 'grpc') {
      if (this.#grpc === undefined || this.#grpc.session.closed) {
        this.#grpc = await RawGrpc.connect(this.#ports.grpc)
      }
      return toldByGrpc(signal, await this.#grpc.call(grpcPath(signal), body, headers))
    }
    const type = contentTypes[transport]
    const reply = await this.post(path, body, { 'content-type': type, ...headers })
    return toldByHttp(signal, transport, reply)
  }

  /** One HTTP request, and its answer as it came. */
  post(path: string, body: Uint8Array, headers: Headers): Promise<HttpReply> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          ...{ host: '127.0.0.1', port: this.#ports.http, path, method: 'POST', agent: this.#agent },
          headers: { 'content-length': String(body.length), ...headers },
        },
        (incoming) => {
          const chunks: Buffer[] = []
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.on('error', reject)
          incoming.on('end', () => {
            const { statusCode = 0, headers: received } = incoming
            resolve({ status: statusCode, headers: received, body: Buffer.concat(chunks) })
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.#grpc?.close()
  }
}

export interface HttpReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export function toldByGrpc(signal: OtlpSignal, reply: RawReply): Told {
  assert.equal(reply.httpStatus, 200)
  assert.ok(reply.grpcStatus >= 0, 'a call ends with a status')
  if (reply.grpcStatus === 0) {
    const { rejected, text } = readResponse(signal, reply.body)
    return { code: 0, status: 200, text, rejected, retrySeconds: undefined }
  }
  const told = { code: reply.grpcStatus, status: 200, text: reply.message, rejected: 0 }
  if (reply.details.length === 0) return { ...told, retrySeconds: undefined }
  const { code, text, retrySeconds } = readStatus(reply.details)
  assert.equal(code, reply.grpcStatus)
  assert.ok(reply.message.startsWith(text.slice(0, 400)))
  return { ...told, retrySeconds }
}

/** An answer of a path that exists, to a request whose type is known. */
export function toldByHttp(signal: OtlpSignal, transport: 'protobuf' | 'json', reply: HttpReply): Told {
  const { status, headers, body } = reply
  assert.equal(headers['content-type'], contentTypes[transport], `${status} ${body.toString()}`)
  const isJson = transport === 'json'
  if (status === 200) {
    const read = isJson ? readResponseJson(signal, body.toString()) : readResponse(signal, body)
    return { code: 0, status, ...read, retrySeconds: undefined }
  }
  const read = isJson ? readStatusJson(body.toString()) : readStatus(body)
  const expected = /^GP_(?:ENCODING|TYPE)_UNSUPPORTED/.test(read.text) ? 415 : httpOf[read.code]
  assert.equal(status, expected, `code ${read.code}: ${read.text}`)
  const retryAfter = headers['retry-after']
  assert.equal(retryAfter === undefined ? undefined : Number(retryAfter), read.retrySeconds)
  return { ...read, status, rejected: 0 }
}

/** A gateway over a fake bus, with what tests ask of it. */
export class OtlpWorld {
  readonly fixture: GatewayFixture
  readonly sender: OtlpSender
  #probes = 0

  private constructor(fixture: GatewayFixture) {
    this.fixture = fixture
    this.sender = new OtlpSender({ grpc: fixture.portOf('otlpGrpc'), http: fixture.portOf('otlpHttp') })
  }

  static async start(
    context: { after(undo: () => Promise<void>): void },
    config?: Config,
  ): Promise<OtlpWorld> {
    const world = new OtlpWorld(await GatewayFixture.start(config))
    context.after(() => world.close())
    return world
  }

  get stored(): readonly BusRecord[] {
    return this.fixture.bus.stored
  }

  /** Forgets what is stored. */
  forget(): void {
    this.fixture.bus.stored.length = 0
    this.fixture.bus.appends.length = 0
  }

  send(transport: Transport, signal: OtlpSignal, body: Uint8Array, options: SendOptions = {}): Promise<Told> {
    return this.sender.send(transport, signal, body, options)
  }

  /** Records of a signal that hold the item, each decoded. */
  recordsWith(signal: OtlpSignal, id: string): { readonly guid: string; readonly message: object }[] {
    return this.stored
      .filter((record) => record.topic === topicOf[signal])
      .filter((record) => itemsOfRecord(record).some((item) => item.id === id))
      .map(({ guid, value }) => ({ guid, message: decodeOtlp(signal, value) }))
  }

  async counter(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return sumOf(await this.fixture.samples(), name, labels)
  }

  /** Requests that were refused as a whole, over all receivers and listeners. */
  refused(reason?: string): Promise<number> {
    return this.counter('guidepost_refused_requests_total', reason === undefined ? {} : { reason })
  }

  rejected(reason: string): Promise<number> {
    return this.counter('guidepost_rejected_items_total', { reason, receiver: 'otlp' })
  }

  /**
   * An honest request over each transport is taken and on the bus; every record decodes, holds what its header says and
   * is stamped once with its guid; nothing is in flight, the books are even, and nothing broke.
   */
  async assertWell(): Promise<void> {
    for (const transport of ['grpc', 'protobuf', 'json'] as const) {
      const id = `probe-${++this.#probes}`
      const message = exportRequest('traces', { attributes: { 'k8s.namespace.name': 'probe' }, ids: [id] })
      const body = transport === 'json' ? Buffer.from(JSON.stringify(message)) : encodeOtlp('traces', message)
      const told = await this.send(transport, 'traces', body)
      assert.deepEqual(told, { code: 0, status: 200, text: '', rejected: 0, retrySeconds: undefined })
      assert.equal(this.recordsWith('traces', id)[0]?.guid, 'probe')
    }
    for (const record of this.stored) assertRecord(record)
    await until('nothing is in flight', 5_000, () => this.fixture.budget.bytes === 0)
    assertLedger(await this.fixture.samples())
    assert.deepEqual(this.fixture.failures, [])
  }

  async close(): Promise<void> {
    await this.sender.close()
    await this.fixture.close()
  }
}

/** What a consumer relies on. */
export function assertRecord(record: BusRecord): void {
  if (!otlpSignals.some((signal) => topicOf[signal] === record.topic)) return
  const items = itemsOfRecord(record)
  assert.equal(items.length, record.items, 'the header items counts them')
  for (const { resource } of items) assert.deepEqual(resource.get('guid'), [record.guid])
}

/** A configuration with rules of OTLP's own. */
export function configWithGuid(
  guid: Partial<Config['guid']>,
  env: Readonly<Record<string, string>> = {},
): Config {
  const config = configWith(env)
  const otlp = { ...config.receivers.otlp, guid: { ...config.receivers.otlp.guid, ...guid } }
  return { ...config, receivers: { ...config.receivers, otlp } }
}
