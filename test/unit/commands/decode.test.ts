import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeValue } from '../../../src/commands/decode.ts'

/** Field number, wire type and payload as protobuf has them; lengths stay below 128 here. */
const message = (field: number, ...parts: (Buffer | string)[]) => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  return Buffer.concat([Buffer.from([(field << 3) | 2, body.length]), body])
}
const varint = (field: number, ...bytes: number[]) => Buffer.from([field << 3, ...bytes])
const double = (field: number, bits: bigint) => {
  const buffer = Buffer.alloc(9)
  buffer[0] = (field << 3) | 1
  buffer.writeBigUInt64LE(bits, 1)
  return buffer
}
const topic = 'prometheus_metrics'
const label = (name: string, value: string) => message(1, message(1, name), message(2, value))
const stale = 0x7ff0000000000002n
const one = 0x3ff0000000000000n

test('1.0: labels, samples with their 64-bit values, metadata', () => {
  const value = Buffer.concat([
    message(
      1,
      label('__name__', 'up'),
      label('guid', 'team-a'),
      message(2, double(1, one), varint(2, 0xe8, 0x07)),
      message(2, double(1, stale), varint(2, 0x01)),
      message(2, double(1, 0x7ff8000000000001n), varint(2, 0x02)),
      message(2, double(1, 0x7ff0000000000000n)),
      message(2, varint(2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)),
    ),
    message(3, varint(1, 1), message(2, 'up'), message(4, 'Whether it is up.')),
  ])
  assert.deepEqual(decodeValue('prometheus_remote_write_1', value, topic), {
    payload: {
      timeseries: [
        {
          labels: { __name__: 'up', guid: 'team-a' },
          samples: [
            { value: 1, timestamp: '1000' },
            { value: 'stale', timestamp: '1' },
            { value: 'NaN', timestamp: '2' },
            { value: '+Inf', timestamp: '0' },
            { value: 0, timestamp: '-1' },
          ],
        },
      ],
      metadata: [{ type: 'counter', metric_family_name: 'up', help: 'Whether it is up.' }],
    },
  })
})

test('1.0: exemplars and native histograms', () => {
  const histogram = message(
    4,
    varint(1, 0x03),
    double(3, stale),
    message(9, Buffer.from([0x02, 0x01])),
    varint(14, 3),
  )
  const exemplar = message(3, message(1, message(1, 'trace_id'), message(2, 'abc')), double(2, one))
  const decoded = decodeValue(
    'prometheus_remote_write_1',
    message(1, label('a', 'b'), exemplar, histogram),
    topic,
  )
  assert.deepEqual(decoded, {
    payload: {
      timeseries: [
        {
          labels: { a: 'b' },
          exemplars: [{ labels: { trace_id: 'abc' }, value: 1, timestamp: '0' }],
          histograms: [{ count_int: '3', sum: 'stale', negative_deltas: ['1', '-1'], reset_hint: 'gauge' }],
        },
      ],
    },
  })
})

test('a label that occurs twice is shown twice', () => {
  const decoded = decodeValue(
    'prometheus_remote_write_1',
    message(1, label('guid', 'a'), label('guid', 'b')),
    topic,
  )
  assert.deepEqual(decoded, {
    payload: {
      timeseries: [
        {
          labels: [
            { name: 'guid', value: 'a' },
            { name: 'guid', value: 'b' },
          ],
        },
      ],
    },
  })
})

test('2.0: references become texts, also when the symbols come last', () => {
  const series = message(
    5,
    message(1, Buffer.from([1, 2, 3, 4])),
    message(2, double(1, one), varint(2, 5), varint(3, 4)),
    message(4, message(1, Buffer.from([3, 9])), double(2, one)),
    message(5, varint(1, 2), varint(3, 5)),
  )
  const symbols = ['', '__name__', 'up', 'guid', 'team-a', 'Whether it is up.'].map((text) =>
    message(4, text),
  )
  assert.deepEqual(decodeValue('prometheus_remote_write_2', Buffer.concat([series, ...symbols]), topic), {
    payload: {
      timeseries: [
        {
          labels: { __name__: 'up', guid: 'team-a' },
          samples: [{ value: 1, timestamp: '5', start_timestamp: '4' }],
          exemplars: [{ labels: { guid: '(no symbol 9)' }, value: 1, timestamp: '0' }],
          metadata: { type: 'gauge', help: 'Whether it is up.', unit: '' },
        },
      ],
    },
  })
})

test('a span of Jaeger’s own form is shown with its process', () => {
  const guid = message(2, message(1, 'guid'), message(3, 'team-a'))
  const value = Buffer.concat([
    message(2, Buffer.from('b7ad6b7169203331', 'hex')),
    message(3, 'GET /cart'),
    message(6, varint(1, 0x0a)),
    message(10, message(1, 'cart'), guid),
  ])
  const decoded = decodeValue('jaeger_proto', value, 'jaeger-spans')
  assert.deepEqual(decoded, {
    payload: {
      span_id: 'b7ad6b7169203331',
      operation_name: 'GET /cart',
      start_time: { seconds: '10' },
      process: { service_name: 'cart', tags: [{ key: 'guid', v_str: 'team-a' }] },
    },
  })
})

test('what cannot be decoded says why', () => {
  const reason = (encoding: string, value: Buffer) => {
    const decoded = decodeValue(encoding, value, topic)
    return 'reason' in decoded ? decoded.reason : assert.fail('decoded')
  }
  assert.match(
    reason('prometheus_remote_write_1', Buffer.from([0x0a, 0x7f, 0x01])),
    /^cannot be decoded as prom/,
  )
  assert.match(
    reason('otlp_proto', Buffer.from([1])),
    /^is otlp_proto of a signal that the topic does not tell$/,
  )
  assert.match(reason('jaeger_proto', Buffer.from([1])), /^cannot be decoded as jaeger_proto: /)
  assert.match(reason('carrier_pigeon', Buffer.from([1])), /^is carrier_pigeon, which is not decoded here$/)
  assert.match(reason('', Buffer.from([1])), /^has no header encoding$/)
})
