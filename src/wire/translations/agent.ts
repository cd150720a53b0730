/**
 * Datagrams of the Jaeger agent's ports (jaeger-idl, thrift/agent.thrift): a message of the service Agent in an envelope of
 * Thrift's, `emitBatch` with a Batch of Jaeger's or `emitZipkinBatch` with a list of Zipkin's spans. Either comes on any of
 * the ports.
 */

import type { Translation } from '../kernel.ts'
import type { KernelExports } from '../kernel-exports.ts'
import { chain } from './chain.ts'
import { jaegerTranslation, thriftProtocols } from './jaeger.ts'
import { otlpToJaeger } from './otlp-to-jaeger.ts'
import { zipkinTranslation } from './zipkin.ts'

/** The kernel's number of the first of the two messages. */
const EMIT_BATCH = 1

export function agentTranslation(protocol: 'binary' | 'compact', to: 'otlp' | 'jaeger'): Translation {
  const form = `thrift_${protocol}` as const
  const jaeger = jaegerTranslation(form, to)
  const toOtlp = zipkinTranslation(form)
  const zipkin = to === 'otlp' ? toOtlp : chain(toOtlp, otlpToJaeger)
  return {
    run: (x: KernelExports, at: number, bytes: number): number => {
      const message = x.readEnvelope(thriftProtocols[form], at, bytes)
      if (message < 0) return message
      const argumentAt = x.argumentAt.value as number
      const translation = message === EMIT_BATCH ? jaeger : zipkin
      return translation.run(x, argumentAt, at + bytes - argumentAt)
    },
  }
}
