/**
 * Zipkin's spans to OTLP, inside of the kernel: `zipkin.proto3.ListOfSpans` (openzipkin/zipkin-api, zipkin.proto) and lists of
 * `zipkincore.Span` (thrift/zipkinCore.thrift) from the list's header on. What becomes what stands in `docs/zipkin.md`.
 */
import { limits } from '../../limits.ts'
import type { Translation } from '../kernel.ts'
import type { KernelExports } from '../kernel-exports.ts'

/** The kernel's number of each form. */
const forms = { proto: 0, thrift_binary: 1, thrift_compact: 2 } as const
export type ZipkinForm = keyof typeof forms

/**
 * To an ExportTraceServiceRequest. Its codes: `protobuf` and `thrift` for what is malformed, `items` for more spans, or
 * more attributes of one span, than `limits.requestItemsMax`, `too_large` for a translation above `limits.expandedBytesMax`,
 * `memory`.
 */
export function zipkinTranslation(from: ZipkinForm): Translation {
  return {
    run: (x: KernelExports, at: number, bytes: number): number =>
      x.zipkinToOtlp(forms[from], at, bytes, limits.requestItemsMax, limits.expandedBytesMax),
  }
}
