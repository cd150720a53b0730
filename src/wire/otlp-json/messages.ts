/**
 * The messages of OTLP as tables: for each field its name in JSON, its number and its type.
 *
 * Source: the files in `proto/opentelemetry/`, with which a test compares these tables. A field's other name, the one
 * with underscores, follows from its first.
 */

/** Types of single values, with the names of protobuf; `hex` are bytes that OTLP's JSON writes in hexadecimal. */
export type Scalar =
  | 'string'
  | 'bool'
  | 'hex'
  | 'bytes'
  | 'double'
  | 'fixed64'
  | 'sfixed64'
  | 'int64'
  | 'uint64'
  | 'fixed32'
  | 'int32'
  | 'uint32'
  | 'sint32'

/** The numbers of an enum by their names. */
export type EnumNumbers = ReadonlyMap<string, number>

export interface Field {
  /** In lowerCamelCase. */
  readonly name: string
  /** As in the proto files. */
  readonly protoName: string
  readonly number: number
  readonly type: Scalar | EnumNumbers | Message
  readonly isRepeated: boolean
}

export interface Message {
  readonly name: string
  readonly fields: readonly Field[]
}

type Row = readonly [
  name: string,
  number: number,
  type: Scalar | EnumNumbers | Message,
  repeated?: 'repeated',
]

const message = (name: string, rows: readonly Row[]): Message => ({
  name,
  fields: rows.map(([name, number, type, repeated]) => ({
    name,
    protoName: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    number,
    type,
    isRepeated: repeated !== undefined,
  })),
})

const numbered = (prefix: string, names: readonly string[]): EnumNumbers =>
  new Map(names.map((name, number) => [`${prefix}_${name}`, number]))

// ---- common/v1, resource/v1 -----------------------------------------------------------------------------------

// A value may hold values, so the three messages refer to each other.
const anyValueRows: Row[] = [
  ['stringValue', 1, 'string'],
  ['boolValue', 2, 'bool'],
  ['intValue', 3, 'int64'],
  ['doubleValue', 4, 'double'],
  ['bytesValue', 7, 'bytes'],
  ['stringValueStrindex', 8, 'int32'],
]
const anyValue: { name: string; fields: Field[] } = { name: 'AnyValue', fields: [] }
const keyValue = message('KeyValue', [
  ['key', 1, 'string'],
  ['value', 2, anyValue],
  ['keyStrindex', 3, 'int32'],
])
const arrayValue = message('ArrayValue', [['values', 1, anyValue, 'repeated']])
const keyValueList = message('KeyValueList', [['values', 1, keyValue, 'repeated']])
anyValue.fields.push(
  ...message('AnyValue', [...anyValueRows, ['arrayValue', 5, arrayValue], ['kvlistValue', 6, keyValueList]])
    .fields,
)

const attributes = (number: number): Row => ['attributes', number, keyValue, 'repeated']

const scope = message('InstrumentationScope', [
  ['name', 1, 'string'],
  ['version', 2, 'string'],
  attributes(3),
  ['droppedAttributesCount', 4, 'uint32'],
])

const entityRef = message('EntityRef', [
  ['schemaUrl', 1, 'string'],
  ['type', 2, 'string'],
  ['idKeys', 3, 'string', 'repeated'],
  ['descriptionKeys', 4, 'string', 'repeated'],
])

const resource = message('Resource', [
  attributes(1),
  ['droppedAttributesCount', 2, 'uint32'],
  ['entityRefs', 3, entityRef, 'repeated'],
])

// ---- trace/v1 -------------------------------------------------------------------------------------------------

const spanEvent = message('Event', [
  ['timeUnixNano', 1, 'fixed64'],
  ['name', 2, 'string'],
  attributes(3),
  ['droppedAttributesCount', 4, 'uint32'],
])

const spanLink = message('Link', [
  ['traceId', 1, 'hex'],
  ['spanId', 2, 'hex'],
  ['traceState', 3, 'string'],
  attributes(4),
  ['droppedAttributesCount', 5, 'uint32'],
  ['flags', 6, 'fixed32'],
])

const status = message('Status', [
  ['message', 2, 'string'],
  ['code', 3, numbered('STATUS_CODE', ['UNSET', 'OK', 'ERROR'])],
])

const spanKinds = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']

const span = message('Span', [
  ['traceId', 1, 'hex'],
  ['spanId', 2, 'hex'],
  ['traceState', 3, 'string'],
  ['parentSpanId', 4, 'hex'],
  ['name', 5, 'string'],
  ['kind', 6, numbered('SPAN_KIND', spanKinds)],
  ['startTimeUnixNano', 7, 'fixed64'],
  ['endTimeUnixNano', 8, 'fixed64'],
  attributes(9),
  ['droppedAttributesCount', 10, 'uint32'],
  ['events', 11, spanEvent, 'repeated'],
  ['droppedEventsCount', 12, 'uint32'],
  ['links', 13, spanLink, 'repeated'],
  ['droppedLinksCount', 14, 'uint32'],
  ['status', 15, status],
  ['flags', 16, 'fixed32'],
])

// ---- metrics/v1 -----------------------------------------------------------------------------------------------

const temporality = numbered('AGGREGATION_TEMPORALITY', ['UNSPECIFIED', 'DELTA', 'CUMULATIVE'])

const exemplar = message('Exemplar', [
  ['timeUnixNano', 2, 'fixed64'],
  ['asDouble', 3, 'double'],
  ['spanId', 4, 'hex'],
  ['traceId', 5, 'hex'],
  ['asInt', 6, 'sfixed64'],
  ['filteredAttributes', 7, keyValue, 'repeated'],
])

const numberDataPoint = message('NumberDataPoint', [
  ['startTimeUnixNano', 2, 'fixed64'],
  ['timeUnixNano', 3, 'fixed64'],
  ['asDouble', 4, 'double'],
  ['exemplars', 5, exemplar, 'repeated'],
  ['asInt', 6, 'sfixed64'],
  attributes(7),
  ['flags', 8, 'uint32'],
])

const histogramDataPoint = message('HistogramDataPoint', [
  ['startTimeUnixNano', 2, 'fixed64'],
  ['timeUnixNano', 3, 'fixed64'],
  ['count', 4, 'fixed64'],
  ['sum', 5, 'double'],
  ['bucketCounts', 6, 'fixed64', 'repeated'],
  ['explicitBounds', 7, 'double', 'repeated'],
  ['exemplars', 8, exemplar, 'repeated'],
  attributes(9),
  ['flags', 10, 'uint32'],
  ['min', 11, 'double'],
  ['max', 12, 'double'],
])

const buckets = message('Buckets', [
  ['offset', 1, 'sint32'],
  ['bucketCounts', 2, 'uint64', 'repeated'],
])

const exponentialHistogramDataPoint = message('ExponentialHistogramDataPoint', [
  attributes(1),
  ['startTimeUnixNano', 2, 'fixed64'],
  ['timeUnixNano', 3, 'fixed64'],
  ['count', 4, 'fixed64'],
  ['sum', 5, 'double'],
  ['scale', 6, 'sint32'],
  ['zeroCount', 7, 'fixed64'],
  ['positive', 8, buckets],
  ['negative', 9, buckets],
  ['flags', 10, 'uint32'],
  ['exemplars', 11, exemplar, 'repeated'],
  ['min', 12, 'double'],
  ['max', 13, 'double'],
  ['zeroThreshold', 14, 'double'],
])

const valueAtQuantile = message('ValueAtQuantile', [
  ['quantile', 1, 'double'],
  ['value', 2, 'double'],
])

const summaryDataPoint = message('SummaryDataPoint', [
  ['startTimeUnixNano', 2, 'fixed64'],
  ['timeUnixNano', 3, 'fixed64'],
  ['count', 4, 'fixed64'],
  ['sum', 5, 'double'],
  ['quantileValues', 6, valueAtQuantile, 'repeated'],
  attributes(7),
  ['flags', 8, 'uint32'],
])

const points = (point: Message): Row => ['dataPoints', 1, point, 'repeated']

const metric = message('Metric', [
  ['name', 1, 'string'],
  ['description', 2, 'string'],
  ['unit', 3, 'string'],
  ['gauge', 5, message('Gauge', [points(numberDataPoint)])],
  [
    'sum',
    7,
    message('Sum', [
      points(numberDataPoint),
      ['aggregationTemporality', 2, temporality],
      ['isMonotonic', 3, 'bool'],
    ]),
  ],
  [
    'histogram',
    9,
    message('Histogram', [points(histogramDataPoint), ['aggregationTemporality', 2, temporality]]),
  ],
  [
    'exponentialHistogram',
    10,
    message('ExponentialHistogram', [
      points(exponentialHistogramDataPoint),
      ['aggregationTemporality', 2, temporality],
    ]),
  ],
  ['summary', 11, message('Summary', [points(summaryDataPoint)])],
  ['metadata', 12, keyValue, 'repeated'],
])

// ---- logs/v1 --------------------------------------------------------------------------------------------------

const severities = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].flatMap((severity) =>
  ['', '2', '3', '4'].map((step) => `${severity}${step}`),
)

const logRecord = message('LogRecord', [
  ['timeUnixNano', 1, 'fixed64'],
  ['severityNumber', 2, numbered('SEVERITY_NUMBER', ['UNSPECIFIED', ...severities])],
  ['severityText', 3, 'string'],
  ['body', 5, anyValue],
  attributes(6),
  ['droppedAttributesCount', 7, 'uint32'],
  ['flags', 8, 'fixed32'],
  ['traceId', 9, 'hex'],
  ['spanId', 10, 'hex'],
  ['observedTimeUnixNano', 11, 'fixed64'],
  ['eventName', 12, 'string'],
])

// ---- collector/*/v1 -------------------------------------------------------------------------------------------

const request = (name: string, signal: string, scopes: string, items: string, item: Message): Message =>
  message(`Export${name}ServiceRequest`, [
    [
      `resource${signal}`,
      1,
      message(`Resource${signal}`, [
        ['resource', 1, resource],
        [
          scopes,
          2,
          message(`Scope${signal}`, [
            ['scope', 1, scope],
            [items, 2, item, 'repeated'],
            ['schemaUrl', 3, 'string'],
          ]),
          'repeated',
        ],
        ['schemaUrl', 3, 'string'],
      ]),
      'repeated',
    ],
  ])

/** The message of an export request, by its signal. */
export const requests = {
  traces: request('Trace', 'Spans', 'scopeSpans', 'spans', span),
  metrics: request('Metrics', 'Metrics', 'scopeMetrics', 'metrics', metric),
  logs: request('Logs', 'Logs', 'scopeLogs', 'logRecords', logRecord),
} as const
