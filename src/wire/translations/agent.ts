/**
 * Datagrams of the Jaeger agent's ports (jaeger-idl, thrift/agent.thrift): a message of the service Agent in an envelope of
 * Thrift's, `emitBatch` with a Batch of Jaeger's or `emitZipkinBatch` with a list of Zipkin's spans. Either comes on any of
 * the ports.
 */

import type { Translation } from '../kernel.ts'
import type { KernelExports } from '../kernel-exports.ts'
import { chain } from './chain.ts'
import { jaegerTranslation } from './jaeger.ts'
import { otlpToJaeger } from './otlp-to-jaeger.ts'
import { zipkinTranslation } from './zipkin.ts'

/** The kernel's numbers of the protocols, and of the first of the two messages. */
const protocols = { binary: 0, compact: 1 } as const
const EMIT_BATCH = 1

export function agentTranslation(protocol: 'binary' | 'compact', to: 'otlp' | 'jaeger'): Translation {
  const jaeger = jaegerTranslation(`thrift_${protocol}`, to)
  const toOtlp = zipkinTranslation(`thrift_${protocol}`)
  const zipkin = to === 'otlp' ? toOtlp : chain(toOtlp, otlpToJaeger)
  return {
    run: (x: KernelExports, at: number, bytes: number): number => {
      const message = x.readEnvelope(protocols[protocol], at, bytes)
      if (message < 0) return message
      const argumentAt = x.argumentAt.value as number
      const translation = message === EMIT_BATCH ? jaeger : zipkin
      return translation.run(x, argumentAt, at + bytes - argumentAt)
    },
  }
}
