/**
 * Jaeger's batches to OTLP, or to Jaeger's own protobuf, inside of the kernel: jaeger.api_v2.PostSpansRequest
 * (jaegertracing/jaeger-idl, proto/api_v2) and a bare Batch (thrift/jaeger.thrift), after which further bytes may stand.
 * What becomes what stands in `docs/jaeger.md`.
 */
import { limits } from '../../limits.ts'
import type { Translation } from '../kernel.ts'

/** The kernel's numbers of Thrift's protocols. */
export const thriftProtocols = { thrift_binary: 0, thrift_compact: 1 } as const

type JaegerThriftForm = keyof typeof thriftProtocols

/**
 * To an ExportTraceServiceRequest, or to a PostSpansRequest. Its codes: `protobuf` and `thrift` for what is malformed (of
 * Thrift the kernel's `faultAt` says where), `items` for more spans, or more tags or references of one span, than
 * `limits.requestItemsMax`, `too_large` for a translation above `limits.expandedBytesMax`, `memory`.
 */
export function jaegerTranslation(from: 'proto', to: 'otlp'): Translation
export function jaegerTranslation(from: JaegerThriftForm, to: 'otlp' | 'jaeger'): Translation
export function jaegerTranslation(from: 'proto' | JaegerThriftForm, to: 'otlp' | 'jaeger'): Translation {
  const { requestItemsMax, expandedBytesMax } = limits
  if (from === 'proto') {
    return { run: (x, at, bytes) => x.jaegerProtoToOtlp(at, bytes, requestItemsMax, expandedBytesMax) }
  }
  const protocol = thriftProtocols[from]
  const target = to === 'otlp' ? 0 : 1
  return {
    run: (x, at, bytes) => x.jaegerThriftTo(protocol, target, at, bytes, requestItemsMax, expandedBytesMax),
  }
}
