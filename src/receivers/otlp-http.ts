/**
 * OTLP over HTTP (opentelemetry-proto, docs/specification.md, "OTLP/HTTP"): protobuf and JSON, answered in the request's
 * own encoding.
 *
 *   200  everything is durable, or all but what the partial success names
 *   400, 404, 413, 415  can never succeed; the body is a google.rpc.Status
 *   503  try again, after Retry-After; also for what breaks here, since senders drop what is answered with 500
 */
import type { LimitsConfig } from '../config/config.ts'
import { GuidepostError, permanent } from '../errors.ts'
import type { Claim } from '../route/shares.ts'
import { type Answer, answerFor } from '../transport/answer.ts'
import { admit, type Body } from '../transport/body.ts'
import type { HttpRequest, HttpRoute } from '../transport/http.ts'
import { inflatesTooFar } from '../transport/inflate.ts'
import { statusBytes, statusJson } from '../transport/rpc-status.ts'
import type { OtlpSignal } from '../wire/formats/otlp.ts'
import { jsonToOtlp, type OtlpFromJson } from '../wire/otlp-json/index.ts'
import { codingOf, heldBody, jsonTooLarge, mediaOf, otherMedia, takePlain } from './http-body.ts'
import type { Intake } from './intake.ts'
import { type OtlpReceiver, type OtlpSettings, signals, type Taken } from './otlp.ts'
import { responseBytes, responseJson } from './otlp-answers.ts'
import { profilesRefusal } from './otlp-refusals.ts'

const nothing = Buffer.alloc(0)

const mediaTypes = ['application/x-protobuf', 'application/json'] as const
type Media = (typeof mediaTypes)[number]

/** Also where Prometheus and Loki take OTLP, so that clients of theirs change an address alone. */
const paths: Readonly<Record<OtlpSignal, readonly string[]>> = {
  traces: ['/v1/traces', '/otlp/v1/traces'],
  metrics: ['/v1/metrics', '/otlp/v1/metrics', '/api/v1/otlp/v1/metrics'],
  logs: ['/v1/logs', '/otlp/v1/logs'],
}

const profilesPath = '/v1development/profiles'

export function httpRoutes(receiver: OtlpReceiver): HttpRoute[] {
  const cors = () => receiver.settings.cors
  const routes: HttpRoute[] = signals.flatMap((signal) =>
    paths[signal].map((path) => ({ path, cors, take: (request) => take(receiver, signal, request) })),
  )
  return [
    ...routes,
    { path: profilesPath, cors, take: (request) => request.answer(refuseProfiles(receiver, request)) },
  ]
}

function take(receiver: OtlpReceiver, signal: OtlpSignal, request: HttpRequest): void {
  const startedMs = performance.now()
  const { intake, settings } = receiver
  const { peer } = request
  const media = knownMediaOf(request.raw.headers['content-type'])
  const answer = (given: Answer): void => {
    intake.answered(given.status, startedMs)
    request.answer(given)
  }
  if (media instanceof GuidepostError) {
    answer(answerFor(intake.refuse(media, peer, 'content_type')))
    return
  }
  const done = (taken: Taken | GuidepostError): void =>
    answer(taken instanceof GuidepostError ? refusal(taken, media) : success(signal, taken, media))
  try {
    receive(receiver, signal, request, media, settings, done)
  } catch (error) {
    done(intake.broke(error, peer))
  }
}

function receive(
  receiver: OtlpReceiver,
  signal: OtlpSignal,
  request: HttpRequest,
  media: Media,
  settings: OtlpSettings,
  done: (taken: Taken | GuidepostError) => void,
): void {
  const { intake } = receiver
  const { peer } = request
  const coding = codingOf(request.raw.headers['content-encoding'])
  if (coding instanceof GuidepostError) {
    done(intake.refuse(coding, peer, 'content_encoding'))
    return
  }
  const guid = intake.requestGuid(settings.rules[signal], request)
  if (guid instanceof GuidepostError) {
    done(intake.refuse(guid, peer, 'guid'))
    return
  }
  const { limits } = settings
  const claim = intake.claim(request)
  const closed = admit(request.raw, limits.bodyBytes, claim) ?? intake.closed()
  if (closed !== undefined) {
    done(intake.refuse(closed, peer))
    return
  }
  const receivedAtMs = Date.now()
  takePlain(intake, request, claim, coding, limits, (body) => {
    const message =
      body instanceof GuidepostError ? body : messageOf(intake, claim, signal, body, media, limits)
    if (message instanceof GuidepostError) done(intake.refuse(message, peer))
    else receiver.export({ signal, message, guid, settings, claim, receivedAtMs, peer }, done)
  })
}

/** The protobuf message in a body; the body is released, or is the message. */
function messageOf(
  intake: Intake,
  claim: Claim,
  signal: OtlpSignal,
  body: Body,
  media: Media,
  { inflatedBytes }: LimitsConfig,
): Body | GuidepostError {
  if (media === 'application/x-protobuf') return body
  const tooLarge = jsonTooLarge(body.bytes)
  if (tooLarge !== undefined) {
    body.release()
    return tooLarge
  }
  let converted: OtlpFromJson
  try {
    converted = jsonToOtlp(signal, body.chunks, body.bytes, inflatedBytes)
  } catch (error) {
    return intake.fault(error)
  } finally {
    body.release()
  }
  if ('message' in converted) return heldBody(claim, converted.message)
  if (converted.isTooLarge === true) return inflatesTooFar(inflatedBytes)
  return permanent('GP_BODY_MALFORMED', `the body is not OTLP JSON: ${converted.problem}`)
}

function knownMediaOf(contentType: string | undefined): Media | GuidepostError {
  if (contentType === mediaTypes[0]) return mediaTypes[0]
  const media = mediaOf(contentType)
  return mediaTypes.find((known) => known === media) ?? otherMedia(media, mediaTypes)
}

/** What most requests are answered. */
const allTaken: Answer = { status: 200, headers: {}, body: nothing, contentType: mediaTypes[0] }

function success(signal: OtlpSignal, taken: Taken, contentType: Media): Answer {
  if (taken.rejected === 0 && contentType === mediaTypes[0]) return allTaken
  const body = contentType === 'application/json' ? responseJson(signal, taken) : responseBytes(taken)
  return { status: 200, headers: {}, body, contentType }
}

function refusal(error: GuidepostError, contentType: Media): Answer {
  const body = contentType === 'application/json' ? statusJson(error) : statusBytes(error)
  return { ...answerFor(error), body, contentType }
}

function refuseProfiles({ intake }: OtlpReceiver, request: HttpRequest): Answer {
  const error = intake.refuse(permanent('GP_PATH', profilesRefusal), request.peer, 'profiles')
  const media = knownMediaOf(request.raw.headers['content-type'])
  return media instanceof GuidepostError ? answerFor(error) : refusal(error, media)
}
