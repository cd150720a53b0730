/** OTLP over gRPC: the Export methods of the three services (opentelemetry-proto, collector/<signal>/v1). */
import { GuidepostError } from '../errors.ts'
import type { Body } from '../transport/body.ts'
import type { GrpcCall, GrpcMethod, GrpcServices } from '../transport/grpc/method.ts'
import { GrpcStatus, statusOf } from '../transport/rpc-status.ts'
import type { OtlpSignal } from '../wire/formats/otlp.ts'
import { type OtlpReceiver, signals } from './otlp.ts'
import { responseBytes } from './otlp-answers.ts'
import { profilesRefusal } from './otlp-refusals.ts'

const services: Readonly<Record<OtlpSignal, string>> = {
  traces: 'opentelemetry.proto.collector.trace.v1.TraceService',
  metrics: 'opentelemetry.proto.collector.metrics.v1.MetricsService',
  logs: 'opentelemetry.proto.collector.logs.v1.LogsService',
}

const unimplemented: ReadonlyMap<string, string> = new Map([
  ['/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export', profilesRefusal],
  ['/opentelemetry.proto.collector.profiles.v1experimental.ProfilesService/Export', profilesRefusal],
])

export function grpcServices(receiver: OtlpReceiver): GrpcServices {
  const methods = signals.map((signal) => methodOf(receiver, signal))
  return { receiver: receiver.intake.receiver, services: Object.values(services), methods, unimplemented }
}

function methodOf(receiver: OtlpReceiver, signal: OtlpSignal): GrpcMethod {
  const { intake } = receiver
  return {
    path: `/${services[signal]}/Export`,
    admit: ({ peer }) => {
      const refusal = intake.closed()
      return refusal && intake.refuse(refusal, peer)
    },
    handle: (call, message) => handle(receiver, signal, call, message),
  }
}

function handle(receiver: OtlpReceiver, signal: OtlpSignal, call: GrpcCall, message: Body): void {
  const startedMs = performance.now()
  const { intake, settings } = receiver
  const { claim, peer } = call
  intake.receivedBytes(call.wireBytes)
  const guid = intake.requestGuid(settings.rules[signal], call)
  if (guid instanceof GuidepostError) {
    message.release()
    intake.answered(statusOf(guid), startedMs)
    call.answer(intake.refuse(guid, peer, 'guid'))
    return
  }
  const receivedAtMs = Date.now()
  receiver.export({ signal, message, guid, settings, claim, receivedAtMs, peer }, (taken) => {
    const isFailed = taken instanceof GuidepostError
    intake.answered(call.endedWith ?? (isFailed ? statusOf(taken) : GrpcStatus.OK), startedMs)
    call.answer(isFailed ? taken : responseBytes(taken))
  })
}
