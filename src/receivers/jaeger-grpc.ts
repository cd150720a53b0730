/**
 * Jaeger over gRPC (jaeger-idl, proto/api_v2/collector.proto): CollectorService/PostSpans, whose answer is an empty
 * message. Agents repeat what is answered with UNAVAILABLE, and drop the rest.
 */
import { GuidepostError } from '../errors.ts'
import type { Body } from '../transport/body.ts'
import type { GrpcCall, GrpcMethod, GrpcServices } from '../transport/grpc/method.ts'
import { GrpcStatus, statusOf } from '../transport/rpc-status.ts'
import { requestForm } from './jaeger.ts'
import type { SpanReceiver } from './spans.ts'

const service = 'jaeger.api_v2.CollectorService'
const nothing = Buffer.alloc(0)

export function collectorService(receiver: SpanReceiver): GrpcServices {
  return {
    ...{ receiver: receiver.intake.receiver, services: [service] },
    ...{ methods: [postSpans(receiver)], unimplemented: new Map() },
  }
}

function postSpans(receiver: SpanReceiver): GrpcMethod {
  const { intake } = receiver
  return {
    path: `/${service}/PostSpans`,
    admit: ({ peer }) => {
      const refusal = intake.closed()
      return refusal && intake.refuse(refusal, peer)
    },
    handle: (call, message) => handle(receiver, call, message),
  }
}

function handle(receiver: SpanReceiver, call: GrpcCall, message: Body): void {
  const startedMs = performance.now()
  const { intake, settings } = receiver
  const { claim, peer } = call
  const answer = (failure: GuidepostError | undefined): void => {
    intake.answered(call.endedWith ?? (failure === undefined ? GrpcStatus.OK : statusOf(failure)), startedMs)
    call.answer(failure ?? nothing)
  }
  intake.receivedBytes(call.wireBytes)
  const guid = intake.requestGuid(settings.rules, call)
  if (guid instanceof GuidepostError) {
    message.release()
    answer(intake.refuse(guid, peer, 'guid'))
    return
  }
  const receivedAtMs = Date.now()
  receiver.take({ form: requestForm, message, guid, settings, claim, receivedAtMs, peer }, answer)
}
