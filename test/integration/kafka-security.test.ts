/** SASL and TLS as configured, and what an operator is told when they are configured wrongly. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
import type { KafkaBusConfig, SaslConfig, TlsConfig } from '../../src/config/config.ts'
import { KafkaBroker, kafkaAvailable, saslUser } from '../support/kafka.ts'
import { clients, kafkaConfig, makeBus, makeRecord } from '../support/kafka-bus.ts'
import { requireReal } from '../support/real.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 90_000 }
let broker: KafkaBroker

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started({ sasl: true, tls: true })
  })
  after(() => broker.remove())
}

const mechanisms: readonly SaslConfig['mechanism'][] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']

function tlsConfig(changes: Partial<TlsConfig> = {}): TlsConfig {
  return {
    ca: broker.certificate,
    cert: undefined,
    key: undefined,
    serverName: undefined,
    verify: true,
    ...changes,
  }
}

async function assertWorks(config: KafkaBusConfig): Promise<void> {
  const bus = makeBus(config)
  await bus.start()
  try {
    assert.deepEqual(bus.health(), { up: true, reason: '' })
    assert.deepEqual(await bus.append([makeRecord()]), [undefined])
  } finally {
    await bus.close(1000)
  }
}

async function assertDown(config: KafkaBusConfig, reason: RegExp): Promise<void> {
  const bus = makeBus(config)
  await bus.start()
  try {
    assert.equal(bus.health().up, false)
    assert.match(bus.health().reason, reason)
    const [outcome] = await bus.append([makeRecord()])
    assert.equal(outcome?.code, 'GP_BUS_UNAVAILABLE')
    assert.equal(outcome.canRetry, true, 'an operator can mend it while the senders wait')
    assert.doesNotMatch(bus.health().reason, /not-the-password/)
  } finally {
    await bus.close(1000)
  }
}

for (const client of clients) {
  for (const mechanism of mechanisms) {
    test(`${client}: SASL ${mechanism}`, options, () =>
      assertWorks(kafkaConfig(broker.saslAddress, { client, sasl: { mechanism, ...saslUser } })),
    )
  }

  test(`${client}: a wrong password is named as such`, options, () => {
    const sasl = {
      mechanism: 'SCRAM-SHA-512',
      username: saslUser.username,
      password: 'not-the-password',
    } as const
    return assertDown(kafkaConfig(broker.saslAddress, { client, sasl }), /check kafka\.sasl/)
  })

  test(`${client}: TLS with the broker's authority`, options, () =>
    assertWorks(kafkaConfig(broker.tlsAddress, { client, tls: tlsConfig() })),
  )

  test(`${client}: TLS without it is refused, unless verification is off`, options, async () => {
    const tls = tlsConfig({ ca: undefined })
    await assertDown(kafkaConfig(broker.tlsAddress, { client, tls }), /set kafka\.tls\.ca/)
    await assertWorks(kafkaConfig(broker.tlsAddress, { client, tls: { ...tls, verify: false } }))
  })

  test(`${client}: a certificate for another name is refused`, options, () =>
    assertDown(
      kafkaConfig(broker.tlsAddress, { client, tls: tlsConfig({ serverName: 'elsewhere.test' }) }),
      /set kafka\.tls\.serverName/,
    ),
  )
}

test('the reader reads over SASL and over TLS', options, async () => {
  const sasl = { mechanism: 'PLAIN', ...saslUser } as const
  const configs = [
    kafkaConfig(broker.saslAddress, { sasl }),
    kafkaConfig(broker.tlsAddress, { tls: tlsConfig() }),
  ]
  for (const config of configs) {
    await assertWorks(config)
    const reader = new KafkaReader(config, ['prometheus_metrics'])
    let count = 0
    const signal = AbortSignal.timeout(20_000)
    for await (const record of reader.read({ topics: [], from: 'begin', follow: false, signal })) {
      assert.equal(record.key, 'shop')
      count++
    }
    assert.ok(count > 0)
    await reader.close()
  }
})

test('a listener that expects TLS is named as such', options, () =>
  assertDown(kafkaConfig(broker.tlsAddress), /requires TLS: set kafka\.tls/),
)
