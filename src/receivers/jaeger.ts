/**
 * Jaeger (jaegertracing/jaeger-idl, proto/api_v2 and thrift/): the forms in which its spans arrive. Its own file for each
 * entry: `jaeger-grpc.ts`, `jaeger-thrift-http.ts`, `jaeger-agent.ts` (UDP), `jaeger-sampling.ts`.
 */
import { agentTranslation } from '../wire/translations/agent.ts'
import { jaegerTranslation } from '../wire/translations/jaeger.ts'
import type { SpanForm } from './spans.ts'

export const receiverName = 'jaeger'

/** What the translation to OTLP calls by another name; rules name it as Jaeger does. */
export const renamed: ReadonlyMap<string, string> = new Map([['hostname', 'host.name']])

export const requestForm: SpanForm = {
  title: 'jaeger.api_v2.PostSpansRequest',
  translations: { otlp_proto: jaegerTranslation('proto', 'otlp'), jaeger_proto: undefined },
}

export const thriftForm: SpanForm = {
  title: 'Thrift Batch (jaeger.thrift) in the binary protocol',
  hint: (begin) =>
    isBinaryMessage(begin) || isCompactMessage(begin)
      ? '; it begins like a datagram for the agent, over HTTP there is no envelope around the Batch'
      : '',
  translations: {
    otlp_proto: jaegerTranslation('thrift_binary', 'otlp'),
    jaeger_proto: jaegerTranslation('thrift_binary', 'jaeger'),
  },
}

/** Datagrams: a message of the service Agent, with a Batch or with a list of Zipkin's spans. */
export const agentForms = {
  binary: agentForm('binary'),
  compact: agentForm('compact'),
} as const

export type AgentProtocol = keyof typeof agentForms

function agentForm(protocol: 'binary' | 'compact'): SpanForm {
  return {
    hint: protocol === 'compact' ? hintOfBinary : hintOfCompact,
    title: `message of the Jaeger agent in Thrift's ${protocol} protocol (emitBatch or emitZipkinBatch)`,
    translations: {
      otlp_proto: agentTranslation(protocol, 'otlp'),
      jaeger_proto: agentTranslation(protocol, 'jaeger'),
    },
  }
}

/** The strict envelope, or the old one of `emit…` (thrift-binary-protocol.md, Message). */
function isBinaryMessage(begin: Buffer): boolean {
  return begin.toString('latin1', 0, 2) === '\x80\x01' || begin.toString('latin1', 4, 8) === 'emit'
}

/** thrift-compact-protocol.md, Message. */
function isCompactMessage(begin: Buffer): boolean {
  return begin[0] === 0x82
}

function hintOfBinary(begin: Buffer): string {
  return isBinaryMessage(begin)
    ? '; it looks like the binary protocol, which listeners.jaegerBinary takes'
    : ''
}

function hintOfCompact(begin: Buffer): string {
  return isCompactMessage(begin)
    ? '; it looks like the compact protocol, which listeners.jaegerCompact takes'
    : ''
}
