/**
 * One sample per valid and per invalid case lies in test/data/config; beside each invalid one stands what is said
 * about it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import type { Config } from '../../../src/config/config.ts'
import { jsonSchema } from '../../../src/config/json-schema.ts'
import { formatProblem, type LoadOptions, loadConfig } from '../../../src/config/load.ts'
import { limits } from '../../../src/limits.ts'

const data = join(import.meta.dirname, '../../data/config')
const samples = (kind: string) => readdirSync(join(data, kind)).filter((name) => name.endsWith('.yaml'))

function load(options: Partial<LoadOptions> & { kind?: string }): Config {
  const result = loadConfig({ env: {}, cwd: join(data, options.kind ?? 'valid'), ...options })
  if (result.config === undefined) assert.fail(result.problems.map(formatProblem).join('\n'))
  return result.config
}

function problems(options: Partial<LoadOptions> & { kind?: string }): string[] {
  const result = loadConfig({ env: {}, cwd: join(data, options.kind ?? 'valid'), ...options })
  assert.equal(result.config, undefined)
  return result.config === undefined ? result.problems.map(formatProblem) : []
}

for (const name of samples('invalid')) {
  test(`invalid/${name}: all that is wrong is said, with its place`, () => {
    const expected = readFileSync(join(data, 'invalid', name.replace('.yaml', '.txt')), 'utf8')
    assert.ok(expected.length > 0)
    assert.equal(`${problems({ kind: 'invalid', file: name }).join('\n')}\n`, expected)
  })
}

for (const name of samples('valid')) {
  test(`valid/${name}: is taken, and the JSON schema takes it as well`, () => {
    load({ file: name })
    const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(jsonSchema())
    const text = readFileSync(join(data, 'valid', name), 'utf8')
    assert.ok(validate(parse(text) ?? {}), JSON.stringify(validate.errors))
  })
}

test('the JSON schema refuses unknown keys, wrong types and values out of range', () => {
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(jsonSchema())
  for (const name of [
    'unknown-keys',
    'wrong-types',
    'ranges',
    'not-a-block',
    'guid-missing',
    'guid-from-empty',
  ]) {
    assert.equal(validate(parse(readFileSync(join(data, 'invalid', `${name}.yaml`), 'utf8'))), false, name)
  }
})

test('nothing set gives the documented defaults', () => {
  const config = load({})
  assert.deepEqual(config.listeners, { http: { host: '127.0.0.1', port: 10_000, guid: undefined } })
  assert.deepEqual(config.admin, { host: '127.0.0.1', port: 10_001, guid: undefined })
  assert.deepEqual(config.bus, {
    kind: 'log',
    url: 'log:./data',
    directory: join(data, 'valid', 'data'),
    segmentBytes: limits.segmentBytesMax,
    retentionBytes: limits.logRetentionBytes,
    retentionHours: limits.logRetentionHours,
    diskReserveBytes: limits.diskReserveBytes,
    appendMs: limits.appendMsMax,
  })
  const from = config.guid.from.map((source) =>
    'name' in source ? `${source.kind} ${source.name}` : source.kind,
  )
  assert.deepEqual(from, [
    'listener',
    'path',
    'header x-guid',
    'header x-scope-orgid',
    'label guid',
    'attribute guid',
    'label namespace',
    'attribute k8s.namespace.name',
    'label name',
    'attribute host.name',
    'attribute hostname',
  ])
  assert.deepEqual(config.guid.missing, { action: 'stamp', guid: 'unassigned' })
  assert.equal(config.guid.conflict, 'overwrite')
  assert.equal(config.guid.name, 'guid')
  assert.equal(config.guid.allow, undefined)
  assert.deepEqual(config.receivers.remoteWrite, { enabled: true, guid: config.guid })
  assert.equal(config.limits.inflatedBytes, limits.inflatedBytesMax)
  assert.deepEqual(config.logging, { level: 'info', format: 'auto' })
})

test('a Kafka bus is read with its brokers, secrets and certificates', () => {
  const { bus } = load({ file: 'kafka.yaml' })
  assert.ok(bus.kind === 'kafka')
  assert.deepEqual(bus.brokers, ['broker-1:9093', 'broker-2:9092', '[::1]:9094'])
  assert.deepEqual(bus.sasl, { mechanism: 'SCRAM-SHA-256', username: 'guidepost', password: 'hunter2' })
  assert.match(bus.tls?.ca ?? '', /^-----BEGIN CERTIFICATE-----/)
  assert.equal(bus.tls?.verify, true)
  assert.equal(bus.recordBytesMax, 1_000_000)
  assert.equal(bus.url, 'kafka://broker-1:9093,broker-2:9092,[::1]:9094')
  const { bus: bare } = load({ file: 'kafka-tls-true.yaml' })
  assert.ok(bare.kind === 'kafka')
  assert.deepEqual(bare.tls, {
    ca: undefined,
    cert: undefined,
    key: undefined,
    serverName: undefined,
    verify: true,
  })
})

test('sizes take units', () => {
  const { bus } = load({ file: 'log.yaml' })
  assert.ok(bus.kind === 'log')
  assert.equal(bus.segmentBytes, 64 * 1024 * 1024)
  assert.equal(bus.retentionBytes, 1.5 * 1024 ** 3)
  assert.equal(bus.directory, '/var/lib/guidepost')
})

test('listeners are moved and switched off', () => {
  const config = load({ file: 'listeners.yaml' })
  assert.deepEqual(config.listeners.http, { host: '10.0.0.1', port: 8080, guid: 'team-a' })
  assert.equal(config.admin, undefined)
})

test('guid sources keep their order, label|attribute stands for both', () => {
  const { guid } = load({ file: 'guid.yaml' })
  assert.deepEqual(guid.from, [
    { kind: 'listener' },
    { kind: 'path' },
    { kind: 'header', name: 'x-team', match: /^([a-z-]+)\//u },
    { kind: 'label', name: 'guid', match: undefined },
    { kind: 'attribute', name: 'guid', match: undefined },
    { kind: 'label', name: 'namespace', match: undefined },
    { kind: 'attribute', name: 'k8s.namespace.name', match: undefined },
    {
      kind: 'peer',
      table: [
        { cidr: 'fd00::1/128', guid: 'team-b' },
        { cidr: '10.1.0.0/16', guid: 'team-a' },
        { cidr: '10.0.0.0/8', guid: 'rest' },
      ],
    },
    { kind: 'constant', value: 'rest' },
  ])
  const allowed = (text: string) => guid.allow?.some((pattern) => pattern.test(text))
  assert.deepEqual(
    ['team-a', 'team-', 'teamx', 'my-team-a', 't12', 't12x', 'nobody', 'nobody2'].filter(allowed),
    ['team-a', 'team-', 't12', 'nobody'],
  )
})

test('networks of both families are in one order, the nearest first', () => {
  const [source] = load({ file: 'peers.yaml' }).guid.from
  assert.ok(source?.kind === 'peer')
  const guids = source.table.map(({ guid }) => guid)
  assert.deepEqual(guids, ['me', 'ten-one', 'ten', 'mapped', 'others'])
})

test("a receiver's own guid block overrides key by key", () => {
  const { guid, receivers } = load({ file: 'receiver-guid.yaml' })
  assert.deepEqual(guid.from, [{ kind: 'header', name: 'x-guid', match: undefined }])
  assert.deepEqual(receivers.remoteWrite.guid.from, [{ kind: 'label', name: 'namespace', match: undefined }])
  assert.deepEqual(receivers.remoteWrite.guid.missing, { action: 'reject' })
  assert.deepEqual(guid.missing, { action: 'stamp', guid: 'unassigned' })
  assert.equal(receivers.remoteWrite.guid.conflict, 'keep')
})

test("a receiver's merged rules are judged, not the global ones that it overrides", () => {
  const { guid } = load({ file: 'receiver-sources.yaml' }).receivers.remoteWrite
  assert.deepEqual(guid.from, [{ kind: 'listener' }, { kind: 'path' }])
  assert.deepEqual(guid.missing, { action: 'reject' })
})

test('the environment overrides the file, and the command line overrides both', () => {
  const env = {
    GUIDEPOST_CONFIG: 'listeners.yaml',
    GUIDEPOST_HTTP_PORT: '9999',
    GUIDEPOST_ADMIN_PORT: '9998',
    GUIDEPOST_LOG_LEVEL: 'debug',
    GUIDEPOST_BUS: 'kafka://a:1',
    GUIDEPOST_KAFKA_SASL_USERNAME: 'me',
    GUIDEPOST_KAFKA_SASL_PASSWORD: '12345',
    GUIDEPOST_KAFKA_CREATE_TOPICS: 'false',
    GUIDEPOST_HOST: '',
  }
  const config = load({ env })
  assert.deepEqual(config.listeners.http, { host: '10.0.0.1', port: 9999, guid: 'team-a' })
  assert.deepEqual(config.admin, { host: '0.0.0.0', port: 9998, guid: undefined })
  assert.equal(config.logging.level, 'debug')
  assert.ok(config.bus.kind === 'kafka')
  assert.deepEqual(config.bus.brokers, ['a:1'])
  assert.equal(config.bus.createTopics, false)
  assert.equal(config.bus.sasl?.password, '12345')
  assert.equal(load({ env, overrides: { bus: 'log:/x' } }).bus.url, 'log:/x')
})

test('what is wrong outside the file is said with its origin', () => {
  assert.deepEqual(problems({ env: { GUIDEPOST_HTTP_PORT: 'abc' } }), [
    'variable GUIDEPOST_HTTP_PORT: listeners.http.port: must be a whole number (port), not "abc". Such as 10000.',
  ])
  assert.deepEqual(problems({ overrides: { bus: 'kafak://x' } }), [
    'option --bus: bus: is no bus URL: write log:./data or kafka://host:9092,host2:9092. Did you mean kafka:?',
  ])
  const [problem, ...more] = problems({ overrides: { guid: 'no guid' } })
  assert.match(problem ?? '', /^option --guid: is no guid: "no guid"\. /)
  assert.deepEqual(more, [])
})

test('--guid and GUIDEPOST_GUID are the last source, for each receiver as well', () => {
  for (const options of [{ env: { GUIDEPOST_GUID: 'team-z' } }, { overrides: { guid: 'team-z' } }]) {
    const { guid, receivers } = load({ file: 'receiver-guid.yaml', ...options })
    assert.deepEqual(guid.from.at(-1), { kind: 'constant', value: 'team-z' })
    assert.deepEqual(receivers.remoteWrite.guid.from.at(-1), { kind: 'constant', value: 'team-z' })
    assert.equal(guid.from.length, 2)
  }
})

test('unknown variables are warned of; those that Kubernetes sets for a Service of that name are not', () => {
  const result = loadConfig({
    env: {
      GUIDEPOST_HTTP_PROT: '1',
      GUIDEPOST_SERVICE_HOST: '10.0.0.1',
      GUIDEPOST_SERVICE_PORT_HTTP: '10000',
      GUIDEPOST_PORT: 'tcp://10.0.0.1:10000',
      GUIDEPOST_PORT_10000_TCP_ADDR: '10.0.0.1',
      GUIDEPOST_HTTP_PORT: 'tcp://10.0.0.1:10000',
      GUIDEPOST_ADMIN_PORT_10001_TCP_PROTO: 'tcp',
      OTHER: 'x',
    },
  })
  assert.equal(result.config?.listeners.http?.port, 10_000)
  assert.deepEqual(result.warnings.map(formatProblem), [
    'environment: GUIDEPOST_HTTP_PROT: is no variable of guidepost and has no effect. Did you mean GUIDEPOST_HTTP_PORT?',
  ])
})

test('another bus on the command line leaves a file for Kafka valid, with a warning', () => {
  const result = loadConfig({
    file: 'kafka.yaml',
    env: {},
    overrides: { bus: 'log:./x' },
    cwd: join(data, 'valid'),
  })
  assert.equal(result.config?.bus.kind, 'log')
  assert.deepEqual(result.warnings.map(formatProblem), [
    'kafka.yaml:2:1: kafka: has no effect, since the bus is log:./x.',
  ])
})

test('patterns that a value can make slow are warned of, each at its place', () => {
  const result = loadConfig({ file: 'slow-patterns.yaml', env: {}, cwd: join(data, 'valid') })
  assert.ok(result.config !== undefined)
  assert.deepEqual(
    result.warnings.map(({ place, path }) => `${place?.line} ${path}`),
    ['5 guid.from.1.match', '10 receivers.remoteWrite.guid.allow.1', '10 receivers.remoteWrite.guid.allow.2'],
  )
})

test('a file that is not there, is a folder, or is too large is said so', () => {
  assert.deepEqual(problems({ file: 'no-such.yaml' }), ['no-such.yaml: does not exist.'])
  assert.match(problems({ file: '.' }).join(), /^\.: cannot be read: EISDIR/)
  assert.match(problems({ file: process.execPath }).join(), /has \d+ bytes; at most 1048576/)
})
