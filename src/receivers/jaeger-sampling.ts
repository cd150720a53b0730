/**
 * Jaeger's remote sampling: a client asks which of its traces to keep, by HTTP from the agent's port or the collector's,
 * or by gRPC from the collector. Nothing here needs the bus, so that it is answered while that is down.
 *
 * Sources: jaegertracing/jaeger v1.62.0, pkg/clientcfg/clientcfghttp/handler.go (paths, `service` exactly once);
 * jaegertracing/jaeger-idl, proto/api_v2/sampling.proto (SamplingStrategyParameters 1 serviceName).
 */
import type { Reader } from 'protobufjs'
import { GuidepostError, permanent } from '../errors.ts'
import { limits } from '../limits.ts'
import { type Answer, answerFor } from '../transport/answer.ts'
import type { Body } from '../transport/body.ts'
import type { GrpcMethod, GrpcServices } from '../transport/grpc/method.ts'
import type { HttpRequest, HttpRoute } from '../transport/http.ts'
import { GrpcStatus, statusOf } from '../transport/rpc-status.ts'
import type { Strategies } from './jaeger-strategies.ts'
import type { SamplingStrategy } from './jaeger-strategies-answers.ts'

const SERVICE = 'jaeger.api_v2.SamplingManager'

/** Where questions are counted; an `Intake` is one. */
export interface SamplingBooks {
  /** By the status of the protocol; `startedMs` is of `performance.now()`. */
  answered(code: number, startedMs: number): void
  /** Counts and logs a refusal, and gives it back. */
  refuse(error: GuidepostError, peer: string, reason?: string): GuidepostError
}

/** For the agent's port, 5778. */
export function samplingRoutes(strategies: Strategies, books: SamplingBooks): HttpRoute[] {
  return [
    question('/sampling', 'json', strategies, books),
    question('/', 'legacyJson', strategies, books),
    baggage('/baggageRestrictions', books),
  ]
}

/** For the collector's port, 14268. */
export function collectorSamplingRoutes(strategies: Strategies, books: SamplingBooks): HttpRoute[] {
  return [question('/api/sampling', 'json', strategies, books), baggage('/api/baggageRestrictions', books)]
}

/** For the collector's port, 14250. */
export function samplingService(strategies: Strategies, books: SamplingBooks): GrpcServices {
  const method: GrpcMethod = {
    path: `/${SERVICE}/GetSamplingStrategy`,
    admit: () => undefined,
    handle: (call, message) => {
      const startedMs = performance.now()
      const answer = (service: string | GuidepostError): void => {
        const isFailed = service instanceof GuidepostError
        books.answered(isFailed ? statusOf(service) : GrpcStatus.OK, startedMs)
        call.answer(isFailed ? books.refuse(service, call.peer) : strategies.strategyOf(service).protobuf)
      }
      serviceOfMessage(message)
        .then(answer)
        .catch((error: unknown) => call.broke(error))
    },
  }
  return { receiver: 'jaeger_sampling', services: [SERVICE], methods: [method], unimplemented: new Map() }
}

type Form = Exclude<keyof SamplingStrategy, 'protobuf'>

const JSON_TYPE = 'application/json'

function question(path: string, form: Form, strategies: Strategies, books: SamplingBooks): HttpRoute {
  return {
    path,
    method: 'GET',
    handle: async (request) => answer(request, form, strategies, books),
  }
}

function answer(
  { raw, peer }: HttpRequest,
  form: Form,
  strategies: Strategies,
  books: SamplingBooks,
): Answer {
  const startedMs = performance.now()
  const services = servicesOf(raw.url ?? '')
  const isAsked = services.length === 1
  const given: Answer = isAsked
    ? { status: 200, headers: {}, body: strategies.strategyOf(services[0]!)[form], contentType: JSON_TYPE }
    : answerFor(books.refuse(notOnce(services.length), peer))
  books.answered(given.status, startedMs)
  return given
}

function notOnce(times: number): GuidepostError {
  const text = `name the service whose strategy you ask for in the query, once: ?service=NAME (it is there ${times} times)`
  return permanent('GP_QUERY', text)
}

function servicesOf(url: string): readonly string[] {
  const at = url.indexOf('?')
  return at === -1 ? [] : new URLSearchParams(url.slice(at)).getAll('service')
}

/** Old clients ask for these as well, and are quiet when there are none. */
function baggage(path: string, books: SamplingBooks): HttpRoute {
  return {
    path,
    method: 'GET',
    handle: async () => {
      books.answered(200, performance.now())
      return { status: 200, headers: {}, body: '[]', contentType: JSON_TYPE }
    },
  }
}

/** Takes the message over. Rejects when what reads it cannot be loaded, which is no fault of the message. */
async function serviceOfMessage(message: Body): Promise<string | GuidepostError> {
  try {
    if (message.bytes > limits.samplingRequestBytesMax) {
      const text = `the question has ${message.bytes} bytes; at most ${limits.samplingRequestBytesMax}`
      return permanent('GP_BODY_TOO_LARGE', text)
    }
    // With the first question: few clients ask by gRPC.
    const { default: protobuf } = await import('protobufjs')
    return readService(protobuf.Reader.create(Buffer.concat(message.chunks)))
  } finally {
    message.release()
  }
}

function readService(reader: Reader): string | GuidepostError {
  try {
    let service = ''
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag >>> 3 === 1 && (tag & 7) === 2) service = reader.string()
      else reader.skipType(tag & 7)
    }
    return service
  } catch (error) {
    return permanent('GP_BODY_MALFORMED', 'the message is no SamplingStrategyParameters', error)
  }
}
