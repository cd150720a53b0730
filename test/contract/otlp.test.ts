/** OTLP under the contract of all receivers, over each of its transports. */
import { after } from 'node:test'
import type { BusRecord } from '../../src/bus/bus.ts'
import type { OpenPort } from '../../src/listeners.ts'
import { itemsOfRecord, type OtlpSignal } from '../support/otlp-items.ts'
import {
  closeGrpcClients,
  exportRequest,
  type OtlpReply,
  sendOtlp,
  type Transport,
} from '../support/otlp-send.ts'
import { type Item, receiverContract, type Told } from './receiver-contract.ts'

after(closeGrpcClients)

const cases: readonly [OtlpSignal, Transport, OpenPort['key']][] = [
  ['traces', 'grpc', 'otlpGrpc'],
  ['traces', 'protobuf', 'otlpHttp'],
  ['traces', 'json', 'http'],
  ['metrics', 'grpc', 'otlpGrpc'],
  ['metrics', 'json', 'otlpHttp'],
  ['logs', 'protobuf', 'http'],
]

function toldBy({ status, grpcStatus, text }: OtlpReply): Told {
  if (grpcStatus === 14 || status === 503) return 'retry'
  if (grpcStatus === 0 && status === 200) return 'durable'
  if (grpcStatus === 3 || status === 400) return 'never'
  throw new Error(`answered ${status}, gRPC ${grpcStatus}: ${text}`)
}

/** A dead letter says in a header which topic it was for. */
function read(record: BusRecord): Item[] {
  const topic = record.headers?.['topic'] ?? record.topic
  return itemsOfRecord({ topic, value: record.value }).map(({ id, resource }) => ({
    id,
    guid: resource.get('guid')?.join(' and ') ?? '',
  }))
}

for (const [signal, transport, port] of cases) {
  receiverContract({
    name: `OTLP ${signal} over ${transport}`,
    read,
    async send(fixture, items) {
      const groups = Map.groupBy(items, ({ guid }) => guid)
      const request = exportRequest(
        signal,
        ...[...groups].map(([guid, group]) => ({
          attributes: { 'k8s.namespace.name': guid },
          ids: group.map(({ id }) => id),
        })),
      )
      return toldBy(await sendOtlp(fixture.portOf(port), transport, signal, request))
    },
  })
}
