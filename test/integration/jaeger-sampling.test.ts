/** Sampling strategies as clients ask for them: over HTTP, over gRPC, and by the sampler of Jaeger's own client. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { createRequire, registerHooks } from 'node:module'
import { connect } from 'node:net'
import path from 'node:path'
import test, { after } from 'node:test'
import { status } from '@grpc/grpc-js'
import type { GuidepostError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import {
  collectorSamplingRoutes,
  type SamplingBooks,
  samplingRoutes,
  samplingService,
} from '../../src/receivers/jaeger-sampling.ts'
import { Strategies } from '../../src/receivers/jaeger-strategies.ts'
import { Budget } from '../../src/route/budget.ts'
import { Shares } from '../../src/route/shares.ts'
import { HttpListener, type HttpRoute } from '../../src/transport/http.ts'
import { GrpcClient, listen } from '../support/grpc-fixture.ts'
import { protoRoot } from '../support/proto.ts'
import { temporaryDirectory } from '../support/running.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 10_000
const POLL_MS = 20

const file = path.join(await temporaryDirectory({ after }), 'strategies.json')
await write({
  default_strategy: { type: 'probabilistic', param: 0.5 },
  service_strategies: [
    { service: 'all', type: 'probabilistic', param: 1 },
    { service: 'limited', type: 'ratelimiting', param: 2 },
    {
      service: 'per operation',
      type: 'probabilistic',
      param: 0,
      operation_strategies: [{ operation: 'pay', type: 'probabilistic', param: 1 }],
    },
    { service: 'größe&=+', type: 'probabilistic', param: 0.75 },
  ],
})
const strategies = new Strategies({ file, told: () => undefined, pollMs: POLL_MS })
await strategies.start()
after(() => strategies.stop())

const answered: number[] = []
const refused: string[] = []
const books: SamplingBooks = {
  answered: (code) => answered.push(code),
  refuse: (error: GuidepostError) => {
    refused.push(error.code)
    return error
  },
}
const agentPort = await serve(samplingRoutes(strategies, books))
const collectorPort = await serve(collectorSamplingRoutes(strategies, books))
const grpc = await listen(undefined, { ...samplingService(strategies, books) })
after(() => grpc.stop())

async function write(value: object): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(value))
  await rename(`${file}.new`, file)
}

async function serve(routes: readonly HttpRoute[]): Promise<number> {
  const listener = new HttpListener({
    ...{ block: 'listeners.jaegerSampling', host: '127.0.0.1', port: 0, guid: undefined },
    ...{ connections: 100, requestMs: 5_000, routes, shares: new Shares(new Budget(2 ** 20)) },
    refused: (reason) => refused.push(reason),
    failed: (error) => assert.fail(String(error)),
  })
  after(async () => {
    listener.destroy()
    await listener.drain()
  })
  return listener.listen()
}

async function get(
  port: number,
  target: string,
  init: RequestInit = {},
): Promise<[status: number, type: string | null, body: string]> {
  const answer = await fetch(`http://127.0.0.1:${port}${target}`, init)
  return [answer.status, answer.headers.get('content-type'), await answer.text()]
}

const json = (body: string) => [200, 'application/json', body]
const all = '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":1}}'
const limited = '{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":2}}'

test('the agent and the collector answer for a service, and with the default for others', async () => {
  assert.deepEqual(await get(agentPort, '/sampling?service=all'), json(all))
  assert.deepEqual(await get(agentPort, '/sampling/?x=1&service=limited'), json(limited))
  assert.deepEqual(await get(collectorPort, '/api/sampling?service=limited'), json(limited))
  const other = '{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.5}}'
  for (const service of ['nobody', '', 'all/', 'ALL', '__proto__', '%00', 'a'.repeat(10_000)]) {
    assert.deepEqual(await get(agentPort, `/sampling?service=${service}`), json(other))
  }
  const [, , named] = await get(agentPort, '/sampling?service=gr%C3%B6%C3%9Fe%26%3D%2B')
  assert.equal(JSON.parse(named).probabilisticSampling.samplingRate, 0.75)
  for (const spaced of ['per+operation', 'per%20operation']) {
    const [, , body] = await get(agentPort, `/sampling?service=${spaced}`)
    assert.deepEqual(JSON.parse(body), {
      strategyType: 'PROBABILISTIC',
      probabilisticSampling: { samplingRate: 0 },
      operationSampling: {
        defaultSamplingProbability: 0,
        defaultLowerBoundTracesPerSecond: 0,
        perOperationStrategies: [{ operation: 'pay', probabilisticSampling: { samplingRate: 1 } }],
        defaultUpperBoundTracesPerSecond: 0,
      },
    })
  }
})

test('the oldest clients, which ask at the root, are told numbers', async () => {
  assert.deepEqual(await get(agentPort, '/?service=all'), json(all.replace('"PROBABILISTIC"', '0')))
  assert.deepEqual(await get(agentPort, '/?service=limited'), json(limited.replace('"RATE_LIMITING"', '1')))
})

test('there are no baggage restrictions', async () => {
  assert.deepEqual(await get(agentPort, '/baggageRestrictions?service=all'), json('[]'))
  assert.deepEqual(await get(collectorPort, '/api/baggageRestrictions?service=all'), json('[]'))
})

test('a question without its service, or with two, is the mistake of who asks', async () => {
  answered.length = 0
  refused.length = 0
  for (const target of [
    '/sampling',
    '/sampling?',
    '/?Service=all',
    '/sampling?service=a&service=a',
    '/sampling?service=a&service=',
  ]) {
    const [code, type, body] = await get(agentPort, target)
    assert.deepEqual([target, code, type], [target, 400, 'text/plain; charset=utf-8'])
    assert.match(body, /^GP_QUERY: .*\?service=NAME/)
  }
  assert.deepEqual(answered, Array(5).fill(400))
  assert.deepEqual(refused, Array(5).fill('GP_QUERY'))
})

test('other methods and paths are refused, and the connection goes on', async () => {
  const [code] = await get(agentPort, '/sampling?service=all', { method: 'POST', body: 'x' })
  assert.equal(code, 405)
  assert.equal((await get(agentPort, '/nothing?service=all'))[0], 404)
  const socket = connect(agentPort, '127.0.0.1')
  await once(socket, 'connect')
  const seen: string[] = []
  socket.on('data', (chunk) => seen.push(chunk.toString()))
  // A target in absolute form (RFC 9112, 3.2.2), and an escape that is none.
  socket.write('GET http://gateway/sampling?service=limited HTTP/1.1\r\nhost: gateway\r\n\r\n')
  socket.write('GET /sampling?service=%zz HTTP/1.1\r\nhost: gateway\r\n\r\n')
  await until('both are answered', WAIT_MS, () => seen.join('').split('HTTP/1.1 200 OK').length === 3)
  socket.destroy()
  assert.ok(seen.join('').includes(limited))
})

const root = protoRoot(['jaeger/api_v2/sampling.proto'])
const question = root.lookupType('jaeger.api_v2.SamplingStrategyParameters')
const response = root.lookupType('jaeger.api_v2.SamplingStrategyResponse')
const method = '/jaeger.api_v2.SamplingManager/GetSamplingStrategy'

test('a question that comes when its reader cannot be loaded is not the fault of who asks; the next one is answered', async (t) => {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const isIts = specifier === 'protobufjs' && context.parentURL?.endsWith('/jaeger-sampling.ts')
      if (isIts) throw new Error('EMFILE: too many open files')
      return next(specifier, context)
    },
  })
  const client = new GrpcClient(grpc.port)
  t.after(() => client.close())
  assert.equal((await client.call(Buffer.of(0x0a, 1, 0x61), { path: method })).code, status.UNAVAILABLE)
  hooks.deregister()
  assert.equal((await client.call(Buffer.of(0x0a, 1, 0x61), { path: method })).code, status.OK)
  assert.equal(grpc.budget.bytes, 0)
})

test('gRPC answers what HTTP does', async (t) => {
  const client = new GrpcClient(grpc.port)
  t.after(() => client.close())
  for (const serviceName of ['all', 'limited', 'per operation', 'größe&=+', 'nobody', '']) {
    const reply = await client.call(Buffer.from(question.encode({ serviceName }).finish()), { path: method })
    assert.equal(reply.code, status.OK, reply.details)
    const told = response.toObject(response.decode(reply.message!), { enums: String, defaults: true })
    const [, , body] = await get(agentPort, `/sampling?service=${encodeURIComponent(serviceName)}`)
    const withNulls = { probabilisticSampling: null, rateLimitingSampling: null, operationSampling: null }
    assert.deepEqual(told, { ...withNulls, ...JSON.parse(body) })
  }
})

test('gRPC refuses what is no question, and takes fields that it does not know', async (t) => {
  const client = new GrpcClient(grpc.port)
  t.after(() => client.close())
  const ask = async (message: Buffer) => (await client.call(message, { path: method })).code
  answered.length = 0
  const bad = ['0a', '0aff', '0a05616c6c', '08', '0b', '07', '00', '0affffffff0f', 'ffffffffffffffffffff01']
  for (const hex of bad) assert.equal(await ask(Buffer.from(hex, 'hex')), status.INVALID_ARGUMENT, hex)
  assert.equal(await ask(Buffer.alloc(12_000, 0x0b)), status.INVALID_ARGUMENT)
  assert.equal(await ask(Buffer.alloc(limits.samplingRequestBytesMax + 1)), status.RESOURCE_EXHAUSTED)
  assert.deepEqual(answered, [
    ...Array(bad.length + 1).fill(status.INVALID_ARGUMENT),
    status.RESOURCE_EXHAUSTED,
  ])
  assert.equal(grpc.budget.bytes, 0)
  // The service twice, of which the last counts, and between them a field of each type.
  const message = Buffer.from('0a017810011a0161250000000031000000000000000043440a03616c6c', 'hex')
  const reply = await client.call(message, { path: method })
  assert.deepEqual(reply.message, strategies.strategyOf('all').protobuf)
})

interface Span {
  context(): { isSampled(): boolean }
  finish(): void
}
interface Tracer {
  startSpan(operation: string): Span
  close(done: () => void): void
}
interface JaegerClient {
  initTracer(config: object, options: object): Tracer
}
const { initTracer }: JaegerClient = createRequire(import.meta.url)('jaeger-client')

/** An application that asks every few milliseconds, and before its first answer samples nothing, or all. */
function application(
  serviceName: string,
  before: 0 | 1,
): { sampled(operation: string): number; close(): Promise<void> } {
  const tracer = initTracer(
    {
      serviceName,
      sampler: { type: 'remote', param: before, host: '127.0.0.1', port: agentPort, refreshIntervalMs: 20 },
    },
    { reporter: { report() {}, setProcess() {}, close: (done?: () => void) => done?.() } },
  )
  return {
    /** Of a hundred traces. */
    sampled(operation) {
      let count = 0
      for (let i = 0; i < 100; i++) {
        const span = tracer.startSpan(operation)
        if (span.context().isSampled()) count++
        span.finish()
      }
      return count
    },
    close: () => new Promise((resolve) => tracer.close(resolve)),
  }
}

test("Jaeger's client samples as it is told, and goes along when the file changes", async (t) => {
  const everything = application('all', 0)
  const perOperation = application('per operation', 1)
  const some = application('limited', 1)
  t.after(() => Promise.all([everything, perOperation, some].map((each) => each.close())))
  await until('a rate of 1 is taken', WAIT_MS, () => everything.sampled('pay') === 100)
  await until('rates by operation are taken', WAIT_MS, () => perOperation.sampled('look') === 0)
  assert.equal(perOperation.sampled('pay'), 100)
  await until('a limit is taken', WAIT_MS, () => some.sampled('pay') < 10)
  await write({
    default_strategy: { type: 'probabilistic', param: 1 },
    service_strategies: [
      { service: 'all', type: 'probabilistic', param: 0 },
      {
        service: 'per operation',
        type: 'ratelimiting',
        param: 1,
        operation_strategies: [
          { operation: 'pay', type: 'probabilistic', param: 0 },
          { operation: 'look', type: 'probabilistic', param: 1 },
        ],
      },
    ],
  })
  await until('the new rate is taken', WAIT_MS, () => everything.sampled('pay') === 0)
  await until('the new rates are taken', WAIT_MS, () => perOperation.sampled('look') === 100)
  assert.equal(perOperation.sampled('pay'), 0)
  await until('the default is taken', WAIT_MS, () => some.sampled('pay') === 100)
})
