/** What a datagram for the agent becomes: what its batch, or its list of Zipkin's spans, becomes without the envelope. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentTranslation } from '../../../../src/wire/translations/agent.ts'
import { decodeProto, encodeDatagram } from '../../../support/jaeger-encode.ts'
import { assertRefused, plainSpan, translation } from '../../../support/jaeger-translate.ts'
import { spansOfOtlp } from '../../../support/plain-spans.ts'
import type { CoreSpan } from '../../../support/random-zipkin.ts'
import { zipkinMessage } from '../../../support/zipkin-encode.ts'

interface Batch {
  readonly spans: readonly { readonly operation_name: string }[]
}

const batch = {
  process: { serviceName: 'cart', tags: [] },
  spans: [plainSpan({ operationName: 'GET /cart' })],
}
const host = { ipv4: 0x0a000001, port: 80, serviceName: 'cart' }
const core: CoreSpan = {
  traceId: 0x0af7651916cd43ddn,
  id: 0x0b7ad6b716920333n,
  name: 'GET /cart',
  timestamp: 1_700_000_000_000_000n,
  duration: 250n,
  annotations: [{ timestamp: 1_700_000_000_000_000n, value: 'sr', host }],
  binaryAnnotations: [{ key: 'http.path', value: Buffer.from('/cart'), type: 6, host }],
}

for (const protocol of ['binary', 'compact'] as const) {
  const datagrams = {
    emitBatch: encodeDatagram(protocol, batch),
    emitZipkinBatch: zipkinMessage(protocol, [core]),
  }
  for (const [message, datagram] of Object.entries(datagrams)) {
    test(`${protocol}: ${message} becomes OTLP, or Jaeger's own form`, () => {
      const [item, ...more] = spansOfOtlp(translation(agentTranslation(protocol, 'otlp'), datagram))
      assert.equal(more.length, 0)
      assert.equal(item?.span.name, 'GET /cart')
      assert.deepEqual(item?.resource.attributes, [['service.name', 'cart']])
      const request = decodeProto(translation(agentTranslation(protocol, 'jaeger'), datagram))
      const { spans } = request['batch'] as Batch
      assert.deepEqual(
        spans.map((span) => span.operation_name),
        ['GET /cart'],
      )
    })
  }

  test(`${protocol}: another method of the agent, and what is no message, is refused as that`, () => {
    const other = Buffer.from(
      datagrams.emitBatch.toString('latin1').replace('emitBatch', 'takeBatch'),
      'latin1',
    )
    assertRefused(agentTranslation(protocol, 'otlp'), other, 'method')
    assertRefused(agentTranslation(protocol, 'otlp'), Buffer.from([7]), 'thrift')
  })
}
