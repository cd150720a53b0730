/** Why a request of OTLP is refused as a whole. Cold. */
import type { GuidepostError } from '../errors.ts'
import type { OtlpSignal } from '../wire/formats/otlp.ts'
import type { KernelProblem } from '../wire/kernel.ts'
import { refusalOf } from './refusals.ts'

const messages: Readonly<Record<OtlpSignal, string>> = {
  traces: 'ExportTraceServiceRequest',
  metrics: 'ExportMetricsServiceRequest',
  logs: 'ExportLogsServiceRequest',
}

/** What senders of profiles are told; `otlp.ts` says why. */
export const profilesRefusal =
  'profiles are not taken: their messages share one dictionary and cannot be split by guid; switch the exporter of profiles off'

/** The refusal of a request that is not well-formed as a whole: nothing of it was kept. */
export function malformed(problem: KernelProblem, signal: OtlpSignal): GuidepostError {
  return refusalOf(problem, messages[signal])
}
