/** The words in which requests of OTLP are refused as a whole. */
import type { OtlpSignal } from '../wire/formats/otlp.ts'

/** What a well-formed request is. */
export const messages: Readonly<Record<OtlpSignal, string>> = {
  traces: 'ExportTraceServiceRequest',
  metrics: 'ExportMetricsServiceRequest',
  logs: 'ExportLogsServiceRequest',
}

/** What senders of profiles are told; `otlp.ts` says why. */
export const profilesRefusal =
  'profiles are not taken: their messages share one dictionary and cannot be split by guid; switch the exporter of profiles off'
