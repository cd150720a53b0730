import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeValue } from '../../../src/commands/decode.ts'
import { otlpFile, otlpSignals, protoRoot } from '../../support/proto.ts'

const root = protoRoot(otlpSignals.map(otlpFile))

function encode(name: string, object: Record<string, unknown>): Buffer {
  const type = root.lookupType(`opentelemetry.proto.${name}`)
  return Buffer.from(type.encode(type.fromObject(object)).finish())
}

const attribute = (key: string, value: object) => ({ key, value })
const traceId = Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex')

test('spans: hexadecimal ids, times as texts, attributes as an object', () => {
  const span = {
    traceId,
    spanId: Buffer.from('b7ad6b7169203331', 'hex'),
    name: 'GET /',
    kind: 2,
    startTimeUnixNano: '1769000000123456789',
    attributes: [
      attribute('text', { stringValue: '5' }),
      attribute('integer', { intValue: '9223372036854775807' }),
      attribute('double', { doubleValue: 5 }),
      attribute('no number', { doubleValue: Number.NaN }),
      attribute('boolean', { boolValue: false }),
      attribute('list', { arrayValue: { values: [{ stringValue: 'a' }, {}, { intValue: '1' }] } }),
      attribute('empty list', { arrayValue: {} }),
      attribute('map', { kvlistValue: { values: [attribute('inner', { stringValue: 'b' })] } }),
      attribute('bytes', { bytesValue: Buffer.from([1, 2, 255]) }),
      attribute('empty', {}),
      { key: 'none' },
      attribute('__proto__', { stringValue: 'own' }),
    ],
    status: { code: 2, message: 'no' },
    flags: 257,
  }
  const resource = { attributes: [attribute('guid', { stringValue: 'team-a' })] }
  const value = encode('trace.v1.TracesData', {
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'lib' }, spans: [span] }] }],
  })
  const attributes = JSON.parse(`{
    "text": "5", "integer": { "intValue": "9223372036854775807" }, "double": 5,
    "no number": { "doubleValue": "NaN" }, "boolean": false,
    "list": ["a", null, { "intValue": "1" }], "empty list": [],
    "map": { "kvlistValue": { "values": { "inner": "b" } } },
    "bytes": { "bytesValue": "AQL/" }, "empty": null, "none": null, "__proto__": "own" }`)
  assert.deepEqual(decodeValue('otlp_proto', value, 'otlp_spans'), {
    payload: {
      resourceSpans: [
        {
          resource: { attributes: { guid: 'team-a' } },
          scopeSpans: [
            {
              scope: { name: 'lib' },
              spans: [
                {
                  traceId: '0af7651916cd43dd8448eb211c80319c',
                  spanId: 'b7ad6b7169203331',
                  name: 'GET /',
                  kind: 'server',
                  startTimeUnixNano: '1769000000123456789',
                  attributes,
                  status: { message: 'no', code: 'error' },
                  flags: 257,
                },
              ],
            },
          ],
        },
      ],
    },
  })
})

test('metrics: points of all kinds, sums that are zero, counts', () => {
  const value = encode('metrics.v1.MetricsData', {
    resourceMetrics: [
      {
        scopeMetrics: [
          {
            metrics: [
              { name: 'a', gauge: { dataPoints: [{ asInt: '-1', flags: 1 }, { asDouble: 0 }] } },
              {
                name: 'b',
                histogram: {
                  aggregationTemporality: 2,
                  dataPoints: [
                    {
                      count: '3',
                      sum: 0,
                      bucketCounts: ['1', '2'],
                      explicitBounds: [0.5],
                      exemplars: [{ traceId }],
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  })
  assert.deepEqual(decodeValue('otlp_proto', value, 'otlp_metrics'), {
    payload: {
      resourceMetrics: [
        {
          scopeMetrics: [
            {
              metrics: [
                { name: 'a', gauge: { dataPoints: [{ asInt: '-1', flags: 1 }, { asDouble: 0 }] } },
                {
                  name: 'b',
                  histogram: {
                    dataPoints: [
                      {
                        count: '3',
                        sum: 0,
                        bucketCounts: ['1', '2'],
                        explicitBounds: [0.5],
                        exemplars: [{ traceId: traceId.toString('hex') }],
                      },
                    ],
                    aggregationTemporality: 'cumulative',
                  },
                },
              ],
            },
          ],
        },
      ],
    },
  })
})

test('log records: severity and body; an attribute that occurs twice is shown twice', () => {
  const twice = [attribute('guid', { stringValue: 'a' }), attribute('guid', { stringValue: 'b' })]
  const value = encode('logs.v1.LogsData', {
    resourceLogs: [
      {
        resource: { attributes: twice },
        scopeLogs: [
          { logRecords: [{ severityNumber: 10, body: { stringValue: 'hello' } }, { severityNumber: 99 }] },
        ],
      },
    ],
  })
  assert.deepEqual(decodeValue('otlp_proto', value, 'otlp_logs'), {
    payload: {
      resourceLogs: [
        {
          resource: {
            attributes: [
              { key: 'guid', value: 'a' },
              { key: 'guid', value: 'b' },
            ],
          },
          scopeLogs: [{ logRecords: [{ severityNumber: 'info2', body: 'hello' }, { severityNumber: 99 }] }],
        },
      ],
    },
  })
})

test('an empty request is an empty object', () => {
  assert.deepEqual(decodeValue('otlp_proto', Buffer.alloc(0), 'otlp_spans'), { payload: {} })
})

test('damage, other topics and bottomless nesting give a reason', () => {
  let value = Buffer.alloc(0)
  for (let level = 0; level < 5_000; level++) {
    // ArrayValue.values = 1 in AnyValue.array_value = 5, each with the length of what it holds.
    for (const tag of [0x0a, 0x2a]) value = Buffer.concat([Buffer.of(tag, ...varint(value.length)), value])
  }
  const deep = [0x2a, 0x12, 0x12, 0x0a].reduce(
    (inner, tag) => Buffer.concat([Buffer.of(tag, ...varint(inner.length)), inner]),
    value,
  )
  const reason = (bytes: Buffer, topic: string) => {
    const decoded = decodeValue('otlp_proto', bytes, topic)
    return 'reason' in decoded ? decoded.reason : assert.fail('decoded')
  }
  assert.match(reason(deep, 'otlp_logs'), /^cannot be decoded as otlp_proto: /)
  assert.match(reason(Buffer.from([0x0a, 0x7f]), 'otlp_spans'), /^cannot be decoded as otlp_proto: /)
  assert.match(reason(Buffer.alloc(0), 'elsewhere'), /topic does not tell/)
})

function varint(value: number): number[] {
  return value > 0x7f ? [(value & 0x7f) | 0x80, ...varint(value >>> 7)] : [value]
}
