/**
 * OTLP messages as lists of items, as tests compare them: read by protobufjs from proto/opentelemetry, or from the JSON
 * that the Collector's file exporter writes. Nothing here is shared with `src/`.
 */
import type protobuf from 'protobufjs'
import type { StoredRecord } from '../../src/bus/bus.ts'
import { type OtlpSignal, otlpFile, otlpMessage, otlpSignals, protoRoot } from './proto.ts'

export { type OtlpSignal, otlpSignals }

/** The attribute by which tests know a span, data point or log record. */
export const idAttribute = 'test.id'

export interface OtlpItem {
  /** Value of the item's attribute `test.id`; empty when it has none. */
  readonly id: string
  /** Span, metric or event: its name, or the body of a log record. */
  readonly name: string
  /** Every value that the resource has for each key, in order; one is the rule. */
  readonly resource: ReadonlyMap<string, readonly string[]>
}

export const topicOf = { traces: 'otlp_spans', metrics: 'otlp_metrics', logs: 'otlp_logs' } as const

const messages = new Map<OtlpSignal, protobuf.Type>()

/** The request of a signal, its fields with the names of OTLP's JSON. */
export function messageOf(signal: OtlpSignal): protobuf.Type {
  const known = messages.get(signal)
  if (known !== undefined) return known
  const type = protoRoot([otlpFile(signal)])
    .resolveAll()
    .lookupType(otlpMessage(signal))
  messages.set(signal, type)
  return type
}

/** The message as a plain object with the names of OTLP's JSON. Throws when it is no such message. */
export function decodeOtlp(signal: OtlpSignal, bytes: Uint8Array): OtlpMessage {
  const type = messageOf(signal)
  return type.toObject(type.decode(bytes), { longs: String }) as OtlpMessage
}

/** The bytes of a message from a plain object with the names of OTLP's JSON; bytes are Buffers. */
export function encodeOtlp(signal: OtlpSignal, message: object): Buffer {
  const type = messageOf(signal)
  return Buffer.from(type.encode(type.fromObject(message)).finish())
}

/** What is read of a message. A list that is empty may be absent. */
export interface OtlpMessage {
  readonly resourceSpans?: readonly Group[]
  readonly resourceMetrics?: readonly Group[]
  readonly resourceLogs?: readonly Group[]
}

interface Group {
  readonly resource?: { readonly attributes?: readonly Attribute[] }
  readonly scopeSpans?: readonly { readonly spans?: readonly Item[] }[]
  readonly scopeMetrics?: readonly { readonly metrics?: readonly Metric[] }[]
  readonly scopeLogs?: readonly { readonly logRecords?: readonly Item[] }[]
}

interface Attribute {
  readonly key?: string
  readonly value?: { readonly stringValue?: string }
}

interface Item {
  readonly name?: string
  readonly body?: { readonly stringValue?: string }
  readonly attributes?: readonly Attribute[]
}

type Points = { readonly dataPoints?: readonly Item[] } | undefined

interface Metric {
  readonly name?: string
  readonly gauge?: Points
  readonly sum?: Points
  readonly histogram?: Points
  readonly exponentialHistogram?: Points
  readonly summary?: Points
}

export function itemsOf(signal: OtlpSignal, message: OtlpMessage): OtlpItem[] {
  const groups = {
    traces: message.resourceSpans,
    metrics: message.resourceMetrics,
    logs: message.resourceLogs,
  }
  return (groups[signal] ?? []).flatMap((group) => {
    const resource = attributesOf(group.resource?.attributes)
    return namedOf(group).map(({ name, item }) => ({
      id: attributesOf(item.attributes).get(idAttribute)?.[0] ?? '',
      name,
      resource,
    }))
  })
}

/** The items of a stored record; the topic says of which signal it is. */
export function itemsOfRecord(record: Pick<StoredRecord, 'topic' | 'value'>): OtlpItem[] {
  const signal = otlpSignals.find((name) => topicOf[name] === record.topic)
  if (signal === undefined) throw new Error(`a record of OTLP in the topic ${record.topic}`)
  return itemsOf(signal, decodeOtlp(signal, record.value))
}

function namedOf(group: Group): { readonly name: string; readonly item: Item }[] {
  const spans = (group.scopeSpans ?? []).flatMap((scope) => scope.spans ?? [])
  const logs = (group.scopeLogs ?? []).flatMap((scope) => scope.logRecords ?? [])
  const metrics = (group.scopeMetrics ?? []).flatMap((scope) => scope.metrics ?? [])
  return [
    ...spans.map((item) => ({ name: item.name ?? '', item })),
    ...logs.map((item) => ({ name: item.body?.stringValue ?? '', item })),
    ...metrics.flatMap(({ name, gauge, sum, histogram, exponentialHistogram, summary }) =>
      [gauge, sum, histogram, exponentialHistogram, summary]
        .flatMap((data) => data?.dataPoints ?? [])
        .map((item) => ({ name: name ?? '', item })),
    ),
  ]
}

function attributesOf(attributes: readonly Attribute[] = []): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { key = '', value } of attributes) {
    found.set(key, [...(found.get(key) ?? []), value?.stringValue ?? JSON.stringify(value)])
  }
  return found
}
