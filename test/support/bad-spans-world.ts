/** The whole gateway in this process as senders of Jaeger's and Zipkin's spans see it, the UDP ports too. */
import assert from 'node:assert/strict'
import type { BusRecord } from '../../src/bus/bus.ts'
import type { Config } from '../../src/config/config.ts'
import { sumOf } from './exposition.ts'
import { configWith, GatewayFixture } from './gateway-fixture.ts'
import { assertLedger } from './ledger.ts'
import { decodeOtlp, itemsOf } from './otlp-items.ts'
import { RawGrpc } from './otlp-raw-grpc.ts'
import { protoRoot } from './proto.ts'
import { entries, post } from './span-send.ts'
import { agentMessage } from './span-thrift.ts'
import { sendEach } from './udp.ts'
import { until } from './until.ts'

export type SpanEncodingName = 'otlp_proto' | 'jaeger_proto'
export const encodings: readonly SpanEncodingName[] = ['otlp_proto', 'jaeger_proto']

const WAIT_MS = 10_000
export const postSpansPath = '/jaeger.api_v2.CollectorService/PostSpans'
const idAttribute = 'test.id'
const jaegerSpan = protoRoot(['jaeger/api_v2/collector.proto']).resolveAll().lookupType('jaeger.api_v2.Span')

/** How a sender's bytes come in, and where. */
export const ways = {
  grpc: { listener: 'jaegerGrpc' },
  thrift: { listener: 'jaegerHttp', path: '/api/traces', type: 'application/x-thrift' },
  zipkinJson: { listener: 'zipkin', path: '/api/v2/spans', type: 'application/json' },
  zipkinJsonV1: { listener: 'zipkin', path: '/api/v1/spans', type: 'application/json' },
  zipkinProto: { listener: 'zipkin', path: '/api/v2/spans', type: 'application/x-protobuf' },
  zipkinThrift: { listener: 'zipkin', path: '/api/v1/spans', type: 'application/x-thrift' },
} as const
export type Way = keyof typeof ways
export type UdpWay = 'jaegerCompact' | 'jaegerBinary' | 'zipkinCompact'

/** What a sender was told. */
export interface Told {
  /** HTTP's; 200 over gRPC. */
  readonly status: number
  /** gRPC's; 0 over HTTP. */
  readonly code: number
  readonly text: string
}

/** One span on the bus, as its reader sees it. */
export interface SeenSpan {
  readonly id: string
  readonly guid: string
  /** Values of `guid` in the resource or process. */
  readonly stamps: readonly string[]
}

export class SpansWorld {
  readonly fixture: GatewayFixture
  readonly encoding: SpanEncodingName
  readonly #hasUdp: boolean
  #grpc: RawGrpc | undefined
  #probes = 0

  private constructor(fixture: GatewayFixture, encoding: SpanEncodingName, hasUdp: boolean) {
    this.fixture = fixture
    this.encoding = encoding
    this.#hasUdp = hasUdp
  }

  static async start(
    context: { after(undo: () => Promise<void>): void },
    options: {
      encoding?: SpanEncodingName
      udp?: boolean
      guid?: Partial<Config['guid']>
      /** The guid of each UDP port. */
      portGuid?: string
    } = {},
  ): Promise<SpansWorld> {
    const { encoding = 'otlp_proto', udp = false, guid = {}, portGuid } = options
    const fixture = await GatewayFixture.start(withPortGuid(spansConfig(encoding, guid), portGuid), { udp })
    const world = new SpansWorld(fixture, encoding, udp)
    context.after(() => world.close())
    return world
  }

  get stored(): BusRecord[] {
    return this.fixture.bus.stored
  }

  /** Forgets what is stored. */
  forget(): void {
    this.stored.length = 0
    this.fixture.bus.appends.length = 0
  }

  async send(way: Way, body: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Told> {
    if (way === 'grpc') {
      if (this.#grpc === undefined || this.#grpc.session.closed) {
        this.#grpc = await RawGrpc.connect(this.fixture.portOf('jaegerGrpc'))
      }
      const reply = await this.#grpc.call(postSpansPath, body, headers)
      return { status: reply.httpStatus, code: reply.grpcStatus, text: reply.message }
    }
    const { listener, path, type } = ways[way]
    const told = await post(this.fixture.portOf(listener), path, Buffer.from(body), {
      'content-type': type,
      ...headers,
    })
    return { status: told.status, code: 0, text: told.text }
  }

  /**
   * Sends datagrams and a good one behind them, and waits until that is on the bus: those before it have met their fate by
   * then. Returns how many of them were refused.
   */
  async sendUdp(way: UdpWay, datagrams: readonly Buffer[]): Promise<number> {
    const before = await this.refused()
    const id = `behind ${++this.#probes}`
    const protocol = way === 'jaegerBinary' ? 'binary' : 'compact'
    const last = agentMessage(protocol, { serviceName: 'probe', tags: {} }, [
      { operationName: 'work', tags: { [idAttribute]: id } },
    ])
    await sendEach(this.fixture.portOf(way), [...datagrams, last])
    await until('the last datagram is on the bus', WAIT_MS, () => this.spansOf(id).length === 1)
    return (await this.refused()) - before
  }

  /** Spans on the bus whose id that is. */
  spansOf(id: string): SeenSpan[] {
    return this.stored
      .filter(({ value }) => value.includes(id))
      .flatMap(seenIn)
      .filter((span) => span.id === id)
  }

  async counter(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return sumOf(await this.fixture.samples(), name, labels)
  }

  /** Requests and datagrams refused as a whole, over all receivers and listeners. */
  refused(reason?: string): Promise<number> {
    return this.counter('guidepost_refused_requests_total', reason === undefined ? {} : { reason })
  }

  /**
   * A good request over each entry is taken and on the bus; every record holds what its header says, each resource or
   * process has its record's guid and no other; nothing is in flight, the books are even, and nothing broke.
   */
  async assertWell(): Promise<void> {
    for (const { listener, send } of Object.values(entries)) {
      const id = `probe-${++this.#probes}`
      const told = await send(this.fixture.portOf(listener), [{ guid: 'probe', id }])
      assert.ok(
        (told.status === 202 || told.status === 200) && told.grpcStatus === 0,
        `${listener}: ${told.text}`,
      )
      assert.deepEqual(this.spansOf(id), [{ id, guid: 'probe', stamps: ['probe'] }])
    }
    if (this.#hasUdp)
      for (const way of ['jaegerCompact', 'jaegerBinary', 'zipkinCompact'] as const)
        await this.sendUdp(way, [])
    for (const record of this.stored) this.assertRecord(record)
    await until('nothing is in flight', WAIT_MS, () => this.fixture.budget.bytes === 0)
    assertLedger(await this.fixture.samples())
    assert.deepEqual(this.fixture.failures, [])
  }

  /** What a consumer relies on. */
  assertRecord(record: BusRecord): void {
    const spans = seenIn(record)
    assert.equal(record.encoding, this.encoding)
    assert.equal(record.items, spans.length, 'the header items counts them')
    for (const { stamps } of spans) assert.deepEqual(stamps, [record.guid])
  }

  async close(): Promise<void> {
    await this.#grpc?.close()
    await this.fixture.close()
  }
}

function spansConfig(encoding: SpanEncodingName, own: Partial<Config['guid']>): Config {
  const config = configWith()
  const { jaeger, zipkin } = config.receivers
  return {
    ...config,
    receivers: {
      ...config.receivers,
      jaeger: { ...jaeger, encoding, guid: { ...jaeger.guid, ...own } },
      zipkin: { ...zipkin, encoding, guid: { ...zipkin.guid, ...own } },
    },
  }
}

function withPortGuid(config: Config, guid: string | undefined): Config {
  if (guid === undefined) return config
  const listeners = Object.entries(config.listeners).map(([key, at]) => [key, { ...at, guid }])
  return { ...config, listeners: Object.fromEntries(listeners) }
}

function seenIn({ topic, guid, value }: Pick<BusRecord, 'topic' | 'guid' | 'value'>): SeenSpan[] {
  if (topic === 'otlp_spans') {
    return itemsOf('traces', decodeOtlp('traces', value)).map(({ id, resource }) => ({
      ...{ id, guid, stamps: resource.get('guid') ?? [] },
    }))
  }
  assert.equal(topic, 'jaeger-spans')
  const span = jaegerSpan.toObject(jaegerSpan.decode(value), { longs: String }) as JaegerTree
  assertJaegerReads(span)
  const stamps = (span.process?.tags ?? []).filter(({ key }) => key === 'guid').map(({ vStr = '' }) => vStr)
  const id = span.tags?.find(({ key }) => key === idAttribute)?.vStr ?? ''
  return [{ id, guid, stamps }]
}

/** Years 1 to 9999 (google/protobuf/timestamp.proto), and what Go's time.Duration holds. */
const timestampSeconds = [-62_135_596_800, 253_402_300_799] as const
const durationSeconds = [-9_223_372_036, 9_223_372_036] as const

/** What Jaeger's own reader fails at would stop a consumer. */
function assertJaegerReads({ traceId, spanId, startTime, duration, logs = [] }: JaegerTree): void {
  assert.ok([0, 8, 16].includes(traceId?.length ?? 0) && [0, 8].includes(spanId?.length ?? 0))
  const check = (time: JaegerTime | undefined, range: readonly [number, number], nanosMin: number): void => {
    const { seconds = '0', nanos = 0 } = time ?? {}
    const isReadable = Number(seconds) >= range[0] && Number(seconds) <= range[1]
    assert.ok(isReadable && nanos >= nanosMin && nanos < 1_000_000_000, `${seconds} s and ${nanos} ns`)
  }
  check(startTime, timestampSeconds, 0)
  check(duration, durationSeconds, -999_999_999)
  for (const { timestamp } of logs) check(timestamp, timestampSeconds, 0)
}

interface JaegerTag {
  readonly key?: string
  readonly vStr?: string
}
interface JaegerTime {
  readonly seconds?: string
  readonly nanos?: number
}
interface JaegerTree {
  readonly traceId?: Uint8Array
  readonly spanId?: Uint8Array
  readonly startTime?: JaegerTime
  readonly duration?: JaegerTime
  readonly logs?: readonly { readonly timestamp?: JaegerTime }[]
  readonly tags?: readonly JaegerTag[]
  readonly process?: { readonly tags?: readonly JaegerTag[] }
}
