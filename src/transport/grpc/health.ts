/**
 * The gRPC health service, asked by load balancers and by Kubernetes' gRPC probes.
 *
 * Source: grpc/grpc, doc/health-checking.md; messages in proto/grpc/health/v1/health.proto:
 *   HealthCheckRequest 1 service; HealthCheckResponse 1 status; HealthListResponse 1 statuses (map: 1 key, 2 value)
 */
import { permanent } from '../../errors.ts'
import { fields, lengthDelimited, varintField } from '../../wire/protobuf.ts'
import { GrpcStatus } from '../rpc-status.ts'
import type { StreamAnswers, StreamMethod, StreamReader } from './method.ts'

export const HEALTH_SERVICE = 'grpc.health.v1.Health'

const SERVING = 1
const NOT_SERVING = 2
const SERVICE_UNKNOWN = 3

/** `services`: those that can be asked for, besides the empty name for all of them. They share one state. */
export function healthMethods(services: readonly string[], isServing: () => boolean): StreamMethod[] {
  const names = ['', ...services]
  const status = (): number => (isServing() ? SERVING : NOT_SERVING)
  const check = (answers: StreamAnswers): StreamReader =>
    unary(answers, (message) => {
      const name = serviceOf(message)
      if (names.includes(name)) answers.send(response(status()))
      else answers.fail(permanent('GP_PATH', `there is no service ${name}`), GrpcStatus.NOT_FOUND)
    })
  const list = (answers: StreamAnswers): StreamReader =>
    unary(answers, () => {
      const value = lengthDelimited(2, response(status()))
      const entries = names.map((name) =>
        lengthDelimited(1, Buffer.concat([lengthDelimited(1, Buffer.from(name)), value])),
      )
      answers.send(Buffer.concat(entries))
    })
  const watch = (answers: StreamAnswers): StreamReader => {
    let now: (() => number) | undefined
    let told = 0
    const tell = (): void => {
      if (now === undefined || now() === told) return
      told = now()
      answers.send(response(told))
    }
    return {
      message(message) {
        // A service that is not known may come to be known; the stream stays (health-checking.md).
        now = names.includes(serviceOf(message)) ? status : () => SERVICE_UNKNOWN
        tell()
      },
      ended() {
        if (now === undefined) answers.fail(noMessage(), GrpcStatus.UNIMPLEMENTED)
      },
      look: tell,
    }
  }
  return [
    { path: `/${HEALTH_SERVICE}/Check`, open: check },
    { path: `/${HEALTH_SERVICE}/List`, open: list },
    { path: `/${HEALTH_SERVICE}/Watch`, open: watch },
  ]
}

/** Answers the first message, and ends. */
function unary(answers: StreamAnswers, answer: (message: Buffer) => void): StreamReader {
  let isAnswered = false
  return {
    message(message) {
      if (isAnswered) return
      isAnswered = true
      answer(message)
      answers.end()
    },
    ended() {
      if (!isAnswered) answers.fail(noMessage(), GrpcStatus.UNIMPLEMENTED)
    },
    look: () => undefined,
  }
}

function noMessage(): ReturnType<typeof permanent> {
  return permanent('GP_BODY_MALFORMED', 'the call ended without a message; it has one')
}

function serviceOf(message: Buffer): string {
  let name = ''
  for (const { number, type, value } of fields(message))
    if (number === 1 && type === 2) name = value.toString()
  return name
}

function response(status: number): Buffer {
  return varintField(1, status)
}
