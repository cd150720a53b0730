/**
 * The translation of Jaeger's batches alone: 1,000 spans of ten tags and a parent, as an HTTP server's client library sends
 * them, in each of the three forms. Against a plain copy of the same bytes.
 */
import { limits } from '../../src/limits.ts'
import { Kernel, type Translation } from '../../src/wire/kernel.ts'
import { jaegerTranslation } from '../../src/wire/translations/jaeger.ts'
import { encodeProto, encodeThrift } from '../../test/support/jaeger-encode.ts'
import { Random } from '../../test/support/random.ts'
import type { JaegerBatch, JaegerSpan, JaegerTag } from '../../test/support/random-jaeger.ts'
import type { Case } from '../support/case.ts'
import { cpuUsPerCall } from '../support/measure.ts'

/** A case of microseconds needs less time than one of a whole program. */
const secondsShare = 1 / 5
const spansInBatch = 1_000
const spansInTrace = 5
const startUs = 1_760_000_000_000_000n

const text = (key: string, value: string): JaegerTag => ({ key, type: 'string', value })

function idOf(random: Random, bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => random.below(256)))
}

function spanOf(random: Random, traceId: Buffer, number: number, logs: number): JaegerSpan {
  const parentSpanId = idOf(random, 8)
  const startTimeUs = startUs + BigInt(number * 137)
  return {
    traceId,
    spanId: idOf(random, 8),
    parentSpanId,
    operationName: random.pick(['GET /cart', 'POST /checkout', 'HTTP GET', 'SELECT orders']),
    references: [{ type: 'child_of', traceId, spanId: parentSpanId }],
    flags: 1,
    startTimeUs,
    durationUs: BigInt(random.below(100_000)),
    tags: [
      text('span.kind', random.pick(['server', 'client'])),
      text('component', 'net/http'),
      text('http.method', random.pick(['GET', 'POST'])),
      text('http.url', `https://shop.example/checkout/cart/${random.below(100_000)}?currency=EUR`),
      { key: 'http.status_code', type: 'int64', value: random.pick([200n, 201n, 404n, 500n]) },
      text('peer.address', `10.0.${random.below(256)}.${random.below(256)}:8080`),
      text('http.user_agent', 'Mozilla/5.0 (X11; Linux x86_64)'),
      { key: 'sampler.param', type: 'bool', value: true },
      text('sampler.type', 'const'),
      { key: 'queue.seconds', type: 'double', value: random.below(1_000) / 1e3 },
    ],
    logs: Array.from({ length: logs }, () => ({
      timeUs: startTimeUs + 5n,
      fields: [text('event', 'cache miss'), text('key', `cart:${random.below(100_000)}`)],
    })),
  }
}

function batchOf(logs: number): JaegerBatch {
  const random = new Random(1)
  let traceId = idOf(random, 16)
  const spans = Array.from({ length: spansInBatch }, (_, number) => {
    if (number % spansInTrace === 0) traceId = idOf(random, 16)
    return spanOf(random, traceId, number, logs)
  })
  const tags = [
    text('hostname', 'checkout-5f6d8'),
    text('jaeger.version', 'Go-2.30.0'),
    text('ip', '10.0.0.7'),
  ]
  return { process: { serviceName: 'checkout', tags }, spans }
}

function put(kernel: Kernel, payload: Buffer): void {
  kernel.begin()
  kernel.putPlain([payload], payload.length)
}

/** Bytes of the result. */
function translated(kernel: Kernel, payload: Buffer, translation: Translation): number {
  put(kernel, payload)
  const bytes = kernel.translate(translation)
  if (bytes <= 0 || bytes > limits.expandedBytesMax) throw new Error(`refused: ${bytes}`)
  return bytes
}

function translationCase(name: string, payload: Buffer, translation: Translation): Case {
  return {
    name: `kernel/jaeger/${name}`,
    held: () => {
      const kernel = new Kernel()
      return { bytes: payload.length, work: () => translated(kernel, payload, translation) }
    },
    run: async ({ seconds, profileDirectory }) => {
      const kernel = new Kernel()
      const copy = Buffer.alloc(payload.length)
      const load = (): void => put(kernel, payload)
      let bytes = 0
      const translate = (): void => {
        bytes = translated(kernel, payload, translation)
      }
      const works = profileDirectory === undefined ? [translate, load, () => payload.copy(copy)] : [translate]
      const [wholeUs = 0, loadUs = 0, copyUs = 0] = cpuUsPerCall(works, seconds * secondsShare)
      // The payload has to be there for each call; putting it there is no part of the translation.
      const us = wholeUs - loadUs
      return [
        { name: 'speed', unit: 'GB/s', value: payload.length / us / 1e3 },
        { name: 'per span', unit: 'ns', value: (us * 1e3) / spansInBatch },
        { name: 'bytes per span', unit: '', value: payload.length / spansInBatch },
        { name: 'bytes per span translated', unit: '', value: bytes / spansInBatch },
        { name: 'times memcpy', unit: '', value: us / copyUs },
      ]
    },
  }
}

const plain = batchOf(0)
const logged = batchOf(2)

export const jaegerKernelCases: readonly Case[] = [
  translationCase('proto', encodeProto(plain), jaegerTranslation('proto', 'otlp')),
  translationCase('proto-2-logs', encodeProto(logged), jaegerTranslation('proto', 'otlp')),
  ...(['binary', 'compact'] as const).flatMap((protocol) => {
    const toOtlp = jaegerTranslation(`thrift_${protocol}`, 'otlp')
    const toJaeger = jaegerTranslation(`thrift_${protocol}`, 'jaeger')
    return [
      translationCase(`thrift-${protocol}`, encodeThrift(protocol, plain), toOtlp),
      translationCase(`thrift-${protocol}-2-logs`, encodeThrift(protocol, logged), toOtlp),
      translationCase(`thrift-${protocol}-to-proto`, encodeThrift(protocol, plain), toJaeger),
    ]
  }),
]
