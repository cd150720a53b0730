/**
 * Jaeger's spans in its three forms: a PostSpansRequest, a Batch in binary Thrift, and a datagram of the agent in compact
 * Thrift. They say the same as the bench's OTLP requests; kind and failure are tags here.
 */
import { encodeDatagram, encodeProto, encodeThrift } from '../../test/support/jaeger-encode.ts'
import type { JaegerBatch, JaegerSpan, JaegerTag } from '../../test/support/random-jaeger.ts'
import { findIds, type IdCounts, type IdWords, SpanIds, type WordForm } from './span-ids.ts'
import type { EncodedSpans, SpanEncoder } from './span-requests.ts'
import { processValues, Sequence, spansInTrace, spanValues } from './span-values.ts'

interface Form {
  readonly encode: (batch: JaegerBatch) => Buffer
  readonly words: WordForm
  /** How often each id stands in a span: as its own, and in the reference to its parent. */
  readonly counts: IdCounts
}

const thriftCounts = { traceHigh: 2, traceLow: 2, span: 1, parent: 2 }
const forms = {
  proto: {
    encode: encodeProto,
    words: 'fixed',
    counts: { traceHigh: 2, traceLow: 2, span: 1, parent: 1 },
  },
  thrift: {
    encode: (batch) => encodeThrift('binary', batch),
    words: 'fixed',
    counts: thriftCounts,
  },
  datagram: {
    encode: (batch) => encodeDatagram('compact', batch),
    words: 'varint',
    counts: thriftCounts,
  },
} as const satisfies Record<string, Form>

/** Encodes one batch of one process, five spans to a trace. */
export function jaegerEncoder(name: keyof typeof forms): SpanEncoder {
  const { encode, words, counts } = forms[name]
  return (count, seed): EncodedSpans => {
    const batch = batchOf(count, seed)
    const message = encode(batch)
    const ids = batch.spans.map((span) => wordsOf(span, words))
    return { message, ids: new SpanIds(findIds(message, ids, counts), words) }
  }
}

function batchOf(count: number, seed: number): JaegerBatch {
  const sequence = new Sequence(seed)
  const { service, attributes } = processValues(0, sequence)
  const spans: JaegerSpan[] = []
  let traceId = Buffer.alloc(16)
  for (let index = 0; index < count; index++) {
    if (index % spansInTrace === 0) traceId = Buffer.concat([word(sequence.hex(16)), word(sequence.hex(16))])
    spans.push(spanNumber(index, traceId, sequence))
  }
  return { process: { serviceName: service, tags: tagsOf(attributes) }, spans }
}

function spanNumber(index: number, traceId: Buffer, sequence: Sequence): JaegerSpan {
  const { spanId, parentId, name, kind, seconds, startNanos, tookNanos, hasFailed, attributes } = spanValues(
    index,
    sequence,
  )
  const parentSpanId = word(parentId)
  return {
    traceId,
    spanId: word(spanId),
    parentSpanId,
    operationName: name,
    references: [{ type: 'child_of', traceId, spanId: parentSpanId }],
    flags: 1,
    startTimeUs: BigInt(seconds) * 1_000_000n + BigInt(Math.floor(startNanos / 1e3)),
    durationUs: BigInt(Math.floor(tookNanos / 1e3)),
    tags: tagsOf({ ...attributes, 'span.kind': kind, ...(hasFailed ? { error: true } : {}) }),
    logs: [],
  }
}

function tagsOf(attributes: Readonly<Record<string, string | number | boolean>>): JaegerTag[] {
  return Object.entries(attributes).map(([key, value]) => {
    if (typeof value === 'string') return { key, type: 'string', value }
    return typeof value === 'boolean'
      ? { key, type: 'bool', value }
      : { key, type: 'int64', value: BigInt(value) }
  })
}

/** 8 bytes whose two first bits differ: as a zigzag varint they take all of its 10 bytes. */
function word(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex')
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes
}

function wordsOf({ traceId, spanId, parentSpanId }: JaegerSpan, form: WordForm): IdWords {
  const encode = form === 'fixed' ? (bytes: Buffer) => bytes : zigzag
  return {
    traceHigh: encode(traceId.subarray(0, 8)),
    traceLow: encode(traceId.subarray(8)),
    span: encode(spanId),
    parent: encode(parentSpanId),
  }
}

/** The varint of compact Thrift (apache/thrift, doc/specs/thrift-compact-protocol.md) of 8 bytes whose first bit is 0. */
function zigzag(bytes: Buffer): Buffer {
  let rest = bytes.readBigUInt64BE() << 1n
  const varint: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) varint.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...varint, Number(rest)])
}
