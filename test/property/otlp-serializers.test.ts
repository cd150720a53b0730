/**
 * The splice of OTLP as OpenTelemetry's own serializers write it: random spans, log records and metrics, stamped, must
 * be what decode, set, encode makes of them; cut or not.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import {
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { AggregationTemporality, DataPointType, type ResourceMetrics } from '@opentelemetry/sdk-metrics'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { Kernel } from '../../src/wire/kernel.ts'
import {
  decode,
  expectedOtlp,
  itemPaths,
  listOf,
  requestType,
  type Signal,
} from '../support/oracle-otlp/index.ts'
import { propertyBounds } from '../support/random.ts'
import { type OtlpRules, otlpRulesOf, stampOtlp } from '../support/stamping-otlp.ts'

const kernel = new Kernel()
const rules: OtlpRules = {
  sources: [
    { kind: 'label', name: 'guid' },
    { kind: 'label', name: 'k8s.namespace.name' },
  ],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
  deep: false,
}

const value = fc.oneof(
  fc.constantFrom('team-a', 'team-b', 'é', ''),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.boolean(),
  fc.array(fc.string({ maxLength: 4 }), { maxLength: 3 }),
)
const attributes = fc.dictionary(
  fc.oneof(fc.constantFrom('guid', 'k8s.namespace.name', 'http.route'), fc.string({ maxLength: 10 })),
  value,
  { maxKeys: 6 },
)
const hex = (digits: number) =>
  fc.bigInt({ min: 1n, max: 16n ** BigInt(digits) - 1n }).map((id) => id.toString(16).padStart(digits, '0'))
const time = fc
  .tuple(fc.integer({ min: 0, max: 2_000_000_000 }), fc.nat(999_999_999))
  .map(([seconds, nanos]): [number, number] => [seconds, nanos])
const scope = fc.record({ name: fc.constantFrom('http', 'db'), version: fc.constantFrom('', '1.0') })
const resource = attributes.map((all) => resourceFromAttributes(all))
const context = fc.record({ traceId: hex(32), spanId: hex(16), traceFlags: fc.constantFrom(0, 1) })

const span = fc.record({
  name: fc.string({ unit: 'binary', maxLength: 20 }),
  context,
  startTime: time,
  endTime: time,
  attributes,
  events: fc.array(fc.record({ name: fc.string({ maxLength: 5 }), time, attributes }), { maxLength: 2 }),
  links: fc.array(fc.record({ context, attributes }), { maxLength: 2 }),
})

const traces = fc
  .array(fc.tuple(resource, scope, fc.array(span, { maxLength: 6 })), { maxLength: 3 })
  .map((groups) =>
    groups.flatMap(([of, instrumentationScope, spans]) =>
      spans.map(
        ({ context: own, ...rest }): ReadableSpan => ({
          ...rest,
          kind: SpanKind.SERVER,
          spanContext: () => own,
          duration: [0, 1],
          status: { code: SpanStatusCode.ERROR, message: 'é' },
          ended: true,
          resource: of,
          instrumentationScope,
          droppedAttributesCount: 0,
          droppedEventsCount: 0,
          droppedLinksCount: 0,
        }),
      ),
    ),
  )
  .map((spans) => ProtobufTraceSerializer.serializeRequest(spans))

const logs = fc
  .array(fc.tuple(resource, scope, time, attributes, value, fc.option(context, { nil: undefined })), {
    maxLength: 8,
  })
  .map((records) =>
    records.map(
      ([of, instrumentationScope, hrTime, all, body, spanContext]): ReadableLogRecord => ({
        hrTime,
        hrTimeObserved: hrTime,
        ...(spanContext === undefined ? {} : { spanContext }),
        severityNumber: 9,
        severityText: 'INFO',
        body,
        resource: of,
        instrumentationScope,
        attributes: all,
        droppedAttributesCount: 0,
      }),
    ),
  )
  .map((records) => ProtobufLogsSerializer.serializeRequest(records))

const histogram = fc.record({
  sum: fc.double({ noNaN: true }),
  counts: fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
})
const metrics = fc
  .tuple(
    resource,
    scope,
    fc.array(fc.tuple(time, attributes, fc.double(), histogram), { minLength: 1, maxLength: 8 }),
  )
  .map(([of, scopeOf, points]): ResourceMetrics => {
    const descriptor = { name: 'm', description: 'é', unit: 's', type: 'COUNTER', valueType: 1, advice: {} }
    const common = { descriptor, aggregationTemporality: AggregationTemporality.CUMULATIVE } as const
    const base = points.map(([startTime, all, number, { sum, counts }]) => ({
      startTime,
      endTime: startTime,
      attributes: all,
      number,
      value: { sum, count: 3, min: 0, max: 1, buckets: { boundaries: [1, 2], counts } },
    }))
    return {
      resource: of,
      scopeMetrics: [
        {
          scope: scopeOf,
          metrics: [
            {
              ...common,
              dataPointType: DataPointType.SUM,
              isMonotonic: true,
              dataPoints: base.map((point) => ({ ...point, value: point.number })),
            },
            {
              ...common,
              dataPointType: DataPointType.GAUGE,
              dataPoints: base.map((point) => ({ ...point, value: point.number })),
            },
            { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: base },
          ],
        },
      ],
    } as ResourceMetrics
  })
  .map((all) => ProtobufMetricsSerializer.serializeRequest(all))

/** The raw fields of a message: tag and value. */
function rawFields(message: Uint8Array): { number: number; raw: string; value: Uint8Array }[] {
  const reader = protobuf.Reader.create(message)
  const found = []
  while (reader.pos < reader.len) {
    const at = reader.pos
    const tag = reader.uint32()
    const valueAt = reader.pos
    reader.skipType(tag & 7)
    const raw = Buffer.from(message.subarray(at, reader.pos)).toString('hex')
    const value =
      (tag & 7) === 2 ? protobuf.Reader.create(message.subarray(valueAt, reader.pos)).bytes() : message
    found.push({ number: tag >>> 3, raw, value })
  }
  return found
}

/** Each Resource* as the raw bytes of its fields, the resource's apart and without attributes of the name `guid`. */
function rawResources(request: Uint8Array, isInput: boolean): string[] {
  return rawFields(request).map(({ value }) => {
    const all = rawFields(value)
    const resources = all.filter(({ number }) => number === 1).flatMap((field) => rawFields(field.value))
    const kept = isInput
      ? resources.filter(({ raw }) => !/^0a(?:..){1,2}0a0467756964/.test(raw))
      : resources.slice(0, -1)
    return [...kept, ...all.filter(({ number }) => number !== 1)].map(({ raw }) => raw).join(' ')
  })
}

const requests: Readonly<Record<Signal, fc.Arbitrary<Uint8Array | undefined>>> = { traces, metrics, logs }

for (const signal of ['traces', 'metrics', 'logs'] as const) {
  test(`${signal}: what the official serializer writes is stamped and cut`, () => {
    let items = 0
    fc.assert(
      fc.property(requests[signal], fc.constantFrom(1 << 20, 2_000, 600), (request, recordBytesMax) => {
        const bytes = Buffer.from(request ?? [])
        const expected = expectedOtlp(signal, decode(signal, bytes), rules)
        const outcome = stampOtlp(kernel, signal, bytes, otlpRulesOf(rules), recordBytesMax)
        if (typeof outcome === 'string') assert.fail(outcome)
        assert.deepEqual(outcome.stamped.refused, [])
        const { name } = requestType(signal).fieldsById[1]!
        for (const [guid, resources] of expected.byGuid) {
          const own = outcome.records.filter((record) => record.guid === guid)
          const joined = listOf(decode(signal, Buffer.concat(own.map((record) => record.value))), name)
          assert.deepEqual(itemPaths(signal, joined), itemPaths(signal, resources))
        }
        if (recordBytesMax === 1 << 20) {
          const written = outcome.records.flatMap(({ value }) => rawResources(value, false))
          assert.deepEqual(
            written.sort(),
            rawResources(bytes, true).sort(),
            'byte for byte, but for the stamp',
          )
        }
        assert.equal(new Set(outcome.records.map(({ guid }) => guid)).size, expected.byGuid.size)
        items += expected.items
      }),
      propertyBounds(),
    )
    assert.ok(items > 0)
  })
}
