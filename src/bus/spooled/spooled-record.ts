/**
 * A bus record as a spool keeps it. A segment has no place for the topic and for the sender's lane: they go into further
 * headers under names of their own, and are taken out again before the record goes on.
 */
import type { ParsedRecord, SegmentRecord } from '../../segment/format.ts'
import type { BusRecord, Encoding, Topic } from '../bus.ts'

const topicHeader = 'guidepost-spool-topic'
const senderHeader = 'guidepost-spool-sender'

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

/** The value is borrowed. */
export function toSegmentRecord(record: BusRecord): SegmentRecord {
  const { guid, encoding, items, batchId, receivedAtMs, value, topic, sender } = record
  const headers = { ...record.headers, [topicHeader]: topic, [senderHeader]: String(sender) }
  return { guid, encoding, items, batchId, receivedAtMs, value, headers }
}

/** With a copy of the value. Undefined when it was not written by a spool, or by a later version with other topics. */
export function toBusRecord(parsed: ParsedRecord): BusRecord | undefined {
  const { guid, encoding, items, batchId, receivedAtMs } = parsed
  const { [topicHeader]: topic = '', [senderHeader]: sender = '', ...headers } = parsed.headers ?? {}
  if (!isTopic(topic) || !isEncoding(encoding) || !/^\d{1,15}$/.test(sender)) return undefined
  const value = Buffer.from(parsed.value)
  const record = { topic, guid, encoding, items, batchId, receivedAtMs, sender: Number(sender), value }
  return Object.keys(headers).length === 0 ? record : { ...record, headers }
}

function isTopic(text: string): text is Topic {
  return Object.hasOwn(topics, text)
}

function isEncoding(text: string): text is Encoding {
  return Object.hasOwn(encodings, text)
}
