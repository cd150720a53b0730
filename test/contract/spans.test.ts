/** Jaeger and Zipkin under the contract of all receivers, over each entry that answers. */
import { after } from 'node:test'
import type { BusRecord } from '../../src/bus/bus.ts'
import { idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { closeGrpcClients } from '../support/otlp-send.ts'
import { protoRoot } from '../support/proto.ts'
import { entries, type SpanReply } from '../support/span-send.ts'
import { type Item, receiverContract, type Told } from './receiver-contract.ts'

after(closeGrpcClients)

const jaegerSpan = protoRoot(['jaeger/api_v2/model.proto']).resolveAll().lookupType('jaeger.api_v2.Span')

function toldBy({ status, grpcStatus, text }: SpanReply): Told {
  if (grpcStatus === 14 || status === 503) return 'retry'
  if (grpcStatus === 0 && (status === 200 || status === 202)) return 'durable'
  if (grpcStatus === 3 || status === 400) return 'never'
  throw new Error(`answered ${status}, gRPC ${grpcStatus}: ${text}`)
}

function readOtlp(record: BusRecord): Item[] {
  const topic = record.headers?.['topic'] ?? record.topic
  return itemsOfRecord({ topic, value: record.value }).map(({ id, resource }) => ({
    id,
    guid: resource.get('guid')?.join(' and ') ?? '',
  }))
}

interface Tagged {
  readonly tags?: readonly { readonly key: string; readonly vStr: string }[]
}

/** One bare span. */
function readJaeger({ value }: BusRecord): Item[] {
  const span = jaegerSpan.toObject(jaegerSpan.decode(value)) as Tagged & { readonly process: Tagged }
  const valuesOf = ({ tags = [] }: Tagged, name: string) =>
    tags.filter(({ key }) => key === name).map(({ vStr }) => vStr)
  return [{ id: valuesOf(span, idAttribute).join(), guid: valuesOf(span.process, 'guid').join(' and ') }]
}

for (const [name, entry] of Object.entries(entries)) {
  receiverContract({
    name,
    read: readOtlp,
    send: async (fixture, items) => toldBy(await entry.send(fixture.portOf(entry.listener), items)),
  })
}

for (const name of ['Jaeger over gRPC', 'Jaeger over HTTP', 'Zipkin in protobuf'] as const) {
  const entry = entries[name]
  receiverContract({
    name: `${name}, kept in Jaeger's own form`,
    env: {
      GUIDEPOST_RECEIVERS_JAEGER_ENCODING: 'jaeger_proto',
      GUIDEPOST_RECEIVERS_ZIPKIN_ENCODING: 'jaeger_proto',
    },
    read: readJaeger,
    send: async (fixture, items) => toldBy(await entry.send(fixture.portOf(entry.listener), items)),
  })
}
