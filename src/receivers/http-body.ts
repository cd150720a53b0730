/** Bodies that come over HTTP, compressed or not, for the receivers that take every coding. */
import type { LimitsConfig } from '../config/config.ts'
import { GuidepostError, permanent } from '../errors.ts'
import { limits } from '../limits.ts'
import { type Body, type ByteBudget, overloaded, takeBody } from '../transport/body.ts'
import type { HttpRequest } from '../transport/http.ts'
import { type Coding, inflate, inflatesTooFar } from '../transport/inflate.ts'
import type { Intake } from './intake.ts'

/** The media type that a Content-Type names, in lower case, without its parameters (RFC 9110, 8.3.1); empty: none. */
export function mediaOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

/** The refusal of a media type that is not one of `known`. */
export function otherMedia(media: string, known: readonly string[]): GuidepostError {
  const text = `Content-Type ${media.slice(0, 100) || '(none)'} is not one of ${known.join(', ')}`
  return permanent('GP_TYPE_UNSUPPORTED', text)
}

/** The coding that a Content-Encoding names (RFC 9110, 8.4); undefined: none, the body is as it is. */
export function codingOf(contentEncoding: string | undefined): Coding | undefined | GuidepostError {
  if (contentEncoding === undefined) return undefined
  const coding = contentEncoding.trim().toLowerCase()
  if (coding === '' || coding === 'identity') return undefined
  // An old name of the same thing (RFC 9110, 8.4.1.3).
  if (coding === 'x-gzip') return 'gzip'
  if (coding === 'gzip' || coding === 'deflate' || coding === 'zstd' || coding === 'br') return coding
  return permanent(
    'GP_ENCODING_UNSUPPORTED',
    `Content-Encoding ${coding.slice(0, 100)} is not one of gzip, deflate, zstd, br, identity`,
  )
}

/** The whole body, inflated, once the request was admitted. Whoever gets it releases it. */
export function readPlain(
  intake: Intake,
  request: HttpRequest,
  budget: ByteBudget,
  coding: Coding | undefined,
  limits: LimitsConfig,
): Promise<Body | GuidepostError> {
  return new Promise((resolve) => takePlain(intake, request, budget, coding, limits, resolve))
}

/** The same without a promise. `done` is told once, perhaps before this returns, and must not throw. */
export function takePlain(
  intake: Intake,
  { raw }: HttpRequest,
  budget: ByteBudget,
  coding: Coding | undefined,
  { bodyBytes, inflatedBytes: bytesMax }: LimitsConfig,
  done: (body: Body | GuidepostError) => void,
): void {
  takeBody(raw, bodyBytes, budget, (body) => {
    if (body instanceof GuidepostError) {
      done(body)
      return
    }
    intake.receivedBytes(body.bytes)
    if (coding === undefined || body.bytes === 0) {
      if (body.bytes > bytesMax) body.release()
      done(body.bytes > bytesMax ? inflatesTooFar(bytesMax) : body)
      return
    }
    const finish = (inflated: Body | GuidepostError): void => {
      body.release()
      done(inflated)
    }
    const inflated = inflate(coding, body, { bytesMax, key: 'limits.inflatedBytes', budget })
    if (inflated instanceof Promise) void inflated.then(finish)
    else finish(inflated)
  })
}

/** The refusal of JSON that would keep everybody else waiting. */
export function jsonTooLarge(bytes: number): GuidepostError | undefined {
  if (bytes <= limits.jsonBytesMax) return undefined
  const text = `the body has ${bytes} bytes of JSON, the limit is ${limits.jsonBytesMax}; send smaller batches, or protobuf`
  return permanent('GP_BODY_TOO_LARGE', text)
}

/** Bytes that were made here in place of a body, on the books as one. */
export function heldBody(budget: ByteBudget, message: Buffer): Body | GuidepostError {
  if (!budget.take(message.length)) return overloaded(budget, message.length)
  let held = message.length
  const release = (): void => {
    budget.give(held)
    held = 0
  }
  return { chunks: [message], bytes: message.length, release }
}
