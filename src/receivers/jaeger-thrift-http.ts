/**
 * Jaeger over HTTP (jaegertracing/jaeger v1, cmd/collector/app/handler/http_handler.go): POST /api/traces with one bare
 * Batch in Thrift's binary protocol. 202 when every span is durable; 400 for a type or a body that can never be taken.
 */
import { type GuidepostError, permanent } from '../errors.ts'
import type { HttpRequest, HttpRoute } from '../transport/http.ts'
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
  const media = (raw.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (mediaTypes.includes(media)) return content
  return permanent(
    'GP_TYPE_UNSUPPORTED',
    `Content-Type ${media.slice(0, 100) || '(none)'} is not one of ${mediaTypes.join(', ')}`,
  )
}
