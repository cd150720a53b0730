/**
 * Jaeger's spans as plain objects that can be compared: made of a PostSpansRequest by protobufjs and proto/jaeger. Ids and
 * bytes are lower-case hex, times are nanoseconds, tags are in the order that they came.
 */
import { protoRoot } from './proto.ts'

export type PlainTagValue = string | boolean | bigint | number | { readonly bytes: string }
export type PlainTag = readonly [key: string, value: PlainTagValue]

export interface PlainReference {
  readonly type: 'child_of' | 'follows_from'
  readonly traceId: string
  readonly spanId: string
}

export interface PlainJaegerSpan {
  readonly traceId: string
  readonly spanId: string
  readonly operationName: string
  readonly references: readonly PlainReference[]
  readonly flags: number
  readonly startNs: bigint
  readonly durationNs: bigint
  readonly tags: readonly PlainTag[]
  readonly logs: readonly { readonly timeNs: bigint; readonly fields: readonly PlainTag[] }[]
  readonly process: { readonly serviceName: string; readonly tags: readonly PlainTag[] }
  readonly processId: string
  readonly warnings: readonly string[]
}

interface Tree {
  readonly [field: string]: unknown
}

const root = protoRoot(['jaeger/api_v2/collector.proto'])
// Texts are read as bytes, so that one which is not UTF-8 can be looked at instead of failing.
for (const name of ['KeyValue', 'Process', 'Span']) {
  for (const field of root.lookupType(`jaeger.api_v2.${name}`).fieldsArray) {
    if (field.type === 'string') field.type = 'bytes'
  }
}
const requestType = root.resolveAll().lookupType('jaeger.api_v2.PostSpansRequest')

/** The spans of a PostSpansRequest. Throws when it is none, when a span has no process, time or id, or the batch has a process. */
export function spansOfJaeger(bytes: Uint8Array): PlainJaegerSpan[] {
  const { batch } = requestType.toObject(requestType.decode(bytes), { longs: String }) as { batch?: Tree }
  if (batch === undefined || batch['process'] !== undefined)
    throw new Error('no batch, or one with a process')
  return listOf(batch, 'spans').map(spanOf)
}

function spanOf(span: Tree): PlainJaegerSpan {
  const process = treeOf(span['process'])
  return {
    traceId: idOf(span, 'traceId', 16),
    spanId: idOf(span, 'spanId', 8),
    operationName: textOf(span['operationName']),
    references: listOf(span, 'references').map((reference) => ({
      type: reference['refType'] === 1 ? 'follows_from' : 'child_of',
      traceId: idOf(reference, 'traceId', 16),
      spanId: idOf(reference, 'spanId', 8),
    })),
    flags: Number(span['flags'] ?? 0),
    startNs: nanosOf(span['startTime']),
    durationNs: nanosOf(span['duration']),
    tags: tagsOf(span, 'tags'),
    logs: listOf(span, 'logs').map((log) => ({
      timeNs: nanosOf(log['timestamp']),
      fields: tagsOf(log, 'fields'),
    })),
    process: { serviceName: textOf(process['serviceName']), tags: tagsOf(process, 'tags') },
    processId: textOf(span['processId']),
    warnings: ((span['warnings'] as unknown[] | undefined) ?? []).map(textOf),
  }
}

function tagsOf(tree: Tree, field: string): PlainTag[] {
  return listOf(tree, field).map((tag) => [textOf(tag['key']), tagValue(tag)])
}

function tagValue(tag: Tree): PlainTagValue {
  switch (tag['vType'] ?? 0) {
    case 0:
      return textOf(tag['vStr'])
    case 1:
      return tag['vBool'] === true
    case 2:
      return BigInt((tag['vInt64'] as string | undefined) ?? 0)
    case 3:
      return Number(tag['vFloat64'] ?? 0)
    case 4:
      return { bytes: Buffer.from((tag['vBinary'] as Uint8Array | undefined) ?? []).toString('hex') }
    default:
      throw new Error(`type ${tag['vType']}`)
  }
}

function idOf(tree: Tree, field: string, bytes: number): string {
  const id = Buffer.from((tree[field] as Uint8Array | undefined) ?? [])
  if (id.length !== bytes) throw new Error(`${field} has ${id.length} bytes`)
  return id.toString('hex')
}

/** Seconds and nanoseconds must have one sign, and fewer than a second's nanoseconds. */
function nanosOf(time: unknown): bigint {
  const tree = treeOf(time)
  const seconds = BigInt((tree['seconds'] as string | undefined) ?? 0)
  const nanos = BigInt((tree['nanos'] as number | undefined) ?? 0)
  if (seconds * nanos < 0n || nanos <= -1_000_000_000n || nanos >= 1_000_000_000n)
    throw new Error(`${seconds} s ${nanos} ns`)
  return seconds * 1_000_000_000n + nanos
}

function textOf(text: unknown): string {
  return Buffer.from((text as Uint8Array | undefined) ?? []).toString()
}

function treeOf(tree: unknown): Tree {
  if (typeof tree !== 'object' || tree === null) throw new Error('a message is missing')
  return tree as Tree
}

function listOf(tree: Tree, field: string): Tree[] {
  return ((tree[field] as unknown[] | undefined) ?? []).map(treeOf)
}
