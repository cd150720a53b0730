/**
 * Remote write to OTLP metrics, by the specification "Prometheus and OpenMetrics Compatibility" (opentelemetry.io,
 * specs/otel/compatibility/prometheus_and_openmetrics). docs/prometheus-to-otlp.md says the mapping in full, with what was
 * chosen where the specification is silent and where it is not followed.
 */
import { limits } from '../../limits.ts'
import type { ToOtlpOptions, Translated } from './translated.ts'
import { Translation } from './translation.ts'
import { TooLarge, Writer } from './writer.ts'

// A translation ends in the turn in which it begins, so one arena serves all.
const arena = new Writer(limits.translationBytesKept, limits.translationBytesKept)

/**
 * Translates one request, in one turn. `too_large`: the result would pass `outputBytesMax`, or there are more series or
 * metrics than `limits` allows; a smaller request would do.
 */
export function toOtlp(options: ToOtlpOptions): Translated | { readonly problem: 'too_large' } {
  try {
    arena.reset(options.outputBytesMax, limits.translationBytesKept)
    return new Translation(options, arena).run() ?? { problem: 'too_large' }
  } catch (error) {
    if (error instanceof TooLarge) return { problem: 'too_large' }
    throw error
  } finally {
    arena.reset(limits.translationBytesKept, limits.translationBytesKept)
  }
}
