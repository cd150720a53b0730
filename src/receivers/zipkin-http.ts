/**
 * Zipkin over HTTP (openzipkin/zipkin-api, zipkin2-api.yaml, zipkin-api.yaml; openzipkin/zipkin,
 * ZipkinHttpCollector.java): lists of spans of both versions. The path tells the version; clients often send no
 * Content-Type, and mean JSON. 202 when every span is durable, for an empty list or body as well; 400 for what can never
 * be taken.
 */
import { type GuidepostError, permanent } from '../errors.ts'
import type { Claim } from '../route/shares.ts'
import type { Body } from '../transport/body.ts'
import type { HttpRequest, HttpRoute } from '../transport/http.ts'
import { inflatesTooFar } from '../transport/inflate.ts'
import { type ZipkinFromJson, zipkinJsonV1, zipkinJsonV2 } from '../wire/zipkin-json/index.ts'
import { heldBody, jsonTooLarge, mediaOf } from './http-body.ts'
import type { SpanForm, SpanReceiver } from './spans.ts'
import { answerSpans, type SpanContent } from './spans-http.ts'
import { listForm, thriftForm } from './zipkin.ts'

type Convert = (chunks: readonly Buffer[], bytes: number, outputBytesMax: number) => ZipkinFromJson

/** What comes on a path: JSON, and one other form. */
interface Version {
  readonly path: string
  readonly media: readonly string[]
  readonly form: SpanForm
  readonly convert: Convert
}

const versions: readonly Version[] = [
  {
    path: '/api/v2/spans',
    media: ['application/x-protobuf', 'application/protobuf'],
    form: listForm,
    convert: zipkinJsonV2,
  },
  { path: '/api/v1/spans', media: ['application/x-thrift'], form: thriftForm, convert: zipkinJsonV1 },
]
const binaryMedia = new Set(versions.flatMap(({ media }) => media))
const statuses = { GP_TYPE_UNSUPPORTED: 400, GP_ENCODING_UNSUPPORTED: 400 }

export function zipkinRoutes(receiver: SpanReceiver): HttpRoute[] {
  return versions.map((version) => ({
    path: version.path,
    handle: (request) => answerSpans(receiver, request, contentOf(receiver, version, request), statuses),
  }))
}

function contentOf(
  receiver: SpanReceiver,
  { path, media, form, convert }: Version,
  { raw }: HttpRequest,
): SpanContent | GuidepostError {
  const type = mediaOf(raw.headers['content-type'])
  if (media.includes(type)) return { form, messageOf: (body) => (isEmpty(body) ? undefined : body) }
  // What is no form of the other version is JSON, whatever a client calls it.
  if (!binaryMedia.has(type)) {
    return {
      form,
      messageOf: (body, claim) => (isEmpty(body) ? undefined : fromJson(receiver, claim, convert, body)),
    }
  }
  return permanent(
    'GP_TYPE_UNSUPPORTED',
    `Content-Type ${type} is not taken at ${path}; there is ${media[0]}, application/json`,
  )
}

function isEmpty(body: Body): boolean {
  if (body.bytes > 0) return false
  body.release()
  return true
}

function fromJson(
  { settings }: SpanReceiver,
  claim: Claim,
  convert: Convert,
  text: Body,
): Body | GuidepostError {
  const { inflatedBytes } = settings.limits
  const tooLarge = jsonTooLarge(text.bytes)
  if (tooLarge !== undefined) {
    text.release()
    return tooLarge
  }
  let converted: ZipkinFromJson
  try {
    converted = convert(text.chunks, text.bytes, inflatedBytes)
  } finally {
    text.release()
  }
  if ('message' in converted) return heldBody(claim, converted.message)
  if (converted.isTooLarge === true) return inflatesTooFar(inflatedBytes)
  return permanent('GP_BODY_MALFORMED', `the body is no list of Zipkin spans in JSON: ${converted.problem}`)
}
