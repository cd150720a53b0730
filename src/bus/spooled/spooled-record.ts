/**
 * A bus record as a spool keeps it. A segment has no place for the topic, for the sender's lane and for whose books it is
 * in: they go into further headers under names of their own, and are taken out again before the record goes on.
 */
import type { ParsedRecord, SegmentRecord } from '../../segment/format.ts'
import type { BusRecord, Encoding, Topic } from '../bus.ts'

const topicHeader = 'guidepost-spool-topic'
const senderHeader = 'guidepost-spool-sender'
const receiverHeader = 'guidepost-spool-receiver'

const topics: Readonly<Record<Topic, true>> = {
  otlp_spans: true,
  otlp_metrics: true,
  otlp_logs: true,
  prometheus_metrics: true,
  'jaeger-spans': true,
  dead_letters: true,
}

const encodings: Readonly<Record<Encoding, true>> = {
  otlp_proto: true,
  prometheus_remote_write_1: true,
  prometheus_remote_write_2: true,
  jaeger_proto: true,
}

/** What order is kept for. */
export function keyOf({ topic, guid, sender }: BusRecord): string {
  return `${topic}\0${guid}\0${sender}`
}

/** In whose books its items are; `partsOf` takes it apart. */
export function accountOf({ topic, guid, receiver = '' }: BusRecord): string {
  return `${topic}\0${guid}\0${receiver}`
}

export function partsOf(account: string): Pick<BusRecord, 'topic' | 'guid' | 'receiver'> {
  const [topic = '', guid = '', receiver = ''] = account.split('\0')
  return { topic: isTopic(topic) ? topic : 'dead_letters', guid, ...(receiver !== '' && { receiver }) }
}

/** The value is borrowed. */
export function toSegmentRecord(record: BusRecord): SegmentRecord {
  const { guid, encoding, items, batchId, receivedAtMs, value, topic, sender, receiver } = record
  const headers = {
    ...record.headers,
    [topicHeader]: topic,
    [senderHeader]: String(sender),
    ...(receiver !== undefined && { [receiverHeader]: receiver }),
  }
  return { guid, encoding, items, batchId, receivedAtMs, value, headers }
}

/** For whom a spooled record is and who took it in; undefined when no spool that this version knows wrote it. */
export function placeOfSpooled(parsed: ParsedRecord): { topic: Topic; receiver: string } | undefined {
  const { [topicHeader]: topic = '', [receiverHeader]: receiver = '' } = parsed.headers ?? {}
  return isTopic(topic) ? { topic, receiver } : undefined
}

/**
 * With a copy of the value. Undefined when it was not written by a spool, or by a later version with other topics.
 * `isOwn`: it was spooled by this run; what an earlier one left has no receiver, since the books of its receiver ended
 * with that run.
 */
export function toBusRecord(parsed: ParsedRecord, isOwn: boolean): BusRecord | undefined {
  const { guid, encoding, items, batchId, receivedAtMs } = parsed
  const {
    [topicHeader]: topic = '',
    [senderHeader]: sender = '',
    [receiverHeader]: receiver,
    ...headers
  } = parsed.headers ?? {}
  if (!isTopic(topic) || !isEncoding(encoding) || !/^\d{1,15}$/.test(sender)) return undefined
  const value = Buffer.from(parsed.value)
  return {
    ...{ topic, guid, encoding, items, batchId, receivedAtMs, sender: Number(sender), value },
    ...(isOwn && receiver !== undefined && { receiver }),
    ...(Object.keys(headers).length > 0 && { headers }),
  }
}

function isTopic(text: string): text is Topic {
  return Object.hasOwn(topics, text)
}

function isEncoding(text: string): text is Encoding {
  return Object.hasOwn(encodings, text)
}
