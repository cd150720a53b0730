/**
 * Jaeger over HTTP (jaegertracing/jaeger v1, cmd/collector/app/handler/http_handler.go): POST /api/traces with one bare
 * Batch in Thrift's binary protocol. 202 when every span is durable; 400 for a type or a body that can never be taken.
 */
import type { GuidepostError } from '../errors.ts'
import type { HttpRequest, HttpRoute } from '../transport/http.ts'
import { mediaOf, otherMedia } from './http-body.ts'
import { thriftForm } from './jaeger.ts'
import type { SpanReceiver } from './spans.ts'
import { answerSpans, type SpanContent } from './spans-http.ts'

const path = '/api/traces'
const mediaTypes: readonly string[] = ['application/x-thrift', 'application/vnd.apache.thrift.binary']
const statuses = { GP_TYPE_UNSUPPORTED: 400 }

export function thriftRoutes(receiver: SpanReceiver): HttpRoute[] {
  return [
    {
      path,
      handle: (request) => answerSpans(receiver, request, contentOf(request), statuses),
    },
  ]
}

const content: SpanContent = { form: thriftForm, messageOf: (body) => body }

function contentOf({ raw }: HttpRequest): SpanContent | GuidepostError {
  const media = mediaOf(raw.headers['content-type'])
  return mediaTypes.includes(media) ? content : otherMedia(media, mediaTypes)
}
