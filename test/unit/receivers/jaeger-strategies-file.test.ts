import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../../src/limits.ts'
import {
  readStrategies,
  type StrategiesRead,
  type Strategy,
} from '../../../src/receivers/jaeger-strategies-file.ts'

const read = (value: unknown): StrategiesRead => readStrategies(JSON.stringify(value))

/** What a service that may not be listed is told, with its operations as a table. */
function told(result: StrategiesRead, service: string): object {
  assert.deepEqual(result.problems, [])
  const { fallback, services } = result.strategies!
  const { type, param, operations }: Strategy = services.get(service) ?? fallback
  return operations === undefined
    ? { type, param }
    : { type, param, rate: operations.rate, rates: Object.fromEntries(operations.rates) }
}

const probabilistic = (param: number) => ({ type: 'probabilistic', param })
const ratelimiting = (param: number) => ({ type: 'ratelimiting', param })
const operation = (name: string, param: number) => ({ operation: name, ...probabilistic(param) })

test('each service has a strategy of its own, and the others the default', () => {
  const result = read({
    default_strategy: probabilistic(0.25),
    service_strategies: [
      { service: 'shop', ...probabilistic(0.75) },
      { service: 'cart', ...ratelimiting(7) },
      { service: '__proto__', ...probabilistic(1) },
    ],
  })
  assert.deepEqual(result.warnings, [])
  assert.deepEqual(told(result, 'shop'), probabilistic(0.75))
  assert.deepEqual(told(result, 'cart'), ratelimiting(7))
  assert.deepEqual(told(result, '__proto__'), probabilistic(1))
  assert.deepEqual(told(result, 'constructor'), probabilistic(0.25))
})

test('without a default one trace in a thousand is kept', () => {
  for (const empty of [{}, null, { default_strategy: null, service_strategies: null }]) {
    assert.deepEqual(told(read(empty), 'shop'), probabilistic(0.001))
  }
})

test('services keep the operations of the default that they say nothing of', () => {
  const result = read({
    default_strategy: {
      ...probabilistic(0.5),
      operation_strategies: [operation('/health', 0), operation('/pay', 1)],
    },
    service_strategies: [
      {
        service: 'own',
        ...probabilistic(0.8),
        operation_strategies: [operation('/pay', 0.5), operation('/new', 0.1)],
      },
      { service: 'none', ...probabilistic(0.9) },
      { service: 'limited', ...ratelimiting(3) },
      { service: 'limited-own', ...ratelimiting(4), operation_strategies: [operation('/new', 0.2)] },
    ],
  })
  assert.deepEqual(result.warnings, [])
  assert.deepEqual(told(result, 'own'), {
    ...probabilistic(0.8),
    rate: 0.8,
    rates: { '/pay': 0.5, '/new': 0.1, '/health': 0 },
  })
  assert.deepEqual(told(result, 'none'), {
    ...probabilistic(0.9),
    rate: 0.9,
    rates: { '/health': 0, '/pay': 1 },
  })
  // A limit is no rate: what is in no list goes by the default's rate, or by Jaeger's when the service has a list.
  assert.deepEqual(told(result, 'limited'), {
    ...ratelimiting(3),
    rate: 0.5,
    rates: { '/health': 0, '/pay': 1 },
  })
  assert.deepEqual(told(result, 'limited-own'), {
    ...ratelimiting(4),
    rate: 0.001,
    rates: { '/new': 0.2, '/health': 0, '/pay': 1 },
  })
  assert.deepEqual(told(result, 'other'), {
    ...probabilistic(0.5),
    rate: 0.5,
    rates: { '/health': 0, '/pay': 1 },
  })
})

test('an operation with a rate limit is left out, and the default holds for it', () => {
  const result = read({
    default_strategy: { ...probabilistic(0.5), operation_strategies: [operation('/pay', 1)] },
    service_strategies: [
      {
        service: 'shop',
        ...probabilistic(0.8),
        operation_strategies: [{ operation: '/pay', ...ratelimiting(10) }],
      },
    ],
  })
  assert.deepEqual(told(result, 'shop'), { ...probabilistic(0.8), rate: 0.8, rates: { '/pay': 1 } })
  assert.deepEqual(result.warnings, [
    'service_strategies.0.operation_strategies.0 is left out: an operation ("/pay") cannot be ratelimiting',
  ])
})

test('what Jaeger takes is taken as Jaeger does, and the operator is told', () => {
  const result = read({
    Default_Strategy: { Type: 'probabilistic', PARAM: 0.5 },
    service_strategies: [
      { service: 'untyped', operation_strategies: [operation('/pay', 0.25)] },
      { service: 'unknown', type: 'probabilstic', param: 0.9 },
      { service: 'silent', type: 'probabilistic' },
      { service: 'half', ...ratelimiting(3.5) },
      {
        service: 'twice',
        ...probabilistic(0.1),
        operation_strategies: [operation('/a', 0.1), operation('/a', 0.2)],
      },
      { service: 'twice', ...probabilistic(0.3) },
      { name: 'lost', ...probabilistic(1) },
    ],
    max_traces_per_second: 5,
  })
  assert.deepEqual(told(result, 'other'), probabilistic(0.5))
  assert.deepEqual(told(result, 'untyped'), { ...probabilistic(0.001), rate: 0.001, rates: { '/pay': 0.25 } })
  assert.deepEqual(told(result, 'unknown'), probabilistic(0.001))
  assert.deepEqual(told(result, 'silent'), probabilistic(0))
  assert.deepEqual(told(result, 'half'), ratelimiting(3))
  assert.deepEqual(told(result, 'twice'), probabilistic(0.3))
  assert.deepEqual(told(result, ''), probabilistic(0.5))
  assert.deepEqual(result.warnings, [
    'max_traces_per_second is not known, and has no effect',
    'service_strategies.0 has no type, and counts as probabilistic with 0.001',
    'service_strategies.1.type is "probabilstic", and counts as probabilistic with 0.001; did you mean probabilistic?',
    'service_strategies.2 has no param, which counts as 0: nothing is sampled',
    'service_strategies.3.param is 3.5, and clients can be told whole traces per second only: 3',
    'service_strategies.4.operation_strategies.1 is for "/a" again, and the last one holds',
    'service_strategies.5 is for "twice" again, and the last one holds',
    'service_strategies.6 names no service, and has no effect',
    'service_strategies.6.name is not known, and has no effect',
  ])
})

test('what has no meaning is a problem with its place, and all are found at once', () => {
  const { strategies, problems } = read({
    default_strategy: {
      ...probabilistic(1.5),
      operation_strategies: [operation('/a', -1), 7, { operation: 8, ...probabilistic(1) }],
    },
    service_strategies: [
      { service: 'a', ...ratelimiting(-1) },
      { service: 'b', ...ratelimiting(2 ** 31) },
      { service: 'c', type: 'probabilistic', param: '0.5' },
      { service: ['d'], ...probabilistic(1) },
      null,
      { service: 'e', type: 5, param: 1 },
      { service: 'f', ...probabilistic(1), operation_strategies: {} },
    ],
  })
  assert.equal(strategies, undefined)
  assert.deepEqual(problems, [
    'default_strategy.param must be from 0 to 1 for probabilistic, not 1.5',
    'default_strategy.operation_strategies.0.param must be from 0 to 1 for probabilistic, not -1',
    'default_strategy.operation_strategies.1 must be an object, not 7',
    'default_strategy.operation_strategies.2.operation must be a text, not 8',
    'service_strategies.0.param must be from 0 to 2147483647 for ratelimiting, not -1',
    'service_strategies.1.param must be from 0 to 2147483647 for ratelimiting, not 2147483648',
    'service_strategies.2.param must be a number, not "0.5"',
    'service_strategies.3.service must be a text, not a list',
    'service_strategies.4 must be an object, not null',
    'service_strategies.5.type must be a text, not 5',
    'service_strategies.6.operation_strategies must be a list, not a block',
  ])
})

test('a text that is no JSON is refused with its line', () => {
  const lines = [
    '{',
    '  "default_strategy": { "type": "probabilistic", "param": 5e-1 },',
    '  "service_strategies": []',
    '}',
  ]
  assert.deepEqual(readStrategies(`\uFEFF${lines.join('\r\n')}\n\t`).problems, [])
  const broken: readonly (readonly [line: number, text: string])[] = [
    [1, ''],
    [1, 'nonsense'],
    [3, '{\n  "default_strategy":\n  nope\n}'],
    [2, '{\n  "default_strategy": "a\n"}'],
    [3, '{"service_strategies": [\n  {},\n]}'],
    [3, '{"default_strategy": {\n  "param": 1,\n}}'],
    [2, '{\n  // why\n  "default_strategy": {}\n}'],
    [2, '{\n  "default_strategy": {"param": 01}\n}'],
    [2, "{\n  'default_strategy': {}\n}"],
    [2, '{\n  "default_strategy": {]\n}'],
    [3, '{\n  "default_strategy": {}\n  "service_strategies": []\n}'],
    [2, '{}\n{}'],
    [4, '{\n  "default_strategy": {}\n\n'],
    [1, '['.repeat(1e5)],
    [1, `"${'a'.repeat(1e6)}`],
  ]
  for (const [line, text] of broken) {
    const { strategies, problems } = readStrategies(text)
    assert.equal(strategies, undefined, text)
    assert.match(
      problems.join(),
      new RegExp(`^is no JSON in line ${line}: (expected|too deeply) `),
      text.slice(0, 100),
    )
  }
  for (const text of ['"text"', '[]', '7']) {
    assert.match(readStrategies(text).problems.join(), /^must be an object, not /)
  }
})

test('services, operations, and what is told of them are bounded', () => {
  const { strategiesServicesMax, strategiesOperationsMax, strategiesProblemsNamed } = limits
  const many = Array.from({ length: strategiesServicesMax + 1 }, (_, i) => ({
    service: `s${i}`,
    ...probabilistic(1),
  }))
  assert.deepEqual(read({ service_strategies: many }).problems, [
    'service_strategies has 10001 services; at most 10000',
  ])
  assert.equal(read({ service_strategies: many.slice(1) }).strategies?.services.size, strategiesServicesMax)
  const operations = Array.from({ length: strategiesOperationsMax + 1 }, (_, i) => operation(`o${i}`, 1))
  assert.deepEqual(
    read({ default_strategy: { ...probabilistic(1), operation_strategies: operations } }).problems,
    ['default_strategy.operation_strategies has 2001 operations; at most 2000'],
  )
  const bad = Array.from({ length: 500 }, (_, i) => ({ service: `s${i}`, ...probabilistic(5), wrong: 1 }))
  const { problems, warnings } = read({ service_strategies: bad })
  for (const texts of [problems, warnings]) {
    assert.equal(texts.length, strategiesProblemsNamed + 1)
    assert.equal(texts.at(-1), `and ${500 - strategiesProblemsNamed} more`)
  }
})
