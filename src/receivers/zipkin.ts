/** Zipkin (openzipkin/zipkin-api, zipkin.proto, thrift/zipkinCore.thrift): the forms in which its spans arrive. */
import { chain } from '../wire/translations/chain.ts'
import { otlpToJaeger } from '../wire/translations/otlp-to-jaeger.ts'
import { type ZipkinForm, zipkinTranslation } from '../wire/translations/zipkin.ts'
import type { SpanForm } from './spans.ts'

export const receiverName = 'zipkin'

export const listForm = formOf('zipkin.proto3.ListOfSpans', 'proto')
export const thriftForm = formOf('list of Spans (zipkinCore.thrift) in the binary protocol', 'thrift_binary')

function formOf(title: string, from: ZipkinForm): SpanForm {
  const toOtlp = zipkinTranslation(from)
  return { title, translations: { otlp_proto: toOtlp, jaeger_proto: chain(toOtlp, otlpToJaeger) } }
}
