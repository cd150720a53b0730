/**
 * Independent readers of a real Kafka: kafkajs and, when it is installed, kcat. They tell what was stored, whatever
 * the gateway's own client says.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import kafkajs from 'kafkajs'
import { prepareKafkajs } from '../../src/bus/kafkajs/kafkajs-repairs.ts'

const run = promisify(execFile)

const readMsMax = 30_000

/** One stored record: its partition and the `batch_id` of its headers. */
export interface Found {
  readonly partition: number
  readonly batchId: string
  readonly key: string
}

/** One stored record with all that a consumer sees of it. */
export interface Message {
  readonly partition: number
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly value: Buffer
}

/** A kafkajs client for tests; it says nothing. */
export function kafkajsClient(address: string): kafkajs.Kafka {
  prepareKafkajs()
  return new kafkajs.Kafka({ clientId: 'test', brokers: [address], logLevel: kafkajs.logLevel.NOTHING })
}

/** Everything in `topic`, in order within each partition. */
export async function readWithKafkajs(address: string, topic: string): Promise<Found[]> {
  const messages = await readMessages(address, topic)
  return messages.map(({ partition, headers, key }) => ({
    partition,
    batchId: headers['batch_id'] ?? '',
    key,
  }))
}

/** The same with headers and values. */
export async function readMessages(address: string, topic: string): Promise<Message[]> {
  const client = kafkajsClient(address)
  const admin = client.admin()
  await admin.connect()
  const left = new Map<number, number>()
  for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
    if (Number(high) > Number(low)) left.set(partition, Number(high) - 1)
  }
  await admin.disconnect()
  const found: Message[] = []
  if (left.size === 0) return found
  const consumer = client.consumer({ groupId: `test-${randomUUID()}`, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const { promise: done, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error(`kafkajs did not reach the end of ${topic}`)), readMsMax)
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) reject(payload.error)
  })
  await consumer.run({
    autoCommit: false,
    eachBatch: ({ batch }) => {
      for (const { headers, key, value } of batch.messages) {
        found.push({
          partition: batch.partition,
          key: key?.toString() ?? '',
          headers: Object.fromEntries(
            Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)]),
          ),
          value: value ?? Buffer.alloc(0),
        })
      }
      if (Number(batch.lastOffset()) >= (left.get(batch.partition) ?? Number.POSITIVE_INFINITY)) {
        left.delete(batch.partition)
      }
      if (left.size === 0) resolve()
      return Promise.resolve()
    },
  })
  try {
    await done
  } finally {
    clearTimeout(timer)
    await consumer.disconnect()
  }
  return found
}

/** False when kcat can be run, else how to have it. */
export async function kcatAvailable(): Promise<string | false> {
  try {
    await run('kcat', ['-V'])
    return false
  } catch {
    return 'kcat is missing; on Debian: apt-get install kcat'
  }
}

/** The same, read by librdkafka. */
export async function readWithKcat(address: string, topic: string): Promise<Found[]> {
  const args = ['-b', address, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%p\\t%k\\t%h\\n']
  const { stdout } = await run('kcat', args, { timeout: readMsMax, maxBuffer: 256 * 1024 * 1024 })
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [partition, key, headers] = line.split('\t')
      const batchId = /(?:^|,)batch_id=([^,]*)/.exec(headers ?? '')?.[1] ?? ''
      return { partition: Number(partition), batchId, key: key ?? '' }
    })
}
