/**
 * The messages of OTLP as the oracle reads and writes them: those of proto/opentelemetry, changed on purpose so that
 * nothing is lost in a comparison.
 * - Strings are `bytes`, so that a text which is not UTF-8 can be looked at instead of failing.
 * - Doubles are `fixed64`, so that no NaN loses its payload in a number.
 * - Every singular field is `optional`, so that a field which is present with its default value differs from none.
 * - Every message has `extra…` fields at numbers that no published revision uses: what they hold stands for the fields
 *   of a later revision, which a stamp must carry along.
 */
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'

export type Signal = 'traces' | 'metrics' | 'logs'
export const signals: readonly Signal[] = ['traces', 'metrics', 'logs']

/** A decoded message: bytes and texts as latin1 strings, 64-bit numbers as decimal strings. */
export type Model = { [field: string]: Value }
export type Value = string | number | boolean | Model | Value[]

const FILES = [
  'common/v1/common',
  'resource/v1/resource',
  'trace/v1/trace',
  'metrics/v1/metrics',
  'logs/v1/logs',
  'collector/trace/v1/trace_service',
  'collector/metrics/v1/metrics_service',
  'collector/logs/v1/logs_service',
]

const EXTRAS = `
  repeated fixed32 extra_fixed32 = 20 [packed = false];
  repeated uint64 extra_varint = 1001 [packed = false];
  repeated fixed64 extra_fixed64 = 1002 [packed = false];
  repeated bytes extra_bytes = 536870911;
`

const published = new protobuf.Root()
const root = new protobuf.Root()
for (const file of FILES) {
  const url = new URL(`../../../proto/opentelemetry/proto/${file}.proto`, import.meta.url)
  const source = readFileSync(url, 'utf8').replaceAll(/^import .*$/gm, '')
  protobuf.parse(source, published)
  const changed = withPresence(source)
    .replaceAll(/\bstring (\w+ =)/g, 'bytes $1')
    .replaceAll(/\bdouble (\w+ =)/g, 'fixed64 $1')
    .replaceAll(/^(\s*message \w+ \{)/gm, `$1${EXTRAS}`)
  protobuf.parse(changed, root)
}
published.resolveAll()
root.resolveAll()

/** Members of a oneof are told apart from their absence as they are. */
function withPresence(source: string): string {
  let isInOneof = false
  return source.replaceAll(/^.*$/gm, (line) => {
    if (/^\s*oneof /.test(line)) isInOneof = true
    if (/^\s*\}/.test(line)) isInOneof = false
    return isInOneof ? line : line.replace(/^(\s*)([\w.]+ \w+ = \d+)/, '$1optional $2')
  })
}

/** The oneof of the published schema that the field is a member of. */
export function oneofOf(field: protobuf.Field): protobuf.OneOf | undefined {
  return field.partOf === null || field.partOf.name.startsWith('_') ? undefined : field.partOf
}

/** Whether the field is a string in the published schema. */
export function isText(field: protobuf.Field): boolean {
  const type = published.lookupType(field.parent?.fullName ?? '')
  return type.fields[field.name]?.type === 'string'
}

const requests = {
  traces: 'trace.v1.ExportTraceServiceRequest',
  metrics: 'metrics.v1.ExportMetricsServiceRequest',
  logs: 'logs.v1.ExportLogsServiceRequest',
} as const

/** The export request of a signal. */
export function requestType(signal: Signal): protobuf.Type {
  return root.lookupType(`opentelemetry.proto.collector.${requests[signal]}`)
}

/** The message in a field, if it is one. */
export function nestedType(field: protobuf.Field): protobuf.Type | undefined {
  return field.resolvedType instanceof protobuf.Type ? field.resolvedType : undefined
}

/** Decodes a request. Throws when it is no protobuf. */
export function decode(signal: Signal, bytes: Uint8Array): Model {
  const type = requestType(signal)
  return convert(type, type.toObject(type.decode(bytes), { longs: String }))
}

function convert(type: protobuf.Type, tree: { [field: string]: unknown }): Model {
  const result: Model = {}
  for (const [key, value] of Object.entries(tree)) {
    const field = type.fields[key]
    if (field === undefined) throw new Error(`${type.fullName} has no field ${key}`)
    result[key] = Array.isArray(value) ? value.map((one) => convertOne(field, one)) : convertOne(field, value)
  }
  return result
}

function convertOne(field: protobuf.Field, value: unknown): Value {
  const nested = nestedType(field)
  if (nested !== undefined) return convert(nested, value as { [field: string]: unknown })
  return field.type === 'bytes' ? Buffer.from(value as Uint8Array).toString('latin1') : (value as Value)
}
