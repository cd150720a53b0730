/**
 * An export request decoded by protobufjs from the messages in `proto/`, in the form in which tests compare: lists whose
 * order says nothing are sorted, doubles are their bits in decimal.
 */
import protobuf from 'protobufjs'
import { otlpFile, otlpMessage, protoRoot } from '../proto.ts'

export interface PlainExemplar {
  readonly attributes: Readonly<Record<string, string>>
  readonly time: string
  readonly valueBits: string
  readonly traceId: string
  readonly spanId: string
}

export interface PlainPoint {
  readonly attributes: Readonly<Record<string, string>>
  readonly time: string
  /** '0' without one. */
  readonly start: string
  readonly noValue: boolean
  /** Of numbers; undefined for other points and when there is none. */
  readonly valueBits?: string | undefined
  readonly exemplars: readonly PlainExemplar[]
  /** Of histograms and summaries. */
  readonly count?: string | undefined
  readonly sumBits?: string | undefined
  readonly boundsBits?: readonly string[] | undefined
  readonly counts?: readonly string[] | undefined
  /** Quantile and value in turn, both as bits. */
  readonly quantilesBits?: readonly string[] | undefined
  readonly scale?: number | undefined
  readonly zeroCount?: string | undefined
  readonly zeroThresholdBits?: string | undefined
  /** Offset, then the counts. */
  readonly positive?: readonly string[] | undefined
  readonly negative?: readonly string[] | undefined
}

export interface PlainMetric {
  readonly name: string
  readonly unit: string
  readonly description: string
  /** The field of the data, for sums with what they say of themselves. */
  readonly form: string
  readonly prometheusType: string
  readonly points: readonly PlainPoint[]
}

export interface PlainScope {
  readonly name: string
  readonly version: string
  readonly schemaUrl: string
  readonly attributes: Readonly<Record<string, string>>
  readonly metrics: readonly PlainMetric[]
}

export interface PlainResource {
  readonly attributes: Readonly<Record<string, string>>
  readonly scopes: readonly PlainScope[]
}

type Tree = Readonly<Record<string, unknown>>

const root = protoRoot([otlpFile('metrics')], { keepCase: true })
keepBits(root)
root.resolveAll()
const request = root.lookupType(otlpMessage('metrics'))

/** Throws when it is no such message, when an attribute is not a text, or when one occurs twice. */
export function decodeOtlp(message: Buffer): readonly PlainResource[] {
  const decoded: Tree = request.toObject(request.decode(message), { longs: String, defaults: false })
  return listOf(decoded, 'resource_metrics').map((resource) => ({
    attributes: attributesOf(listOf(treeOf(resource, 'resource'), 'attributes')),
    scopes: listOf(resource, 'scope_metrics').map(scopeOf),
  }))
}

function scopeOf(scopeMetrics: Tree): PlainScope {
  const scope = treeOf(scopeMetrics, 'scope')
  return {
    name: textOf(scope, 'name'),
    version: textOf(scope, 'version'),
    schemaUrl: textOf(scopeMetrics, 'schema_url'),
    attributes: attributesOf(listOf(scope, 'attributes')),
    metrics: listOf(scopeMetrics, 'metrics').map(metricOf),
  }
}

function metricOf(metric: Tree): PlainMetric {
  const field = ['gauge', 'sum', 'histogram', 'exponential_histogram', 'summary'].find(
    (name) => name in metric,
  )
  if (field === undefined) throw new Error('a metric without data')
  const data = treeOf(metric, field)
  const says = [data['is_monotonic'] === true ? 'monotonic' : '', data['aggregation_temporality'] ?? '']
  return {
    name: textOf(metric, 'name'),
    unit: textOf(metric, 'unit'),
    description: textOf(metric, 'description'),
    form: [field, ...says].join(' ').replaceAll(/ +/g, ' ').trim(),
    prometheusType: attributesOf(listOf(metric, 'metadata'))['prometheus.type'] ?? '',
    points: listOf(data, 'data_points').map((point) => pointOf(field, point)),
  }
}

function pointOf(field: string, point: Tree): PlainPoint {
  const side = (name: string): string[] | undefined =>
    name in point
      ? [String(treeOf(point, name)['offset'] ?? 0), ...numbersOf(treeOf(point, name), 'bucket_counts')]
      : undefined
  const noValue = point['flags'] === 1
  const number = (name: string): string | undefined => (noValue ? undefined : String(point[name] ?? '0'))
  const base = {
    attributes: attributesOf(listOf(point, 'attributes')),
    time: String(point['time_unix_nano'] ?? '0'),
    start: String(point['start_time_unix_nano'] ?? '0'),
    noValue,
    exemplars: listOf(point, 'exemplars').map(exemplarOf),
  }
  if (field === 'gauge' || field === 'sum') return { ...base, valueBits: optional(point, 'as_double') }
  const whole = { ...base, count: number('count'), sumBits: optional(point, 'sum') }
  if (field === 'summary') {
    const pairs = listOf(point, 'quantile_values')
    const bits = pairs.flatMap((pair) => [String(pair['quantile'] ?? '0'), String(pair['value'] ?? '0')])
    return { ...whole, sumBits: number('sum'), quantilesBits: noValue ? undefined : bits }
  }
  if (field === 'histogram') {
    const [boundsBits, counts] = [numbersOf(point, 'explicit_bounds'), numbersOf(point, 'bucket_counts')]
    return noValue ? whole : { ...whole, boundsBits, counts }
  }
  return {
    ...whole,
    scale: Number(point['scale'] ?? 0),
    zeroCount: number('zero_count'),
    zeroThresholdBits: number('zero_threshold'),
    positive: side('positive'),
    negative: side('negative'),
  }
}

function exemplarOf(exemplar: Tree): PlainExemplar {
  const id = (name: string): string => {
    const value = exemplar[name]
    return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : ''
  }
  return {
    attributes: attributesOf(listOf(exemplar, 'filtered_attributes')),
    time: String(exemplar['time_unix_nano'] ?? '0'),
    valueBits: optional(exemplar, 'as_double') ?? '',
    traceId: id('trace_id'),
    spanId: id('span_id'),
  }
}

function optional(tree: Tree, name: string): string | undefined {
  return name in tree ? String(tree[name]) : undefined
}

function attributesOf(list: readonly Tree[]): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const keyValue of list) {
    const key = textOf(keyValue, 'key')
    const value = treeOf(keyValue, 'value')['string_value']
    if (typeof value !== 'string') throw new Error(`the attribute ${key} is not a text`)
    if (Object.hasOwn(attributes, key)) throw new Error(`the attribute ${key} occurs twice`)
    Object.defineProperty(attributes, key, { value, enumerable: true })
  }
  return attributes
}

function listOf(tree: Tree, name: string): Tree[] {
  const value = tree[name] ?? []
  if (!Array.isArray(value)) throw new Error(`${name} is no list`)
  return value
}

function numbersOf(tree: Tree, name: string): string[] {
  const value = tree[name] ?? []
  if (!Array.isArray(value)) throw new Error(`${name} is no list`)
  return value.map(String)
}

function treeOf(tree: Tree, name: string): Tree {
  const value = tree[name] ?? {}
  if (typeof value !== 'object') throw new Error(`${name} is no message`)
  return { ...value }
}

function textOf(tree: Tree, name: string): string {
  return String(tree[name] ?? '')
}

/** A NaN loses its bits when it is read as a number. */
function keepBits(namespace: protobuf.NamespaceBase): void {
  for (const nested of namespace.nestedArray) {
    if (nested instanceof protobuf.Namespace) keepBits(nested)
    if (!(nested instanceof protobuf.Type)) continue
    for (const field of nested.fieldsArray) if (field.type === 'double') field.type = 'fixed64'
  }
}

/** A text that is equal for messages that differ in the order of resources, scopes, metrics, points or attributes only. */
export function canonical(resources: readonly PlainResource[]): string[] {
  const lines: string[] = []
  for (const { attributes, scopes } of resources) {
    for (const { metrics, ...scope } of scopes) {
      for (const { points, ...metric } of metrics) {
        for (const point of points) lines.push(sortedJson({ resource: attributes, scope, metric, point }))
      }
    }
  }
  return lines.sort()
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) => {
    if (typeof nested !== 'object' || nested === null || Array.isArray(nested)) return nested
    return Object.fromEntries(Object.entries(nested).toSorted(([left], [right]) => (left < right ? -1 : 1)))
  })
}
