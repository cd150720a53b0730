/** Jaeger's Thrift in the simple shape that most tests need: string tags, one process. */
import { encodeDatagram, encodeThrift, type ThriftProtocol } from './jaeger-encode.ts'
import type { JaegerBatch, JaegerTag } from './random-jaeger.ts'

export type { ThriftProtocol }

export interface ThriftProcess {
  readonly serviceName: string
  readonly tags: Readonly<Record<string, string>>
}

export interface ThriftSpan {
  readonly operationName: string
  readonly tags: Readonly<Record<string, string>>
}

/** A bare Batch. */
export function thriftBatch(
  protocol: ThriftProtocol,
  process: ThriftProcess,
  spans: readonly ThriftSpan[],
): Buffer {
  return encodeThrift(protocol, batchOf(process, spans))
}

/** A datagram for the agent: `emitBatch` with a Batch, as a oneway message. */
export function agentMessage(
  protocol: ThriftProtocol,
  process: ThriftProcess,
  spans: readonly ThriftSpan[],
): Buffer {
  return encodeDatagram(protocol, batchOf(process, spans))
}

const traceId = Buffer.from('0000000000000000000000000000004d', 'hex')
const spanId = Buffer.from('000000000000004e', 'hex')

function batchOf({ serviceName, tags }: ThriftProcess, spans: readonly ThriftSpan[]): JaegerBatch {
  return {
    process: { serviceName, tags: tagsOf(tags) },
    spans: spans.map(({ operationName, tags: own }) => ({
      ...{ traceId, spanId, parentSpanId: Buffer.alloc(8), operationName, flags: 1 },
      ...{ startTimeUs: 1_700_000_000_000_005n, durationUs: 1_000_000n },
      ...{ references: [], tags: tagsOf(own), logs: [] },
    })),
  }
}

function tagsOf(tags: Readonly<Record<string, string>>): JaegerTag[] {
  return Object.entries(tags).map(([key, value]) => ({ key, type: 'string', value }))
}
