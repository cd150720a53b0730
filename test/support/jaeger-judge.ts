/**
 * The Collector as the judge of the translation: it is sent the bytes that the translation is given, and what the two made
 * of each span is compared field by field. Attributes and spans may be in another order, and resources split otherwise;
 * nothing else may differ but for a reason of jaeger-judge-reasons.ts.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import grpc from '@grpc/grpc-js'
import { Collector } from './collector.ts'
import { type PlainAttributes, type PlainItem, spansOfOtlpJson, textOf } from './plain-spans.ts'
import { until } from './until.ts'

export const judgeEntries = [
  'grpc',
  'http-binary',
  'udp-binary',
  'udp-compact',
  'zipkin-v1-json',
  'zipkin-v1-thrift',
  'zipkin-v2-json',
  'zipkin-v2-proto',
] as const
/** Where the bytes go in, and so in which form they are. */
export type JudgeEntry = (typeof judgeEntries)[number]

/** The attribute by which a span of a random batch is known on both sides. */
export const judgedAttribute = 'judge.id'

/** One thing that the two do not say alike; undefined stands for its absence. */
export interface Difference {
  /** Such as `kind`, `attributes http.method`, `resource attributes ip`, `events`. */
  readonly field: string
  readonly theirs: unknown
  readonly ours: unknown
}

/** A span on both sides and where it came in. */
export interface Judged {
  readonly entry: JudgeEntry
  readonly theirs: PlainItem
  readonly ours: PlainItem
}

/** A deliberate difference: what the documentation says, and which of the differences it explains. */
export interface Reason {
  readonly name: string
  /** What it concerns, as the table of differences in docs/jaeger.md or docs/zipkin.md has it in its first column. */
  readonly row: string
  readonly explains: (difference: Difference, judged: Judged) => boolean
}

export interface Verdict {
  /** Differences that no reason explains, as one text each. */
  readonly unexplained: readonly string[]
  /** How often each reason was needed. */
  readonly explained: ReadonlyMap<string, number>
}

/** Compares the two sides of what came in at one entry. */
export function judge(
  entry: JudgeEntry,
  theirs: readonly PlainItem[],
  ours: readonly PlainItem[],
  reasons: readonly Reason[],
): Verdict {
  const explained = new Map<string, number>()
  const unexplained: string[] = []
  const known = new Map(theirs.map((item) => [keyOf(item), item]))
  if (known.size !== theirs.length) unexplained.push('two of their spans have the same ids')
  if (theirs.length !== ours.length) unexplained.push(`they have ${theirs.length} spans, we ${ours.length}`)
  for (const item of ours) {
    const other = known.get(keyOf(item))
    if (other === undefined) {
      unexplained.push(`${keyOf(item)} is not theirs`)
      continue
    }
    for (const difference of differencesOf(other, item)) {
      const reason = reasons.find(({ explains }) =>
        explains(difference, { entry, theirs: other, ours: item }),
      )
      if (reason === undefined) unexplained.push(`${entry} ${keyOf(item)} ${textOf(difference)}`)
      else explained.set(reason.name, (explained.get(reason.name) ?? 0) + 1)
    }
  }
  return { unexplained, explained }
}

function keyOf({ span }: PlainItem): string {
  const id = span.attributes.find(([key]) => key === judgedAttribute)?.[1]
  return id === undefined ? `${span.traceId} ${span.spanId} ${span.kind}` : textOf(id)
}

function differencesOf(theirs: PlainItem, ours: PlainItem): Difference[] {
  const plain = ({ span: { attributes, droppedAttributesCount, ...fields }, scope }: PlainItem) => ({
    ...fields,
    'scope name': scope.name,
    'scope version': scope.version,
  })
  return [
    ...differing(Object.entries(plain(theirs)), Object.entries(plain(ours)), ''),
    ...differingAttributes(theirs.span, ours.span, ''),
    ...differingAttributes(theirs.resource, ours.resource, 'resource '),
    ...differingAttributes(theirs.scope, ours.scope, 'scope '),
  ].flatMap(inEvents)
}

function differingAttributes(theirs: PlainAttributes, ours: PlainAttributes, where: string): Difference[] {
  const dropped = `${where}droppedAttributesCount`
  return [
    ...differing(theirs.attributes, ours.attributes, `${where}attributes `),
    ...differing([[dropped, theirs.droppedAttributesCount]], [[dropped, ours.droppedAttributesCount]], ''),
  ]
}

/** Of two lists of names and values, what differs by name; a name that comes twice on one side is a difference too. */
function differing(
  theirs: readonly (readonly [string, unknown])[],
  ours: readonly (readonly [string, unknown])[],
  prefix: string,
): Difference[] {
  const left = new Map(theirs)
  const right = new Map(ours)
  const twice =
    right.size === ours.length ? [] : [{ field: `${prefix}twice`, theirs: left.size, ours: ours.length }]
  const names = new Set([...left.keys(), ...right.keys()])
  const found = [...names].flatMap((name) => {
    const difference = { field: `${prefix}${name}`, theirs: left.get(name), ours: right.get(name) }
    return textOf(difference.theirs) === textOf(difference.ours) ? [] : [difference]
  })
  return [...twice, ...found]
}

/** A difference in a list of events of the same length, taken apart into those of each event. */
function inEvents(difference: Difference): Difference[] {
  const { field, theirs, ours } = difference
  if (field !== 'events' || !Array.isArray(theirs) || !Array.isArray(ours)) return [difference]
  if (theirs.length !== ours.length) return [difference]
  const [left, right] = [theirs as PlainItem['span']['events'], ours as PlainItem['span']['events']]
  return left.flatMap((event, index) => {
    const other = right[index]
    if (other === undefined) return []
    const { attributes, droppedAttributesCount, ...fields } = event
    const { attributes: _, droppedAttributesCount: __, ...others } = other
    return [
      ...differing(Object.entries(fields), Object.entries(others), 'event '),
      ...differingAttributes(event, other, 'event '),
    ]
  })
}

/** Where a program takes spans, on 127.0.0.1. */
export interface SpanPorts {
  readonly grpc: number
  readonly http: number
  readonly binary: number
  readonly compact: number
  readonly zipkin: number
}

const POST_SPANS = '/jaeger.api_v2.CollectorService/PostSpans'
const ARRIVED_MS_MAX = 20_000

/** Sends payloads as they are, each to the entry for its form. */
export class PayloadSender {
  readonly #ports: SpanPorts
  readonly #grpc: grpc.Client
  readonly #udp: Socket = createSocket('udp4')

  constructor(ports: SpanPorts) {
    this.#ports = ports
    this.#grpc = new grpc.Client(`127.0.0.1:${ports.grpc}`, grpc.credentials.createInsecure())
  }

  /** Throws with the answer when the payload is refused; a datagram cannot be. */
  async send(entry: JudgeEntry, payload: Buffer): Promise<void> {
    switch (entry) {
      case 'grpc':
        return this.#post(payload)
      case 'udp-binary':
      case 'udp-compact': {
        const port = entry === 'udp-binary' ? this.#ports.binary : this.#ports.compact
        this.#udp.send(payload, port, '127.0.0.1')
        return
      }
      case 'http-binary':
        return this.#fetch(this.#ports.http, '/api/traces', 'application/x-thrift', payload)
      case 'zipkin-v1-json':
        return this.#fetch(this.#ports.zipkin, '/api/v1/spans', 'application/json', payload)
      case 'zipkin-v1-thrift':
        return this.#fetch(this.#ports.zipkin, '/api/v1/spans', 'application/x-thrift', payload)
      case 'zipkin-v2-json':
        return this.#fetch(this.#ports.zipkin, '/api/v2/spans', 'application/json', payload)
      case 'zipkin-v2-proto':
        return this.#fetch(this.#ports.zipkin, '/api/v2/spans', 'application/x-protobuf', payload)
    }
  }

  close(): void {
    this.#grpc.close()
    this.#udp.close()
  }

  async #fetch(port: number, at: string, type: string, body: Buffer): Promise<void> {
    const init = { method: 'POST', headers: { 'content-type': type }, body: new Uint8Array(body) }
    const answer = await fetch(`http://127.0.0.1:${port}${at}`, init)
    const said = await answer.text()
    if (answer.status !== 202) throw new Error(`the answer is ${answer.status}: ${said}`)
  }

  #post(payload: Buffer): Promise<void> {
    const same = (bytes: Buffer): Buffer => bytes
    return new Promise((resolve, reject) => {
      this.#grpc.makeUnaryRequest(POST_SPANS, same, same, payload, (error) =>
        error ? reject(error) : resolve(),
      )
    })
  }
}

/** A Collector that takes every form and tells what it made of it. */
export class Judge {
  readonly #collector: Collector
  readonly #sender: PayloadSender

  private constructor(collector: Collector, ports: SpanPorts) {
    this.#collector = collector
    this.#sender = new PayloadSender(ports)
  }

  static async start(): Promise<Judge> {
    const [grpcPort = 0, http = 0, zipkin = 0, binary = 0, compact = 0] = await freePorts()
    const ports = { grpc: grpcPort, http, binary, compact, zipkin }
    const collector = await Collector.start({
      config: 'otelcol-jaeger-judge.yaml',
      env: {
        JAEGER_GRPC_PORT: `${grpcPort}`,
        JAEGER_HTTP_PORT: `${http}`,
        JAEGER_BINARY_PORT: `${binary}`,
        JAEGER_COMPACT_PORT: `${compact}`,
        ZIPKIN_PORT: `${zipkin}`,
      },
    })
    return new Judge(collector, ports)
  }

  /** Sends it one payload. Throws with its answer when it refuses; a datagram it cannot refuse. */
  send(entry: JudgeEntry, payload: Buffer): Promise<void> {
    return this.#sender.send(entry, payload)
  }

  /** What it made of everything so far, once that is `count` spans or more. */
  async items(count: number): Promise<PlainItem[]> {
    let items: PlainItem[] = []
    await until(`the judge has written ${count} spans`, ARRIVED_MS_MAX, async () => {
      items = (await this.#collector.lines()).flatMap(spansOfOtlpJson)
      return items.length >= count
    })
    return items
  }

  /** The last of what it wrote to stdout and stderr. */
  get output(): string {
    return this.#collector.output
  }

  async remove(): Promise<void> {
    this.#sender.close()
    await this.#collector.remove()
  }
}

/** Three of TCP and two of UDP that were free a moment ago. */
async function freePorts(): Promise<number[]> {
  const servers = Array.from({ length: 3 }, () => createServer().listen(0, '127.0.0.1'))
  const sockets = Array.from({ length: 2 }, () => createSocket('udp4').bind(0, '127.0.0.1'))
  await Promise.all([...servers, ...sockets].map((end) => once(end, 'listening')))
  const ports = [...servers, ...sockets].map((end) => {
    const address = end.address()
    return address === null || typeof address === 'string' ? 0 : address.port
  })
  await Promise.all([...servers, ...sockets].map((end) => once(end.close(), 'close')))
  return ports
}
