/** Every case there is, and which of them run unasked. */
import { kernelCases } from './kernels/cases.ts'
import { jaegerKernelCases } from './kernels/jaeger.ts'
import { otlpKernelCases } from './kernels/otlp.ts'
import { segmentCases } from './kernels/segment.ts'
import { spoolCases } from './kernels/spool.ts'
import { zipkinJsonCases } from './kernels/zipkin-json.ts'
import { programCases } from './program/cases.ts'
import { growthCases } from './program/growth.ts'
import { guidCases } from './program/guids.ts'
import { jaegerCases } from './program/jaeger.ts'
import { latencyCases } from './program/latency.ts'
import { otlpCases } from './program/otlp.ts'
import { remoteWriteCases } from './program/remote-write.ts'
import { scalingCases } from './program/scaling.ts'
import { soakCases } from './program/soak.ts'
import { programSpoolCases } from './program/spool.ts'
import { startCases } from './program/start.ts'
import { udpCases } from './program/udp.ts'
import type { Case } from './support/case.ts'

export const allCases: readonly Case[] = [
  ...kernelCases,
  ...otlpKernelCases,
  ...jaegerKernelCases,
  ...zipkinJsonCases,
  ...segmentCases,
  ...spoolCases,
  ...programCases,
  ...otlpCases,
  ...jaegerCases,
  ...udpCases,
  ...remoteWriteCases,
  ...guidCases,
  ...latencyCases,
  ...scalingCases,
  ...startCases,
  ...growthCases,
  ...soakCases,
  ...programSpoolCases,
]

/** Those whose name holds one of the texts; without a text, those that `isDefault` says. */
export function chooseCases<Named extends { readonly name: string }>(
  cases: readonly Named[],
  filters: readonly string[],
  isDefault: (one: Named) => boolean,
): Named[] {
  return cases.filter((one) =>
    filters.length === 0 ? isDefault(one) : filters.some((filter) => one.name.includes(filter)),
  )
}

/** A part of the program that works in memory alone: a second or two each. */
export function isKernel({ name, isOnRequest }: Case): boolean {
  return name.startsWith('kernel/') && isOnRequest !== true
}
