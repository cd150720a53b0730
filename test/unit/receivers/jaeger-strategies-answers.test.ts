import assert from 'node:assert/strict'
import test from 'node:test'
import {
  answersOf,
  defaultAnswers,
  type SamplingStrategy,
} from '../../../src/receivers/jaeger-strategies-answers.ts'
import { readStrategies } from '../../../src/receivers/jaeger-strategies-file.ts'
import { protoRoot } from '../../support/proto.ts'

const response = protoRoot(['jaeger/api_v2/sampling.proto']).lookupType(
  'jaeger.api_v2.SamplingStrategyResponse',
)

const { strategies } = readStrategies(
  JSON.stringify({
    service_strategies: [
      { service: 'zero', type: 'probabilistic', param: 0 },
      { service: 'limited', type: 'ratelimiting', param: 300 },
      { service: 'closed', type: 'ratelimiting', param: 0 },
      {
        service: 'operations',
        type: 'ratelimiting',
        param: 5,
        operation_strategies: [
          { operation: 'GET /"ö"', type: 'probabilistic', param: 0.25 },
          { operation: '/health', type: 'probabilistic', param: 0 },
        ],
      },
      {
        service: 'left-out',
        type: 'probabilistic',
        param: 0.5,
        operation_strategies: [{ operation: 'a', type: 'ratelimiting', param: 1 }],
      },
    ],
  }),
)
assert.ok(strategies !== undefined)
const answers = answersOf(strategies)

function of(service: string): SamplingStrategy {
  return answers!.services.get(service) ?? answers!.fallback
}

function decoded({ protobuf }: SamplingStrategy): object {
  const message = response.toObject(response.decode(protobuf), {
    enums: String,
    defaults: true,
    oneofs: false,
  })
  return JSON.parse(JSON.stringify(message, (_key, value: unknown) => (value === null ? undefined : value)))
}

test('a strategy in JSON is written as Jaeger writes it: nothing null, zeros there', () => {
  const texts = {
    other: '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.001}}',
    zero: '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0}}',
    limited: '{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":300}}',
    'left-out':
      '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.5},"operationSampling":{"defaultSamplingProbability":0.5,"defaultLowerBoundTracesPerSecond":0,"perOperationStrategies":[],"defaultUpperBoundTracesPerSecond":0}}',
  }
  for (const [service, text] of Object.entries(texts)) assert.equal(of(service).json.toString(), text)
  assert.equal(defaultAnswers.fallback.json.toString(), texts.other)
})

test('the oldest clients are told the type as a number', () => {
  for (const service of ['zero', 'limited', 'operations', 'other']) {
    const { json, legacyJson } = of(service)
    const { strategyType, ...rest } = JSON.parse(json.toString())
    const { strategyType: number, ...same } = JSON.parse(legacyJson.toString())
    assert.deepEqual([number, same], [strategyType === 'RATE_LIMITING' ? 1 : 0, rest])
  }
})

test('protobuf says the same as JSON', () => {
  for (const service of ['zero', 'limited', 'closed', 'operations', 'left-out', 'other']) {
    assert.deepEqual(decoded(of(service)), JSON.parse(of(service).json.toString()), service)
  }
})

test('answers that take more than is allowed are not made', () => {
  assert.equal(answersOf(strategies, 500), undefined)
  assert.ok(answersOf(strategies, 5_000) !== undefined)
})
