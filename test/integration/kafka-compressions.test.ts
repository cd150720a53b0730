/**
 * Every compression, on a real broker. It is Java's decoders that judge: a broker inflates each batch that it is given, and
 * refuses what it cannot read. What it stored is then read by an independent decoder.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { compressionsAlgorithms } from '@platformatic/kafka'
import kafkajs from 'kafkajs'
import type { Topic } from '../../src/bus/bus.ts'
import { KiB, MiB } from '../../src/limits.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { kafkaConfig, makeBus, makeRecord } from '../support/kafka-bus.ts'
import { readMessages } from '../support/kafka-read.ts'
import { Random } from '../support/random.ts'
import { requireReal } from '../support/real.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
let broker: KafkaBroker

const { lz4, snappy } = compressionsAlgorithms
for (const [type, codec] of [
  [kafkajs.CompressionTypes.LZ4, lz4],
  [kafkajs.CompressionTypes.Snappy, snappy],
] as const) {
  // kafkajs has none of its own for these.
  kafkajs.CompressionCodecs[type] = () => ({
    compress: (encoder: { readonly buffer: Buffer }) => Promise.resolve(codec.compressSync(encoder.buffer)),
    decompress: (buffer: Buffer) => Promise.resolve(Buffer.from(codec.decompressSync(buffer))),
  })
}

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started({ messageBytesMax: 4 * MiB })
  })
  after(() => broker.remove())
}

/** Texts that repeat themselves between ids that do not. */
function spansLike(random: Random, bytes: number): Buffer {
  const data = Buffer.alloc(bytes, 'http.method=GET http.route=/orders/{id}/items service=checkout ')
  for (let at = 0; at < bytes; at += 40 + random.below(300)) {
    for (let n = 0; n < 24 && at + n < bytes; n++) data[at + n] = random.below(256)
  }
  return data
}

const topics = {
  none: 'otlp_spans',
  gzip: 'otlp_metrics',
  snappy: 'otlp_logs',
  lz4: 'prometheus_metrics',
  zstd: 'jaeger-spans',
} as const satisfies Record<string, Topic>

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`${compression}: a broker takes records of every size, and they are read as they were sent`, {
    skip,
    timeout: 90_000,
  }, async () => {
    const topic = topics[compression]
    const random = new Random(5)
    const sizes = [1, 11, 13, 900, 30 * KiB, 64 * KiB, 100 * KiB, 300 * KiB, 900 * KiB, 3 * MiB]
    const records = sizes.flatMap((bytes) =>
      [Buffer.alloc(bytes, 'guidepost'), spansLike(random, bytes)].map((value) =>
        makeRecord({ topic, value }),
      ),
    )
    const config = kafkaConfig(broker.address, { compression, partitions: 1, recordBytesMax: 3 * MiB })
    const bus = makeBus(config, { topics: [topic] })
    try {
      await bus.start()
      for (const record of records) {
        const [outcome] = await bus.append([record])
        assert.equal(outcome, undefined, `${record.value.length} bytes: ${String(outcome)}`)
      }
    } finally {
      await bus.close(1_000)
    }
    const read = await readMessages(broker.address, topic)
    assert.deepEqual(
      read.map(({ headers, value }) => [headers['batch_id'], value.length]),
      records.map(({ batchId, value }) => [batchId, value.length]),
    )
    assert.ok(read.every(({ value }, index) => value.equals(records[index]!.value)))
  })
}
