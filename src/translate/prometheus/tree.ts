/**
 * The shape of the output: resources, their scopes, their metrics, and for each metric where its points lie in the arena.
 * Points are written as they come; the tree around them is written at the end, when all lengths are known.
 *
 * opentelemetry/proto/metrics/v1/metrics.proto:
 *   ExportMetricsServiceRequest.resource_metrics = 1
 *   ResourceMetrics: resource = 1, scope_metrics = 2            Resource.attributes = 1
 *   ScopeMetrics: scope = 1, metrics = 2, schema_url = 3        InstrumentationScope: name = 1, version = 2, attributes = 3
 *   Metric: name = 1, description = 2, unit = 3, gauge = 5, sum = 7, histogram = 9, exponential_histogram = 10,
 *     summary = 11, metadata = 12
 *   Gauge, Summary: data_points = 1
 *   Sum: data_points = 1, aggregation_temporality = 2, is_monotonic = 3
 *   Histogram, ExponentialHistogram: data_points = 1, aggregation_temporality = 2
 */
import { limits } from '../../limits.ts'
import { type Description, type Form, otlpUnit, typeNames } from './types.ts'
import { attribute, bytesTag, fieldBytes, TooLarge, textBytes, varintTag, Writer } from './writer.ts'

const CUMULATIVE = 2
const dataFields: Readonly<Record<Form, number>> = {
  gauge: 5,
  counter: 7,
  sum: 7,
  histogram: 9,
  exponential: 10,
  summary: 11,
}

/** The scope of what no `otel_scope_` label speaks of: who translated it. */
const translator = { name: 'guidepost', version: '', schemaUrl: '', attributes: '' }

/** Fields of an InstrumentationScope and its schema's URL; `attributes` are encoded as field 3. */
export interface ScopeTexts {
  readonly name: string
  readonly version: string
  readonly schemaUrl: string
  readonly attributes: string
}

export class Metric {
  readonly form: Form
  readonly name: string
  readonly type: number
  readonly unit: string
  /** The longest of those that were met. */
  help: string
  /** Starts and ends of runs of points in the arena, in turn. */
  readonly runs: number[] = []
  pointBytes = 0
  dataBytes = 0
  bytes = 0

  constructor(form: Form, name: string, { type, unit, help }: Description) {
    this.form = form
    this.name = name
    this.type = type
    this.unit = otlpUnit(unit)
    this.help = help
  }

  /** A point was written to this range of the arena. */
  addPoint(from: number, to: number): void {
    this.pointBytes += to - from
    if (this.runs.at(-1) === from) this.runs[this.runs.length - 1] = to
    else this.runs.push(from, to)
  }
}

export class Scope {
  /** Tells scopes of all resources apart. */
  readonly key: string
  readonly resource: Resource
  readonly texts: ScopeTexts
  readonly metrics = new Map<string, Metric>()
  bytes = 0

  constructor(key: string, resource: Resource, texts: ScopeTexts) {
    this.key = key
    this.resource = resource
    this.texts = texts
  }

  metric(form: Form, name: string, description: Description): Metric {
    const key = `${form}\0${description.type}\0${description.unit}\0${name}`
    let metric = this.metrics.get(key)
    if (metric === undefined) {
      this.resource.tree.addNode()
      metric = new Metric(form, name, description)
      this.metrics.set(key, metric)
      this.resource.metricCount++
    } else if (metric.help !== description.help) metric.help = longer(metric.help, description.help)
    return metric
  }
}

export class Resource {
  readonly tree: Tree
  readonly index: number
  readonly job: string
  readonly instance: string
  /** Starts and ends of the series named `target_info`, in turn. */
  readonly targetInfo: number[] = []
  readonly scopes = new Map<string, Scope>()
  metricCount = 0
  /** Attributes, encoded as field 1 of Resource. */
  attributes = ''
  bytes = 0

  constructor(tree: Tree, index: number, job: string, instance: string) {
    this.tree = tree
    this.index = index
    this.job = job
    this.instance = instance
  }

  /** The scope of these texts; undefined: of a series without any. */
  scope(texts: ScopeTexts | undefined): Scope {
    const key =
      texts === undefined ? '' : `${texts.name}\0${texts.version}\0${texts.schemaUrl}\0${texts.attributes}`
    let scope = this.scopes.get(key)
    if (scope === undefined) {
      this.tree.addNode()
      scope = new Scope(`${this.index} ${this.scopes.size}`, this, texts ?? translator)
      this.scopes.set(key, scope)
    }
    return scope
  }

  /** What job and instance say: `service.name`, `service.namespace`, `service.instance.id`. */
  identity(): Map<string, string> {
    const attributes = new Map<string, string>()
    const [namespace, name, ...more] = this.job.split('/')
    if (namespace && name && more.length === 0) {
      attributes.set('service.name', name)
      attributes.set('service.namespace', namespace)
    } else if (this.job !== '') attributes.set('service.name', this.job)
    if (this.instance !== '') attributes.set('service.instance.id', this.instance)
    return attributes
  }
}

export class Tree {
  readonly resources = new Map<string, Resource>()
  #last: Resource | undefined
  #nodes = 0

  /** Counts a resource, scope or metric against the bound. */
  addNode(): void {
    if (++this.#nodes > limits.translatedNodesMax) throw new TooLarge()
  }

  /** The resource of this job and instance, by whose first series it has its place. */
  resource(job: string, instance: string): Resource {
    const last = this.#last
    if (last !== undefined && last.job === job && last.instance === instance) return last
    const key = `${job}\0${instance}`
    let resource = this.resources.get(key)
    if (resource === undefined) {
      this.addNode()
      resource = new Resource(this, this.resources.size, job, instance)
      this.resources.set(key, resource)
    }
    this.#last = resource
    return resource
  }

  /** The whole message; undefined when it would be larger than `bytesMax`. `arena` holds the points. */
  encode(arena: Buffer, bytesMax: number): Buffer | undefined {
    const resources = [...this.resources.values()].filter(({ metricCount }) => metricCount > 0)
    let bytes = 0
    for (const resource of resources) bytes += fieldBytes(measureResource(resource))
    if (bytes > bytesMax) return undefined
    // A varint asks for the room of the longest one.
    const writer = new Writer(bytes + 10, bytes + 10)
    for (const resource of resources) writeResource(writer, resource, arena)
    return writer.bytes.subarray(0, writer.at)
  }
}

/** Of two equally long ones the lesser, so that the order of the series does not matter. */
function longer(left: string, right: string): string {
  if (left.length !== right.length) return left.length > right.length ? left : right
  return left < right ? left : right
}

const typeMetadata = typeNames.map((name) => {
  const writer = new Writer(64, 64)
  attribute(writer, 12, 'prometheus.type', name)
  return writer.toText()
})

function metadataOf(metric: Metric): string {
  return typeMetadata[metric.type] ?? typeMetadata[0]!
}

function measureResource(resource: Resource): number {
  let bytes = resource.attributes === '' ? 0 : fieldBytes(resource.attributes.length)
  for (const scope of resource.scopes.values()) {
    if (scope.metrics.size > 0) bytes += fieldBytes(measureScope(scope))
  }
  resource.bytes = bytes
  return bytes
}

function scopeBytes({ name, version, attributes }: ScopeTexts): number {
  return textBytes(name) + textBytes(version) + attributes.length
}

function measureScope(scope: Scope): number {
  let bytes = fieldBytes(scopeBytes(scope.texts)) + textBytes(scope.texts.schemaUrl)
  for (const metric of scope.metrics.values()) bytes += fieldBytes(measureMetric(metric))
  scope.bytes = bytes
  return bytes
}

function measureMetric(metric: Metric): number {
  const { form } = metric
  const temporality = form === 'gauge' || form === 'summary' ? 0 : 2
  metric.dataBytes = metric.pointBytes + temporality + (form === 'counter' ? 2 : 0)
  metric.bytes =
    textBytes(metric.name) +
    textBytes(metric.help) +
    textBytes(metric.unit) +
    fieldBytes(metric.dataBytes) +
    metadataOf(metric).length
  return metric.bytes
}

function writeResource(writer: Writer, resource: Resource, arena: Buffer): void {
  writeHead(writer, 1, resource.bytes)
  writer.textField(1, resource.attributes)
  for (const scope of resource.scopes.values()) {
    if (scope.metrics.size > 0) writeScope(writer, scope, arena)
  }
}

function writeScope(writer: Writer, scope: Scope, arena: Buffer): void {
  const { texts } = scope
  writeHead(writer, 2, scope.bytes)
  writeHead(writer, 1, scopeBytes(texts))
  writer.textField(1, texts.name)
  writer.textField(2, texts.version)
  writer.text(texts.attributes)
  for (const metric of scope.metrics.values()) writeMetric(writer, metric, arena)
  writer.textField(3, texts.schemaUrl)
}

function writeMetric(writer: Writer, metric: Metric, arena: Buffer): void {
  const { form, runs } = metric
  writeHead(writer, 2, metric.bytes)
  writer.textField(1, metric.name)
  writer.textField(2, metric.help)
  writer.textField(3, metric.unit)
  writeHead(writer, dataFields[form], metric.dataBytes)
  for (let i = 0; i < runs.length; i += 2) writer.copy(arena, runs[i]!, runs[i + 1]!)
  if (form !== 'gauge' && form !== 'summary') {
    writer.byte(varintTag(2))
    writer.byte(CUMULATIVE)
  }
  if (form === 'counter') {
    writer.byte(varintTag(3))
    writer.byte(1)
  }
  writer.text(metadataOf(metric))
}

function writeHead(writer: Writer, field: number, bytes: number): void {
  writer.byte(bytesTag(field))
  writer.varint(bytes)
}
