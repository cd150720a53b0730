/** A request of each signal in which every field of every published message is set, but those of profiles. */
import { idAttribute, type OtlpSignal } from './otlp-items.ts'

const text = (stringValue: string) => ({ stringValue })
const id = (name: string) => ({ key: idAttribute, value: text(name) })
const traceId = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex')
const spanId = Buffer.from('1112131415161718', 'hex')

const everyValue = [
  { key: 'text', value: text('ä') },
  { key: 'bool', value: { boolValue: true } },
  { key: 'int', value: { intValue: '-9007199254740993' } },
  { key: 'double', value: { doubleValue: 0.5 } },
  { key: 'bytes', value: { bytesValue: Buffer.of(0, 255) } },
  { key: 'list', value: { arrayValue: { values: [text('a'), { intValue: '1' }] } } },
  { key: 'map', value: { kvlistValue: { values: [{ key: 'k', value: text('v') }] } } },
  { key: 'none', value: {} },
]

const resource = {
  attributes: [{ key: 'k8s.namespace.name', value: text('team-full') }, ...everyValue],
  droppedAttributesCount: 1,
  entityRefs: [{ schemaUrl: 'u', type: 'host', idKeys: ['int'], descriptionKeys: ['text'] }],
}
const scope = { name: 'scope', version: '1', attributes: [...everyValue], droppedAttributesCount: 2 }
const times = { startTimeUnixNano: '1700000000000000001', timeUnixNano: '1700000000000000002' }
const exemplars = [
  { filteredAttributes: everyValue, timeUnixNano: '1700000000000000003', asDouble: 0.25, spanId, traceId },
  { asInt: '-7' },
]
const point = (name: string) => ({ ...times, attributes: [id(name)], flags: 1 })

const metrics = [
  {
    ...{ name: 'g', description: 'd', unit: 's', metadata: everyValue },
    gauge: { dataPoints: [{ ...point('gauge'), asDouble: 1.5, exemplars }] },
  },
  {
    name: 's',
    sum: {
      ...{ aggregationTemporality: 2, isMonotonic: true },
      dataPoints: [
        { ...point('sum'), asInt: '-3' },
        { ...point('sum2'), asInt: '4' },
      ],
    },
  },
  {
    name: 'h',
    histogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          ...{ ...point('histogram'), count: '6', sum: 2, bucketCounts: ['1', '2', '3'], min: 0, max: 9 },
          ...{ explicitBounds: [1, 2], exemplars },
        },
      ],
    },
  },
  {
    name: 'e',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [
        {
          ...{ ...point('exponential'), count: '6', sum: 2, scale: -1, zeroCount: '1', min: 0, max: 9 },
          ...{
            positive: { offset: -2, bucketCounts: ['1', '300'] },
            negative: { offset: 1, bucketCounts: ['0'] },
          },
          ...{ exemplars, zeroThreshold: 0.5 },
        },
      ],
    },
  },
  {
    name: 'y',
    summary: {
      dataPoints: [
        { ...point('summary'), count: '6', sum: 2, quantileValues: [{ quantile: 0.5, value: 1 }] },
      ],
    },
  },
]

const span = {
  ...{ traceId, spanId, parentSpanId: spanId, traceState: 'a=b', name: 'work', kind: 2, flags: 257 },
  ...{ startTimeUnixNano: '1700000000000000001', endTimeUnixNano: '1700000000000000002' },
  ...{ attributes: [id('span'), ...everyValue], droppedAttributesCount: 1 },
  events: [{ timeUnixNano: '1', name: 'e', attributes: everyValue, droppedAttributesCount: 1 }],
  droppedEventsCount: 1,
  links: [
    { traceId, spanId, traceState: 'c=d', attributes: everyValue, droppedAttributesCount: 1, flags: 1 },
  ],
  ...{ droppedLinksCount: 1, status: { message: 'm', code: 2 } },
}

const logRecord = {
  ...{ timeUnixNano: '1', observedTimeUnixNano: '2', severityNumber: 9, severityText: 'INFO', flags: 1 },
  ...{ body: { kvlistValue: { values: everyValue } }, attributes: [id('log'), ...everyValue] },
  ...{ droppedAttributesCount: 1, traceId, spanId, eventName: 'n' },
}

/** With the names of OTLP's JSON; bytes are Buffers. */
export const fullRequest: Readonly<Record<OtlpSignal, object>> = {
  traces: {
    resourceSpans: [
      { resource, scopeSpans: [{ scope, spans: [span, { name: 'b' }], schemaUrl: 's' }], schemaUrl: 'r' },
      { resource: {}, scopeSpans: [{ spans: [{ name: 'c' }] }] },
    ],
  },
  metrics: {
    resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics, schemaUrl: 's' }], schemaUrl: 'r' }],
  },
  logs: {
    resourceLogs: [
      { resource, scopeLogs: [{ scope, logRecords: [logRecord, {}], schemaUrl: 's' }], schemaUrl: 'r' },
    ],
  },
}

/** The same as OTLP's JSON writes it: ids in hexadecimal, other bytes in base64. */
export function jsonOf(message: object): string {
  return JSON.stringify(message, (key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('type' in value) || value.type !== 'Buffer')
      return value
    const bytes = Buffer.from((value as unknown as { data: number[] }).data)
    return bytes.toString(/^(?:traceId|spanId|parentSpanId)$/.test(key) ? 'hex' : 'base64')
  })
}
