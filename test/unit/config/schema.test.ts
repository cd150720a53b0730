import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { optionVariables } from '../../../src/config/environment.ts'
import { schema } from '../../../src/config/schema.ts'
import { walk } from '../../../src/config/schema-nodes.ts'
import { manuals } from '../../support/manuals.ts'

for (const [name, make] of Object.entries(manuals)) {
  test(`docs/${name} is current: node test/support/manuals.ts makes it so`, () => {
    assert.equal(readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8'), make())
  })
}

test('every option is explained, and its neighbour exists', () => {
  const paths = new Set([...walk(schema)].map(([path]) => path.join('.')))
  for (const [path, option] of walk(schema)) {
    assert.match(option.doc, /^.+[.]$/s, path.join('.'))
    if (option.neighbour !== undefined)
      assert.ok(paths.has(option.neighbour), `${path.join('.')}: ${option.neighbour}`)
  }
})

test('every default is one that may be written', () => {
  for (const [path, option] of walk(schema)) {
    const where = path.join('.')
    if (option.type === 'integer' || option.type === 'bytes') {
      const value: number = option.default ?? option.min
      assert.ok(value >= option.min && value <= option.max, where)
    }
    if (option.type === 'string' && option.default !== undefined) {
      assert.ok(option.pattern?.test(option.default) ?? true, where)
    }
    if (option.type === 'string') assert.ok(option.pattern?.test(option.example) ?? true, where)
    if (option.type === 'choice' && option.default !== undefined)
      assert.ok(option.values.includes(option.default), where)
  }
})

test('the variables have the names that are promised', () => {
  for (const [variable, path] of Object.entries({
    GUIDEPOST_BUS: 'bus',
    GUIDEPOST_HOST: 'host',
    GUIDEPOST_HTTP_PORT: 'listeners.http.port',
    GUIDEPOST_OTLP_GRPC_PORT: 'listeners.otlpGrpc.port',
    GUIDEPOST_OTLP_HTTP_PORT: 'listeners.otlpHttp.port',
    GUIDEPOST_RECEIVERS_OTLP_ENABLED: 'receivers.otlp.enabled',
    GUIDEPOST_LIMITS_MESSAGE_BYTES: 'limits.messageBytes',
    GUIDEPOST_ADMIN_PORT: 'admin.port',
    GUIDEPOST_LOG_LEVEL: 'logging.level',
    GUIDEPOST_LOG_SEGMENT_BYTES: 'log.segmentBytes',
    GUIDEPOST_KAFKA_SASL_PASSWORD: 'kafka.sasl.password',
  })) {
    assert.equal(optionVariables.get(variable)?.path.join('.'), path)
  }
})
