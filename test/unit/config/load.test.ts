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
  const listener = { host: '127.0.0.1', guid: undefined }
  assert.deepEqual(config.listeners, {
    http: { ...listener, port: 10_000 },
    otlpGrpc: { ...listener, port: 4317 },
    otlpHttp: { ...listener, port: 4318 },
    jaegerGrpc: { ...listener, port: 14_250 },
    jaegerHttp: { ...listener, port: 14_268 },
    jaegerCompact: { ...listener, port: 6831 },
    jaegerBinary: { ...listener, port: 6832 },
    zipkinCompact: { ...listener, port: 5775 },
    jaegerSampling: { ...listener, port: 5778 },
    zipkin: { ...listener, port: 9411 },
  })
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
  assert.equal(config.guid.scope, 'resource')
  assert.equal(config.guid.allow, undefined)
  assert.deepEqual(config.receivers, {
    remoteWrite: { enabled: true, encoding: 'prometheus_remote_write', guid: config.guid },
    otlp: { enabled: true, cors: undefined, guid: config.guid },
    jaeger: { enabled: true, encoding: 'otlp_proto', strategiesFile: undefined, guid: config.guid },
    zipkin: { enabled: true, encoding: 'otlp_proto', guid: config.guid },
  })
  assert.equal(config.limits.inflatedBytes, limits.inflatedBytesMax)
  assert.equal(config.limits.messageBytes, 16 * 1024 * 1024)
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
  const { http, otlpGrpc, otlpHttp, jaegerCompact, zipkin } = config.listeners
  assert.deepEqual(http, { host: '10.0.0.1', port: 8080, guid: 'team-a' })
  assert.deepEqual(otlpGrpc, { host: '0.0.0.0', port: 14_317, guid: 'team-b' })
  assert.deepEqual(jaegerCompact, { host: '0.0.0.0', port: 7831, guid: 'team-c' })
  assert.deepEqual([otlpHttp, zipkin], [undefined, undefined])
  assert.equal(config.admin, undefined)
})

test('a receiver that is off takes the listeners with it that serve nothing else', () => {
  const { listeners, receivers } = load({ file: 'otlp-off.yaml' })
  assert.deepEqual(
    [listeners.http?.port, listeners.otlpGrpc, listeners.otlpHttp],
    [10_000, undefined, undefined],
  )
  assert.deepEqual([receivers.remoteWrite.enabled, receivers.otlp.enabled], [true, false])
})

test('a receiver that nobody asked for and no listener reaches is off', () => {
  const { listeners, receivers } = load({ file: 'otlp-alone.yaml' })
  assert.deepEqual(
    [listeners.http, listeners.otlpGrpc?.port, listeners.otlpHttp?.port],
    [undefined, 4317, 4318],
  )
  assert.deepEqual([receivers.remoteWrite.enabled, receivers.otlp.enabled], [false, true])
})

test('a listener that takes nothing may have a port of any other', () => {
  const { listeners, admin } = load({ file: 'otlp-off.yaml', env: { GUIDEPOST_ADMIN_PORT: '4317' } })
  assert.deepEqual([listeners.otlpGrpc, admin?.port], [undefined, 4317])
})

test('the OTLP receiver has rules of its own, and pages of other origins may send to it', () => {
  const { guid, receivers } = load({ file: 'otlp.yaml' })
  const { cors, ...otlp } = receivers.otlp
  assert.deepEqual(otlp.guid, {
    ...guid,
    from: [
      { kind: 'header', name: 'x-team', match: undefined },
      { kind: 'attribute', name: 'k8s.namespace.name', match: undefined },
      { kind: 'label', name: 'team', match: undefined },
      { kind: 'attribute', name: 'team', match: undefined },
    ],
    name: 'service.guid',
    scope: 'everywhere',
  })
  assert.equal(receivers.remoteWrite.guid.scope, 'resource')
  assert.equal(receivers.remoteWrite.encoding, 'otlp_proto')
  assert.deepEqual(cors, {
    origins: ['https://app.example.com', 'https://*.example.org', 'http://localhost:3000'],
    headers: ['content-type', 'content-encoding', 'x-guid', 'x-team', 'x-api-key'],
    maxAgeSeconds: 600,
  })
})

test('cors of every page has the headers that browsers need, and a bound in time', () => {
  const { cors } = load({ file: 'cors.yaml' }).receivers.otlp
  assert.deepEqual(cors, {
    origins: ['*', 'http://[::1]:3000', 'chrome-extension://abcdefgh'],
    headers: ['content-type', 'content-encoding', 'x-guid', 'x-scope-orgid'],
    maxAgeSeconds: limits.corsMaxAgeSeconds,
  })
  assert.equal(load({ file: 'cors-off.yaml' }).receivers.otlp.cors, undefined)
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

test('the environment moves and switches the listeners and receivers of OTLP', () => {
  const env = {
    GUIDEPOST_OTLP_GRPC_PORT: '5317',
    GUIDEPOST_OTLP_HTTP_PORT: '5318',
    GUIDEPOST_OTLP_HTTP_GUID: 'team-c',
    GUIDEPOST_LIMITS_MESSAGE_BYTES: '8MiB',
    GUIDEPOST_GUID_SCOPE: 'everywhere',
    GUIDEPOST_RECEIVERS_REMOTE_WRITE_ENABLED: 'false',
  }
  const { listeners, limits: bounds, receivers } = load({ env })
  assert.equal(listeners.otlpGrpc?.port, 5317)
  assert.deepEqual(listeners.otlpHttp, { host: '127.0.0.1', port: 5318, guid: 'team-c' })
  assert.equal(bounds.messageBytes, 8 * 1024 * 1024)
  assert.equal(receivers.otlp.guid.scope, 'everywhere')
  assert.equal(receivers.remoteWrite.enabled, false)
  const off = {
    GUIDEPOST_RECEIVERS_JAEGER_ENABLED: 'false',
    GUIDEPOST_RECEIVERS_OTLP_ENABLED: 'false',
    GUIDEPOST_RECEIVERS_ZIPKIN_ENABLED: 'false',
  }
  assert.deepEqual(problems({ env: { ...env, ...off } }), [
    'variable GUIDEPOST_RECEIVERS_ZIPKIN_ENABLED: receivers: are all off, so nothing is taken. Enable one of them.',
  ])
  assert.deepEqual(problems({ env: { ...off, GUIDEPOST_OTLP_GRPC_PORT: '5317' } }), [
    'variable GUIDEPOST_OTLP_GRPC_PORT: listeners.otlpGrpc: serves nothing, since receivers.otlp.enabled is false. Enable it, or set this to off.',
  ])
  assert.deepEqual(problems({ env: { GUIDEPOST_RECEIVERS_OTLP_CORS_MAX_AGE_SECONDS: '60' } }), [
    'variable GUIDEPOST_RECEIVERS_OTLP_CORS_MAX_AGE_SECONDS: receivers.otlp.cors: has no origins. Set receivers.otlp.cors.origins.',
  ])
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
    [
      '5 guid.from.1.match',
      '10 receivers.remoteWrite.guid.allow.1',
      '10 receivers.remoteWrite.guid.allow.2',
      '15 receivers.otlp.guid.from.0.match',
    ],
  )
})

test('what has no effect on one receiver is warned of in its own block alone', () => {
  const result = loadConfig({ file: 'own-sources.yaml', env: {}, cwd: join(data, 'valid') })
  assert.ok(result.config !== undefined)
  assert.deepEqual(result.warnings.map(formatProblem), [
    'own-sources.yaml:9:7: receivers.remoteWrite.guid.scope: has no effect: remote write has labels in one place alone.',
    'own-sources.yaml:8:9: receivers.remoteWrite.guid.from.1.attribute: yields nothing: remote write has labels, and no attributes. Write label: NAME instead.',
    'own-sources.yaml:14:9: receivers.otlp.guid.from.1.label: yields nothing: OTLP has attributes, and no labels. Write attribute: NAME instead.',
  ])
})

test('a file that is not there, is a folder, or is too large is said so', () => {
  assert.deepEqual(problems({ file: 'no-such.yaml' }), ['no-such.yaml: does not exist.'])
  assert.match(problems({ file: '.' }).join(), /^\.: cannot be read: EISDIR/)
  assert.match(problems({ file: process.execPath }).join(), /has \d+ bytes; at most 1048576/)
})
