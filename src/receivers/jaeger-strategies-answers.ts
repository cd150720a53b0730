/**
 * A sampling strategy as clients are told it, in three forms: JSON as Jaeger 2 writes it, JSON for the oldest clients,
 * whose `strategyType` is a number, and protobuf. What is not set is left out, zeros are written.
 *
 *   SamplingStrategyResponse 1 strategyType (0 PROBABILISTIC, 1 RATE_LIMITING), 2 probabilisticSampling,
 *     3 rateLimitingSampling, 4 operationSampling
 *   ProbabilisticSamplingStrategy 1 samplingRate double
 *   RateLimitingSamplingStrategy 1 maxTracesPerSecond int32
 *   PerOperationSamplingStrategies 1 defaultSamplingProbability double, 2 defaultLowerBoundTracesPerSecond double,
 *     3 perOperationStrategies, 4 defaultUpperBoundTracesPerSecond double
 *   OperationSamplingStrategy 1 operation, 2 probabilisticSampling
 *
 * Sources: jaegertracing/jaeger-idl, proto/api_v2/sampling.proto; jaegertracing/jaeger v1.62.0,
 * model/converter/json/sampling.go and pkg/clientcfg/clientcfghttp/handler.go (the oldest clients).
 */
import { limits } from '../limits.ts'
import { lengthDelimited, varintField } from '../wire/protobuf.ts'
import {
  defaultStrategies,
  type Operations,
  type Strategy,
  type StrategySet,
} from './jaeger-strategies-file.ts'

/** The bytes belong to the strategy and are shared by all answers: to be read only. */
export interface SamplingStrategy {
  readonly json: Buffer
  /** With `strategyType` as 0 or 1. */
  readonly legacyJson: Buffer
  /** A jaeger.api_v2.SamplingStrategyResponse. */
  readonly protobuf: Buffer
}

/** The answers for every service. */
export interface Answers {
  readonly fallback: SamplingStrategy
  readonly services: ReadonlyMap<string, SamplingStrategy>
}

/** Answers by strategy; undefined when they would take more than `bytesMax`. */
export function answersOf(
  { fallback, services }: StrategySet,
  bytesMax: number = limits.strategiesBytesMax,
): Answers | undefined {
  let bytes = 0
  const add = (strategy: Strategy): SamplingStrategy => {
    const answer = answerOf(strategy)
    bytes += answer.json.length + answer.legacyJson.length + answer.protobuf.length
    return answer
  }
  const other = add(fallback)
  const answers = new Map<string, SamplingStrategy>()
  for (const [service, strategy] of services) {
    if (bytes > bytesMax) return undefined
    answers.set(service, add(strategy))
  }
  return bytes > bytesMax ? undefined : { fallback: other, services: answers }
}

function answerOf(strategy: Strategy): SamplingStrategy {
  const rest = jsonRest(strategy)
  const isLimit = strategy.type === 'ratelimiting'
  const typed = (type: string | number): Buffer => Buffer.from(`{"strategyType":${type},${rest}}`)
  return {
    json: typed(isLimit ? '"RATE_LIMITING"' : '"PROBABILISTIC"'),
    legacyJson: typed(isLimit ? 1 : 0),
    protobuf: protobufOf(strategy),
  }
}

function jsonRest({ type, param, operations }: Strategy): string {
  const own =
    type === 'ratelimiting'
      ? `"rateLimitingSampling":{"maxTracesPerSecond":${param}}`
      : `"probabilisticSampling":{"samplingRate":${param}}`
  return operations === undefined ? own : `${own},"operationSampling":${jsonOperations(operations)}`
}

function jsonOperations({ rate, rates }: Operations): string {
  return JSON.stringify({
    defaultSamplingProbability: rate,
    defaultLowerBoundTracesPerSecond: 0,
    perOperationStrategies: Array.from(rates, ([operation, samplingRate]) => ({
      operation,
      probabilisticSampling: { samplingRate },
    })),
    defaultUpperBoundTracesPerSecond: 0,
  })
}

function protobufOf({ type, param, operations }: Strategy): Buffer {
  const parts =
    type === 'ratelimiting'
      ? [varintField(1, 1), lengthDelimited(3, param === 0 ? nothing : varintField(1, param))]
      : [lengthDelimited(2, doubleField(1, param))]
  if (operations !== undefined) parts.push(lengthDelimited(4, protobufOperations(operations)))
  return Buffer.concat(parts)
}

function protobufOperations({ rate, rates }: Operations): Buffer {
  const parts = Array.from(rates, ([operation, each]) =>
    lengthDelimited(
      3,
      Buffer.concat([lengthDelimited(1, Buffer.from(operation)), lengthDelimited(2, doubleField(1, each))]),
    ),
  )
  return Buffer.concat([doubleField(1, rate), ...parts])
}

const nothing = Buffer.alloc(0)

/** A field of type double; zero, the default, is not written (proto3). */
function doubleField(field: number, value: number): Buffer {
  if (value === 0) return nothing
  const bytes = Buffer.alloc(9)
  bytes.writeUInt8((field << 3) | 1)
  bytes.writeDoubleLE(value, 1)
  return bytes
}

/** What is told without a file. */
export const defaultAnswers: Answers = { fallback: answerOf(defaultStrategies.fallback), services: new Map() }
