/**
 * OTLP's ExportTraceServiceRequest as jaeger.api_v2.PostSpansRequest, in which each span has its own process: the second
 * step of what is translated to OTLP first and goes to the bus as Jaeger's spans. The mapping is in
 * `../kernel/assembly/otlp-to-jaeger.ts`.
 */
import { limits } from '../../limits.ts'
import type { Translation } from '../kernel.ts'

/** Fails with `protobuf`, `items` (more than `requestItemsMax` spans), `too_large` (`expandedBytesMax`) or `memory`. */
export const otlpToJaeger: Translation = {
  run: (x, at, bytes) =>
    x.otlpToJaeger(at, bytes, limits.requestItemsMax, limits.otlpNestingMax, limits.expandedBytesMax),
}
