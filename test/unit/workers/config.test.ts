import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasChosenPort, reloaded, withPorts } from '../../../src/workers/config.ts'
import { configWith } from '../../support/gateway-fixture.ts'

test('a UDP port that the system chose is the same for the workers that come later', () => {
  const config = configWith({ GUIDEPOST_JAEGER_COMPACT_PORT: '0', GUIDEPOST_HTTP_PORT: '0' })
  assert.equal(hasChosenPort(config), true)
  assert.equal(hasChosenPort(configWith({ GUIDEPOST_HTTP_PORT: '0' })), false)
  const ports = [
    { key: 'jaegerCompact', host: '127.0.0.1', port: 4444 },
    { key: 'http', host: '127.0.0.1', port: 5555 },
  ] as const
  const { listeners } = withPorts(config, ports)
  assert.equal(listeners.jaegerCompact?.port, 4444)
  assert.equal(listeners.http?.port, 0, 'those of TCP are the primary’s')
  assert.equal(listeners.jaegerBinary?.port, config.listeners.jaegerBinary?.port)
})

test('after a reload a new worker gets the new rules and limits, and else what the others have', () => {
  const old = configWith({ GUIDEPOST_BUS: 'kafka://one:9092' })
  const next = configWith({
    GUIDEPOST_BUS: 'kafka://two:9092',
    GUIDEPOST_GUID_NAME: 'team',
    GUIDEPOST_LIMITS_BODY_BYTES: '1MiB',
    GUIDEPOST_RECEIVERS_JAEGER_ENCODING: 'jaeger_proto',
    GUIDEPOST_HTTP_PORT: '7',
  })
  const config = reloaded(old, next)
  assert.deepEqual(config.bus, old.bus)
  assert.deepEqual(config.listeners, old.listeners)
  assert.equal(config.receivers.jaeger.encoding, 'otlp_proto')
  assert.equal(config.guid.name, 'team')
  assert.equal(config.receivers.jaeger.guid.name, 'team')
  assert.equal(config.limits.bodyBytes, next.limits.bodyBytes)
})
