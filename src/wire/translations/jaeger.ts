/**
 * Jaeger's batches to OTLP, or to Jaeger's own protobuf, inside of the kernel: jaeger.api_v2.PostSpansRequest
 * (jaegertracing/jaeger-idl, proto/api_v2) and a bare Batch (thrift/jaeger.thrift), after which further bytes may stand.
 * What becomes what stands in `docs/jaeger.md`.
 */
import { limits } from '../../limits.ts'
import type { Translation } from '../kernel.ts'

export type JaegerThriftForm = 'thrift_binary' | 'thrift_compact'

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
    return { run: (x, at, bytes) => x.jaegerFromProto(at, bytes, requestItemsMax, expandedBytesMax) }
  }
  const protocol = from === 'thrift_binary' ? 0 : 1
  const target = to === 'otlp' ? 0 : 1
  return {
    run: (x, at, bytes) => x.jaegerFromThrift(protocol, target, at, bytes, requestItemsMax, expandedBytesMax),
  }
}
