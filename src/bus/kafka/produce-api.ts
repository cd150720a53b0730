/**
 * Kafka's Produce request around one batch of one partition, for `Connection` of @platformatic/kafka:
 * https://kafka.apache.org/protocol#The_Messages_Produce. Versions 3 to 8 and 9 to 11 are written alike:
 *
 *   3–8   transactional_id NULLABLE_STRING, acks INT16, timeout_ms INT32, topic count INT32, topic STRING,
 *         partition count INT32, index INT32, batch bytes INT32, batch
 *   9–11  transactional_id COMPACT_NULLABLE_STRING, acks INT16, timeout_ms INT32, topic count + 1 UVARINT, topic
 *         COMPACT_STRING, partition count + 1 UVARINT, index INT32, batch bytes + 1 UVARINT, batch,
 *         three empty sets of tagged fields: of the partition, the topic and the request
 *
 * From version 12 on a producer may take part in transactions implicitly, from 13 on topics go by their ids: nothing
 * that is needed here. Answers are read by the library.
 */
import {
  type API,
  createAPI,
  produceV3,
  produceV4,
  produceV5,
  produceV6,
  produceV7,
  produceV8,
  produceV9,
  produceV10,
  produceV11,
  UnsupportedApiError,
  Writer,
} from '@platformatic/kafka'
import { batchHeadBytes } from './record-batch.ts'

const produceKey = 0
const compactFrom = 9
const acksAll = -1
const emptyTaggedFields = Buffer.alloc(3)

type ProduceResponse = ReturnType<(typeof produceV11)['parseResponse']>

export type ProduceApi = API<[request: ProduceRequest], ProduceResponse>

/** What a broker says of an API in its answer to ApiVersions. */
export interface OfferedApi {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

/** A request in two parts, so that the large one need not be moved behind the small one. */
export interface ProduceRequest {
  /** The fields before the batch, and the batch up to its records. */
  readonly head: Buffer
  /** The records section as it is stored. */
  readonly body: Buffer
}

const parsers = new Map([
  [3, produceV3.parseResponse],
  [4, produceV4.parseResponse],
  [5, produceV5.parseResponse],
  [6, produceV6.parseResponse],
  [7, produceV7.parseResponse],
  [8, produceV8.parseResponse],
  [9, produceV9.parseResponse],
  [10, produceV10.parseResponse],
  [11, produceV11.parseResponse],
])

/** The newest version of Produce that the broker and this file know. Throws the library's `UnsupportedApiError`. */
export function chooseProduceApi(offered: readonly OfferedApi[]): ProduceApi {
  const { minVersion = 0, maxVersion = -1 } = offered.find(({ apiKey }) => apiKey === produceKey) ?? {}
  const common = [...parsers].filter(([version]) => version >= minVersion && version <= maxVersion)
  const best = common.at(-1)
  if (best === undefined) {
    throw new UnsupportedApiError('No version of Produce in common.', { minVersion, maxVersion })
  }
  const [version, parse] = best
  const isCompact = version >= compactFrom
  const write = ({ head, body }: ProduceRequest) => {
    const writer = Writer.create().append(head).append(body)
    return isCompact ? writer.append(emptyTaggedFields) : writer
  }
  return createAPI(produceKey, version, write, parse, isCompact, isCompact)
}

/**
 * The part of a request before the records of its batch; its last `batchHeadBytes` are for `writeBatchHead`. `timeoutMs`
 * is how long the broker may wait for its replicas.
 */
export function makeProduceHead(
  version: number,
  topic: string,
  partition: number,
  timeoutMs: number,
  bodyBytes: number,
): Buffer {
  const name = Buffer.from(topic)
  const batchBytes = batchHeadBytes + bodyBytes
  const head = Buffer.allocUnsafe(name.length + 64 + batchHeadBytes)
  const isCompact = version >= compactFrom
  let at = isCompact ? writeUnsigned(head, 0, 0) : head.writeInt16BE(-1, 0)
  at = head.writeInt16BE(acksAll, at)
  at = head.writeInt32BE(timeoutMs, at)
  at = isCompact ? writeUnsigned(head, at, 2) : head.writeInt32BE(1, at)
  at = isCompact ? writeUnsigned(head, at, name.length + 1) : head.writeInt16BE(name.length, at)
  at += name.copy(head, at)
  at = isCompact ? writeUnsigned(head, at, 2) : head.writeInt32BE(1, at)
  at = head.writeInt32BE(partition, at)
  at = isCompact ? writeUnsigned(head, at, batchBytes + 1) : head.writeInt32BE(batchBytes, at)
  return head.subarray(0, at + batchHeadBytes)
}

function writeUnsigned(target: Buffer, at: number, value: number): number {
  let end = at
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) target[end++] = (rest & 0x7f) | 0x80
  target[end++] = rest
  return end
}
