/**
 * What a list of Zipkin spans is in OTLP: the reference for the translation, over plain objects. The mapping is the
 * Collector's (pkg/translator/zipkin) with the differences that docs/zipkin.md lists; the chief of them is that nothing
 * that a span says gets lost.
 */
import type {
  PlainAttribute,
  PlainAttributes,
  PlainEvent,
  PlainItem,
  PlainLink,
  PlainSpan,
  PlainValue,
} from './plain-spans.ts'
import { textOf } from './plain-spans.ts'
import type {
  CoreAnnotation,
  CoreBinaryAnnotation,
  CoreEndpoint,
  CoreSpan,
  ZipkinSpan,
} from './random-zipkin.ts'
import { eventForm, type Form, linkForm } from './zipkin-form.ts'

export const resourceNames = new Set(
  `service.name cloud.provider cloud.account.id cloud.region cloud.availability_zone cloud.platform aws.ecs.container.arn
  aws.ecs.cluster.arn aws.ecs.launchtype aws.ecs.task.arn aws.ecs.task.family aws.ecs.task.revision aws.eks.cluster.arn
  aws.log.group.names aws.log.group.arns aws.log.stream.names aws.log.stream.arns container.name container.id
  container.runtime container.image.name container.image.tag deployment.environment device.id device.model.identifier
  device.model.name device.manufacturer faas.name faas.id faas.version faas.instance faas.max_memory host.id host.name
  host.type host.arch host.image.name host.image.id host.image.version k8s.cluster.name k8s.node.name k8s.node.uid
  k8s.namespace.name k8s.pod.uid k8s.pod.name k8s.container.name k8s.container.restart_count k8s.replicaset.uid
  k8s.replicaset.name k8s.deployment.uid k8s.deployment.name k8s.statefulset.uid k8s.statefulset.name k8s.daemonset.uid
  k8s.daemonset.name k8s.job.uid k8s.job.name k8s.cronjob.uid k8s.cronjob.name os.type os.description os.name os.version
  process.pid process.executable.name process.executable.path process.command process.command_line process.command_args
  process.owner process.runtime.name process.runtime.version process.runtime.description service.namespace
  service.instance.id service.version telemetry.sdk.name telemetry.sdk.language telemetry.sdk.version
  telemetry.auto.version webengine.name webengine.version webengine.description opencensus.starttime
  opencensus.exporterversion opencensus.resourcetype`.split(/\s+/),
)
const textMeanings = [
  'otlp.service.name.source',
  'otel.scope.name',
  'otel.scope.version',
  'otel.library.name',
  'otel.library.version',
  'w3c.tracestate',
  'span.kind',
  'otel.status_description',
]
const codeMeanings = ['otel.status_code', 'census.status_code', 'http.status_code']
const textMeanings1 = ['census.status_description', 'opencensus.status_description', 'http.status_message']
const codesByName: Readonly<Record<string, number>> = {
  UNSET: 0,
  Unset: 0,
  STATUS_CODE_UNSET: 0,
  OK: 1,
  Ok: 1,
  STATUS_CODE_OK: 1,
  ERROR: 2,
  Error: 2,
  STATUS_CODE_ERROR: 2,
}
/** none, client, server, producer, consumer */
const kinds = [0, 3, 2, 4, 5]
const NANOS_MAX = (1n << 64n) - 1n

/** Every span in the order of the request, with its resource and scope. `rules`: the names that the guid's rules look for. */
export function expectedOfZipkin(spans: readonly ZipkinSpan[], rules: ReadonlySet<string>): PlainItem[] {
  return grouped(spans.map((span) => new Draft(2, rules).ofZipkin(span)))
}

/** The same for version 1. */
export function expectedOfCore(spans: readonly CoreSpan[], rules: ReadonlySet<string>): PlainItem[] {
  return grouped(spans.map((span) => new Draft(1, rules).ofCore(span)))
}

/** By resource, then by scope, each where its first span stood. */
function grouped(items: readonly PlainItem[]): PlainItem[] {
  const resources = Map.groupBy(items, ({ resource }) => textOf(resource))
  return [...resources.values()].flatMap((same) =>
    [...Map.groupBy(same, ({ scope }) => textOf(scope)).values()].flat(),
  )
}

/** An endpoint of either version. */
interface Place {
  readonly name: string
  readonly ipv4: Buffer
  readonly ipv6: Buffer
  readonly port: number
}
const nowhere: Place = { name: '', ipv4: Buffer.alloc(0), ipv6: Buffer.alloc(0), port: 0 }

class Draft {
  readonly #version: 1 | 2
  readonly #rules: ReadonlySet<string>
  readonly #resource = new Map<string, PlainValue>()
  readonly #meanings = new Map<string, PlainValue>()
  readonly #attributes = new Map<string, PlainValue>()
  readonly #links = new Map<string, PlainValue>()
  #dropped = 0

  constructor(version: 1 | 2, rules: ReadonlySet<string>) {
    this.#version = version
    this.#rules = rules
  }

  ofZipkin(span: ZipkinSpan): PlainItem {
    for (const [key, value] of span.tags) this.#tag(key, value)
    const at = (endpoint: ZipkinSpan['localEndpoint']): Place => ({
      name: endpoint?.serviceName ?? '',
      ipv4: endpoint?.ipv4 ?? nowhere.ipv4,
      ipv6: endpoint?.ipv6 ?? nowhere.ipv6,
      port: endpoint?.port ?? 0,
    })
    const times = this.#times(span.timestamp ?? 0n, span.duration ?? 0n)
    const events = span.annotations.map(({ timestamp, value }) => this.#event(timestamp, value, undefined))
    const ids = {
      traceId: span.traceId.toString('hex').padStart(32, '0'),
      spanId: span.id.toString('hex'),
      parentSpanId: (span.parentId ?? span.id).toString('hex'),
    }
    const { debug, shared, name = '' } = span
    const kind = this.#kind(span.kind ?? 0)
    return this.#item(
      { ...ids, name, ...times, kind, events },
      at(span.localEndpoint),
      at(span.remoteEndpoint),
      { debug, shared },
    )
  }

  ofCore(span: CoreSpan): PlainItem {
    const cores = span.annotations.filter(({ value }) => coreKind(value) > 0)
    const ownKind = coreKind(cores[0]?.value ?? '')
    const remote = bestAddress(span.binaryAnnotations, ownKind)
    const rest = span.binaryAnnotations.filter((one) => one !== remote)
    const local = localOf(span.annotations, rest)
    for (const one of rest) this.#tag(one.key === 'lc' ? 'component' : one.key, binaryValue(one))
    const component = span.binaryAnnotations.findLast(({ key, type }) => key === 'lc' && type === 6)
    const name = local.name === '' ? (component?.value.toString() ?? '') : local.name
    const times = this.#coreTimes(span)
    const here = { ...local, name }
    const others = rest.filter((one) => isOther(one.host, local))
    if (others.length > 0)
      this.#attributes.set('zipkin.endpoints', {
        map: others.map((one) => [one.key, endpointMap(placeOf(one.host))]),
      })
    const events = span.annotations
      .filter((one) => isOther(one.host, local) || !isSaid(one, ownKind, times))
      .map((one) =>
        this.#event(one.timestamp, one.value, isOther(one.host, local) ? placeOf(one.host) : undefined),
      )
    const id = hex(span.id)
    const ids = {
      traceId: hex(span.traceIdHigh ?? 0n) + hex(span.traceId),
      spanId: id,
      parentSpanId: span.parentId === undefined ? id : hex(span.parentId),
    }
    const plain = { ...ids, name: span.name, ...times, kind: this.#kind(ownKind), events }
    return this.#item(plain, here, placeOf(remote?.host), { debug: span.debug, shared: undefined })
  }

  /** Sets a value; one that another value stood for is counted. */
  #set(map: Map<string, PlainValue>, key: string, value: PlainValue): void {
    if (map.has(key) && textOf(map.get(key)) !== textOf(value)) this.#dropped += 1
    map.set(key, value)
  }

  #tag(key: string, value: PlainValue): void {
    if (resourceNames.has(key) || this.#rules.has(key)) this.#set(this.#resource, key, value)
    else if (typeof value === 'string' && /^otlp\.link\.(0|[1-9][0-9]?|1[01][0-9]|12[0-7])$/.test(key))
      this.#set(this.#links, key, value)
    else if (this.#means(key, value)) this.#set(this.#meanings, key, value)
    else {
      // The last value counts, though another type means something else.
      for (const map of [this.#meanings, this.#links]) if (map.delete(key)) this.#dropped += 1
      this.#set(this.#attributes, key, value)
    }
  }

  #means(key: string, value: PlainValue): boolean {
    if (key === 'error') return true
    if (codeMeanings.includes(key))
      return (
        (this.#version === 1 || key === 'otel.status_code') && ['string', 'bigint'].includes(typeof value)
      )
    if (typeof value !== 'string') return false
    return textMeanings.includes(key) || (this.#version === 1 && textMeanings1.includes(key))
  }

  /** An attribute that no tag gave. */
  #own(key: string, value: PlainValue): void {
    this.#set(this.#rules.has(key) ? this.#resource : this.#attributes, key, value)
  }

  #take(key: string): string | undefined {
    const value = this.#meanings.get(key)
    this.#meanings.delete(key)
    return value === undefined ? undefined : String(value)
  }

  /** Two names of one thing: the second goes with the first unless it says something else. */
  #takeEither(first: string, second: string): string {
    const isSame = this.#meanings.get(first) === this.#meanings.get(second)
    if (!this.#meanings.has(first)) return this.#take(second) ?? ''
    if (isSame) this.#meanings.delete(second)
    return this.#take(first) ?? ''
  }

  #times(
    timestampBits: bigint,
    durationBits: bigint,
  ): { startTimeUnixNano: bigint; endTimeUnixNano: bigint } {
    const timestamp = BigInt.asIntN(64, timestampBits)
    const duration = BigInt.asIntN(64, durationBits)
    if (timestamp === 0n) this.#own('otel.zipkin.absentField.startTime', true)
    const start = timestamp * 1000n
    const end = (timestamp + duration) * 1000n
    if (clamped(start) !== start) this.#own('zipkin.timestamp', timestamp)
    if (clamped(end) !== end && duration !== 0n) this.#own('zipkin.duration', duration)
    return { startTimeUnixNano: clamped(start), endTimeUnixNano: clamped(end) }
  }

  #coreTimes(span: CoreSpan): { startTimeUnixNano: bigint; endTimeUnixNano: bigint } {
    const times = span.annotations.map(({ timestamp }) => timestamp).toSorted((a, b) => (a < b ? -1 : 1))
    const duration = span.duration ?? 0n
    if ((span.timestamp ?? 0n) !== 0n || times.every((time) => time === 0n))
      return this.#times(span.timestamp ?? 0n, duration)
    const first = times[0]!
    const last = times.at(-1)!
    if (clamped(first * 1000n) !== first * 1000n) this.#own('zipkin.timestamp', first)
    if (duration !== 0n && duration !== last - first) this.#own('zipkin.duration', duration)
    return { startTimeUnixNano: clamped(first * 1000n), endTimeUnixNano: clamped(last * 1000n) }
  }

  #kind(kind: number): number {
    if (kind > 4) this.#own('zipkin.kind', BigInt(kind))
    if (kind !== 0 || this.#meanings.get('span.kind') !== 'internal') return kinds[kind] ?? 0
    this.#meanings.delete('span.kind')
    return 1
  }

  #event(timestampBits: bigint, value: string, host: Place | undefined): PlainEvent {
    const timestamp = BigInt.asIntN(64, timestampBits)
    const form = this.#version === 2 ? eventForm(value) : undefined
    const time = timestamp * 1000n
    const more: PlainAttribute[] = []
    if (clamped(time) !== time) more.push(['zipkin.timestamp', timestamp])
    if (host !== undefined) more.push(['zipkin.endpoint', endpointMap(host)])
    const { attributes, droppedAttributesCount } = formAttributes(form)
    return {
      timeUnixNano: clamped(time),
      name: form?.name ?? value,
      attributes: [...attributes, ...more],
      droppedAttributesCount,
    }
  }

  #item(
    plain: Omit<PlainSpan, 'traceState' | 'flags' | 'links' | 'status' | keyof PlainAttributes>,
    local: Place,
    remote: Place,
    flags: { debug: boolean | undefined; shared: boolean | undefined },
  ): PlainItem {
    this.#endpoints(local, remote)
    const traceState = this.#take('w3c.tracestate') ?? ''
    const name = this.#takeEither('otel.scope.name', 'otel.library.name')
    const version = this.#takeEither('otel.scope.version', 'otel.library.version')
    const status = this.#version === 1 ? this.#coreStatus() : this.#status()
    if (flags.debug === true) this.#own('zipkin.debug', true)
    if (flags.shared === true) this.#own('zipkin.shared', true)
    for (const [key, value] of this.#meanings) this.#set(this.#attributes, key, value)
    const links = this.#readLinks()
    const parentSpanId = plain.parentSpanId === plain.spanId ? '' : plain.parentSpanId
    const none = (id: string): string => (/^0*$/.test(id) ? '' : id)
    return {
      resource: { attributes: [...this.#resource].toSorted(), droppedAttributesCount: 0 },
      scope: { name, version, attributes: [], droppedAttributesCount: 0 },
      span: {
        ...plain,
        traceId: none(plain.traceId),
        spanId: none(plain.spanId),
        parentSpanId: none(parentSpanId),
        traceState,
        flags: 0,
        links,
        status,
        attributes: [...this.#attributes],
        droppedAttributesCount: this.#dropped,
      },
    }
  }

  #endpoints(local: Place, remote: Place): void {
    if (local.name !== '') this.#service(local.name)
    this.#address(local, 'net.host.ip', 'zipkin.localEndpoint.ipv4')
    if (local.port !== 0) this.#own('net.host.port', BigInt(local.port))
    if (remote.name !== '') this.#own('peer.service', remote.name)
    this.#address(remote, 'net.peer.ip', 'zipkin.remoteEndpoint.ipv4')
    if (remote.port !== 0) this.#own('net.peer.port', BigInt(remote.port))
  }

  #service(name: string): void {
    const source = this.#meanings.get('otlp.service.name.source')
    const isKnown = typeof source === 'string' && (source === '' || resourceNames.has(source))
    if (isKnown) this.#meanings.delete('otlp.service.name.source')
    const key = isKnown && source !== '' ? source : 'service.name'
    if (!this.#resource.has(key)) this.#resource.set(key, name)
    else if (this.#resource.get(key) !== name) this.#own('zipkin.localEndpoint.serviceName', name)
  }

  #address({ ipv4, ipv6 }: Place, usual: string, other: string): void {
    if (ipv4.length > 0) this.#own(ipv6.length > 0 ? other : usual, ipValue(ipv4))
    if (ipv6.length > 0) this.#own(usual, ipValue(ipv6))
  }

  #status(): PlainSpan['status'] {
    let code = 0
    let message = ''
    const named = codesByName[String(this.#meanings.get('otel.status_code'))]
    if (named !== undefined) {
      code = named
      this.#meanings.delete('otel.status_code')
      message = this.#take('otel.status_description') ?? ''
    }
    if (!this.#meanings.has('error')) return { code, message }
    this.#takeError()
    return { code: 2, message }
  }

  #takeError(): void {
    if (['true', true].includes(this.#meanings.get('error') as string | boolean))
      this.#meanings.delete('error')
  }

  #coreStatus(): PlainSpan['status'] {
    const census = int32(this.#meanings.get('census.status_code'))
    const text = this.#meanings.get('otel.status_code')
    const code = int32(text)
    const named = codesByName[String(text)]
    const http = int32(this.#meanings.get('http.status_code'))
    for (const key of ['http.status_code', 'http.status_message']) {
      const value = this.#meanings.get(key)
      if (value !== undefined) this.#set(this.#attributes, key, value)
    }
    this.#meanings.delete('http.status_code')
    const httpMessage = this.#take('http.status_message') ?? ''
    const censusMessage = () =>
      this.#take('census.status_description') ?? this.#take('opencensus.status_description')
    let status = { code: 0, message: '' }
    if (census !== undefined) {
      this.#meanings.delete('census.status_code')
      status = { code: census === 0 ? 1 : 2, message: censusMessage() ?? '' }
    } else if (code !== undefined && code >= 0 && code <= 2) {
      this.#meanings.delete('otel.status_code')
      status = { code, message: this.#take('otel.status_description') ?? '' }
    } else if (this.#meanings.has('error')) {
      status = { code: 2, message: censusMessage() ?? this.#take('otel.status_description') ?? '' }
      if (named === 2) this.#meanings.delete('otel.status_code')
    } else if (named !== undefined) {
      this.#meanings.delete('otel.status_code')
      status = { code: named, message: this.#take('otel.status_description') ?? '' }
    } else if (http !== undefined) status = { code: http >= 100 && http < 400 ? 0 : 2, message: httpMessage }
    if (status.code === 2) this.#takeError()
    return status
  }

  #readLinks(): PlainLink[] {
    const keys = [...this.#links.keys()].toSorted((a, b) => Number(a.slice(10)) - Number(b.slice(10)))
    return keys.flatMap((key) => {
      const form = linkForm(String(this.#links.get(key)))
      if (form === undefined) this.#set(this.#attributes, key, this.#links.get(key)!)
      else return [{ ...form.ids, flags: 0, ...formAttributes(form) }]
      return []
    })
  }
}

function formAttributes(form: Form | undefined): PlainAttributes {
  const attributes = new Map<string, PlainValue>()
  let dropped = form?.dropped ?? 0
  for (const [key, value] of form?.attributes ?? []) {
    if (attributes.has(key) && attributes.get(key) !== value) dropped += 1
    attributes.set(key, value)
  }
  return { attributes: [...attributes], droppedAttributesCount: dropped }
}

function clamped(nanos: bigint): bigint {
  if (nanos < 0n) return 0n
  return nanos > NANOS_MAX ? NANOS_MAX : nanos
}

function int32(value: PlainValue | undefined): number | undefined {
  const number =
    typeof value === 'bigint' ? Number(value) : /^[+-]?[0-9]{1,10}$/.test(String(value)) ? Number(value) : NaN
  return number === (number | 0) ? number : undefined
}

function hex(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16).padStart(16, '0')
}

function ipValue(ip: Buffer): PlainValue {
  if (ip.length === 4) return ip.join('.')
  if (ip.length !== 16) return { bytes: ip.toString('hex') }
  const mapped = '00000000000000000000ffff'
  if (ip.toString('hex').startsWith(mapped)) return ip.subarray(12).join('.')
  const groups = ip.toString('hex').replaceAll(/(.{4})(?!$)/g, '$1:')
  return new URL(`http://[${groups}]`).hostname.slice(1, -1)
}

function endpointMap(place: Place): PlainValue {
  const map: PlainAttribute[] = []
  if (place.name !== '') map.push(['serviceName', place.name])
  if (place.ipv4.length > 0) map.push(['ipv4', ipValue(place.ipv4)])
  if (place.ipv6.length > 0) map.push(['ipv6', ipValue(place.ipv6)])
  if (place.port !== 0) map.push(['port', BigInt(place.port)])
  return { map }
}

// ---- version 1 --------------------------------------------------------------------------------------------------------------

function coreKind(value: string): number {
  return { cs: 1, cr: 1, sr: 2, ss: 2, ms: 3, mr: 4 }[value] ?? 0
}

function placeOf(host: CoreEndpoint | undefined): Place {
  if (host === undefined) return nowhere
  const ipv4 = Buffer.alloc(host.ipv4 === 0 ? 0 : 4)
  if (host.ipv4 !== 0) ipv4.writeInt32BE(host.ipv4)
  return { name: host.serviceName, ipv4, ipv6: host.ipv6 ?? nowhere.ipv6, port: host.port }
}

function isOther(host: CoreEndpoint | undefined, local: Place): boolean {
  const place = placeOf(host)
  return (
    textOf(endpointMap(place)) !== textOf({ map: [] }) &&
    textOf(endpointMap(place)) !== textOf(endpointMap(local))
  )
}

function hasPlace(host: CoreEndpoint | undefined): boolean {
  return isOther(host, nowhere)
}

function isAddress(one: CoreBinaryAnnotation): boolean {
  return (
    ['sa', 'ca', 'ma'].includes(one.key) &&
    one.type === 0 &&
    one.value.toString('hex') === '01' &&
    hasPlace(one.host)
  )
}

function bestAddress(all: readonly CoreBinaryAnnotation[], kind: number): CoreBinaryAnnotation | undefined {
  const wanted = [['sa', 'ca', 'ma'], ['sa'], ['ca'], ['ma'], ['ma']][kind]!
  const addresses = all.filter(isAddress)
  return wanted.map((key) => addresses.find((one) => one.key === key)).find((one) => one !== undefined)
}

/** The host of a core annotation before that of a tag, that of another annotation, and any without a name. */
function localOf(annotations: readonly CoreAnnotation[], rest: readonly CoreBinaryAnnotation[]): Place {
  const named = (one: { host?: CoreEndpoint }): boolean => (one.host?.serviceName ?? '') !== ''
  const tags = rest.filter((one) => !isAddress(one))
  const best =
    annotations.find((one) => named(one) && coreKind(one.value) > 0) ??
    tags.findLast(named) ??
    annotations.find(named) ??
    [...annotations, ...tags].find((one) => hasPlace(one.host))
  return placeOf(best?.host)
}

/** Whether the span's kind, start and end say all that a core annotation of this host does. */
function isSaid(
  one: CoreAnnotation,
  kind: number,
  times: { startTimeUnixNano: bigint; endTimeUnixNano: bigint },
): boolean {
  if (coreKind(one.value) === 0 || coreKind(one.value) !== kind) return false
  const ns = one.timestamp * 1000n
  if (clamped(ns) !== ns) return false
  const ends = ['cr', 'ss', 'ms', 'mr'].includes(one.value)
  const starts = !['cr', 'ss'].includes(one.value)
  return (starts && ns === times.startTimeUnixNano) || (ends && ns === times.endTimeUnixNano)
}

function binaryValue({ value, type }: CoreBinaryAnnotation): PlainValue {
  if (type === 6) return value.toString()
  if (type === 0 && value.length === 1 && value[0]! <= 1) return value[0] === 1
  if (type === 2 && value.length === 2) return BigInt(value.readInt16BE())
  if (type === 3 && value.length === 4) return BigInt(value.readInt32BE())
  if (type === 4 && value.length === 8) return value.readBigInt64BE()
  if (type === 5 && value.length === 8) return value.readDoubleBE()
  return { bytes: value.toString('hex') }
}
