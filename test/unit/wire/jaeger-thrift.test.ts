/** Jaeger's Thrift to OTLP: what no well-behaved encoder writes, and the limits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TProtocol } from 'thrift'
import type { Translation } from '../../../src/wire/kernel.ts'
import { jaegerTranslation } from '../../../src/wire/translations/jaeger.ts'
import {
  decodeProto,
  encodeThrift,
  field,
  list,
  struct,
  thriftTypes as Type,
  writeI32,
  writeI64,
  writeLog,
  writeProcess,
  writeSpan,
  writeSpanHead,
  writeSpanTimes,
  writeTag,
  writeText,
  writtenBy,
} from '../../support/jaeger-encode.ts'
import { assertRefused, otlpSpans, plainSpan, translation } from '../../support/jaeger-translate.ts'
import type { JaegerBatch, JaegerSpan, JaegerTag } from '../../support/random-jaeger.ts'

const us = 1_000n
const text = (key: string, value: string): JaegerTag => ({ key, type: 'string', value })
const process = { serviceName: 'cart', tags: [text('ip', '10.0.0.7')] }
const other = { serviceName: 'checkout', tags: [] }
const full: JaegerSpan = plainSpan({
  parentSpanId: Buffer.from('c3'.repeat(8), 'hex'),
  references: [{ type: 'follows_from', traceId: Buffer.alloc(16, 0xd4), spanId: Buffer.alloc(8, 0xe5) }],
  logs: [{ timeUs: 1_795_267_000_000_001n, fields: [text('event', 'cache miss'), text('level', 'info')] }],
})
const small: JaegerBatch = { process, spans: [full] }

for (const protocol of ['binary', 'compact'] as const) {
  const form = `thrift_${protocol}` as const
  const toOtlp = jaegerTranslation(form, 'otlp')
  const spansOf = (payload: Buffer) => otlpSpans(form, payload)
  const written = (write: (output: TProtocol) => void): Buffer =>
    writtenBy(protocol, (output) => struct(output, () => write(output)))
  const batchField = (output: TProtocol, spans: readonly (() => void)[]): void => {
    field(output, Type.STRUCT, 1, () => writeProcess(output, process))
    list(output, 2, spans, (_output, write) => struct(output, write))
  }
  /** A batch with one span of the fields that `write` writes. */
  const withSpan = (write: (output: TProtocol) => void): Buffer =>
    written((output) => batchField(output, [() => write(output)]))
  const bytes = encodeThrift(protocol, small)

  test(`${protocol}: the order of the fields does not matter`, () => {
    const backwards = written((output) => {
      list(output, 2, [full], () =>
        struct(output, () => {
          list(output, 11, full.logs, writeLog)
          list(output, 10, full.tags, writeTag)
          writeSpanTimes(output, full)
          list(output, 6, full.references, (_output, { traceId, spanId }) =>
            struct(output, () => {
              writeI64(output, 4, spanId.readBigInt64BE())
              writeI64(output, 3, traceId.readBigInt64BE(0))
              writeI64(output, 2, traceId.readBigInt64BE(8))
              writeI32(output, 1, 1)
            }),
          )
          writeSpanHead(output, full)
        }),
      )
      field(output, Type.STRUCT, 1, () => writeProcess(output, process))
    })
    assert.deepEqual(spansOf(backwards), spansOf(bytes))
  })

  test(`${protocol}: logs between the other fields are events all the same`, () => {
    const between = withSpan((output) => {
      writeSpanHead(output, full)
      writeSpanTimes(output, full)
      list(output, 11, full.logs, writeLog)
      list(output, 6, full.references, (_output, { traceId, spanId }) =>
        struct(output, () => {
          writeI32(output, 1, 1)
          writeI64(output, 2, traceId.readBigInt64BE(8))
          writeI64(output, 3, traceId.readBigInt64BE(0))
          writeI64(output, 4, spanId.readBigInt64BE())
        }),
      )
      list(output, 10, full.tags, writeTag)
    })
    assert.deepEqual(spansOf(between), spansOf(bytes))
  })

  test(`${protocol}: of repeated fields the last one counts`, () => {
    const payload = written((output) => {
      field(output, Type.STRUCT, 1, () => writeProcess(output, process))
      list(output, 2, [full, full], writeSpan)
      field(output, Type.STRUCT, 1, () => writeProcess(output, other))
      list(output, 2, [full], writeSpan)
    })
    assert.deepEqual(spansOf(payload), spansOf(encodeThrift(protocol, { process: other, spans: [full] })))
    const span = withSpan((output) => {
      writeSpanHead(output, plainSpan({ operationName: 'GET /basket' }))
      list(output, 10, [text('a', '1')], writeTag)
      writeSpanHead(output, full)
      writeSpanTimes(output, full)
      list(output, 11, [...full.logs, ...full.logs], writeLog)
      list(output, 10, full.tags, writeTag)
      list(output, 11, full.logs, writeLog)
    })
    assert.deepEqual(
      spansOf(span),
      spansOf(encodeThrift(protocol, { process, spans: [{ ...full, references: [] }] })),
    )
  })

  test(`${protocol}: a batch, span, log, tag, reference or process without a required field is refused`, () => {
    const head = (output: TProtocol): void => {
      writeSpanHead(output, full)
      writeSpanTimes(output, full)
    }
    assert.equal(spansOf(withSpan(head)).length, 1)
    const without: ((output: TProtocol) => void)[] = [
      (output) => writeSpanHead(output, full),
      (output) => writeSpanTimes(output, full),
    ]
    for (const write of without) assertRefused(toOtlp, withSpan(write), 'thrift')
    const lists: ((output: TProtocol) => void)[] = [
      (output) => list(output, 10, [0], () => struct(output, () => writeText(output, 1, 'key'))),
      (output) => list(output, 10, [0], () => struct(output, () => writeI32(output, 2, 0))),
      (output) => list(output, 11, [0], () => struct(output, () => writeI64(output, 1, 5n))),
      (output) => list(output, 11, [0], () => struct(output, () => list(output, 2, [], writeTag))),
      (output) => list(output, 6, [0], () => struct(output, () => writeI64(output, 4, 5n))),
    ]
    for (const write of lists) {
      const payload = withSpan((output) => {
        head(output)
        write(output)
      })
      assertRefused(toOtlp, payload, 'thrift')
    }
    const noName = written((output) => {
      field(output, Type.STRUCT, 1, () => struct(output, () => list(output, 2, [], writeTag)))
      list(output, 2, [full], writeSpan)
    })
    assertRefused(toOtlp, noName, 'thrift')
    assertRefused(
      toOtlp,
      written((output) => list(output, 2, [full], writeSpan)),
      'thrift',
    )
    const noSpans = written((output) => field(output, Type.STRUCT, 1, () => writeProcess(output, process)))
    assertRefused(toOtlp, noSpans, 'thrift')
  })

  test(`${protocol}: unknown fields, and known ones of another type, are passed over`, () => {
    const payload = withSpan((output) => {
      writeSpanHead(output, full)
      writeSpanTimes(output, full)
      field(output, Type.BOOL, 1, () => output.writeBool(true))
      writeText(output, 8, 'yesterday')
      writeI32(output, 10, 7)
      field(output, Type.BYTE, 20, () => output.writeByte(1))
      field(output, Type.I16, 21, () => output.writeI16(-1))
      field(output, Type.DOUBLE, 22, () => output.writeDouble(1.5))
      field(output, Type.BOOL, 300, () => output.writeBool(false))
      field(output, Type.SET, 301, () => {
        output.writeSetBegin(Type.STRING, 2)
        output.writeString('a')
        output.writeString('b')
        output.writeSetEnd()
      })
      field(output, Type.MAP, 302, () => {
        output.writeMapBegin(Type.STRING, Type.LIST, 1)
        output.writeString('key')
        output.writeListBegin(Type.BOOL, 3)
        for (const value of [true, false, true]) output.writeBool(value)
        output.writeListEnd()
        output.writeMapEnd()
      })
      field(output, Type.MAP, 303, () => {
        output.writeMapBegin(Type.I64, Type.I64, 0)
        output.writeMapEnd()
      })
      field(output, Type.STRUCT, 304, () => struct(output, () => writeText(output, 1, 'inside')))
    })
    const expected = { ...full, references: [], tags: [], logs: [] }
    assert.deepEqual(spansOf(payload), spansOf(encodeThrift(protocol, { process, spans: [expected] })))
  })

  test(`${protocol}: what is nested too deep is refused, and what is not is passed over`, () => {
    const nested = (levels: number): Buffer =>
      withSpan((output) => {
        writeSpanHead(output, full)
        writeSpanTimes(output, full)
        const deeper = (left: number): void =>
          struct(output, () => {
            if (left > 1) field(output, Type.STRUCT, 1, () => deeper(left - 1))
          })
        field(output, Type.STRUCT, 99, () => deeper(levels))
      })
    assert.equal(spansOf(nested(64)).length, 1)
    assertRefused(toOtlp, nested(65), 'thrift')
    assertRefused(toOtlp, nested(500), 'thrift')
  })

  test(`${protocol}: counts and lengths beyond the bytes that are left are refused at once`, () => {
    const hostile =
      protocol === 'binary'
        ? ['7fffffff', '80000000', 'ffffffff']
        : ['ffffffff07', '8080808008', 'ffffffff0f']
    for (const length of hostile) {
      // The list of spans, and the service's name.
      const listHead = protocol === 'binary' ? '0f00020c' : '19fc'
      const listPayload = written((output) =>
        field(output, Type.STRUCT, 1, () => writeProcess(output, process)),
      ).toString('hex')
      const claimed = `${listPayload.slice(0, -2)}${listHead}${length}${'00'.repeat(64)}`
      assertRefused(toOtlp, Buffer.from(claimed, 'hex'), 'thrift')
      const name = protocol === 'binary' ? `0c00010b0001${length}` : `1c18${length}`
      assertRefused(toOtlp, Buffer.from(`${name}${'00'.repeat(64)}`, 'hex'), 'thrift')
    }
  })

  test(`${protocol}: a batch cut short anywhere is refused, and the fault lies within it`, () => {
    for (let length = 0; length < bytes.length; length++) {
      let faultAt = -1
      const located: Translation = {
        run: (x, at, count) => {
          const code = toOtlp.run(x, at, count)
          faultAt = (x.faultAt.value as number) - at
          return code
        },
      }
      assertRefused(located, bytes.subarray(0, length), 'thrift')
      assert.ok(faultAt >= 0 && faultAt <= length, `fault at ${faultAt} of ${length}`)
      assertRefused(jaegerTranslation(form, 'jaeger'), bytes.subarray(0, length), 'thrift')
    }
    assert.deepEqual(spansOf(Buffer.concat([bytes, Buffer.from('junk')])), spansOf(bytes))
  })

  test(`${protocol}: a tag of an unknown type keeps the value that it has`, () => {
    const payload = withSpan((output) => {
      writeSpanHead(output, full)
      writeSpanTimes(output, full)
      const values: ((output: TProtocol) => void)[] = [
        () => writeText(output, 3, 'v'),
        () => writeI64(output, 6, -7n),
        () => field(output, Type.BOOL, 5, () => output.writeBool(true)),
        () => undefined,
      ]
      const entries = values.map((write, number) => ({ write, key: `k${number}` }))
      list(output, 10, entries, (_output, { write, key }) =>
        struct(output, () => {
          writeText(output, 1, key)
          writeI32(output, 2, 9)
          write(output)
        }),
      )
    })
    const [item] = spansOf(payload)
    assert.deepEqual(item?.span.attributes, [
      ['k0', 'v'],
      ['k1', -7n],
      ['k2', true],
      ['k3', ''],
    ])
  })

  test(`${protocol}: times that OTLP cannot hold are clamped and kept as attributes`, () => {
    const spanAt = (startTimeUs: bigint, durationUs: bigint) => {
      const span = plainSpan({
        startTimeUs,
        durationUs,
        tags: [],
        logs: [{ timeUs: startTimeUs, fields: [] }],
      })
      const item = spansOf(encodeThrift(protocol, { process, spans: [span] }))[0]!
      const { startTimeUnixNano, endTimeUnixNano, attributes, events } = item.span
      return { startTimeUnixNano, endTimeUnixNano, attributes, event: events[0]!.attributes }
    }
    const nanosMax = 2n ** 64n - 1n
    assert.deepEqual(spanAt(5n, -2n), {
      startTimeUnixNano: 5n * us,
      endTimeUnixNano: 3n * us,
      attributes: [],
      event: [],
    })
    assert.deepEqual(spanAt(-5n, 7n), {
      startTimeUnixNano: 0n,
      endTimeUnixNano: 2n * us,
      attributes: [['jaeger.start_time', -5n]],
      event: [['jaeger.timestamp', -5n]],
    })
    assert.deepEqual(spanAt(5n, -7n), {
      startTimeUnixNano: 5n * us,
      endTimeUnixNano: 0n,
      attributes: [['jaeger.duration', -7n]],
      event: [],
    })
    const lastUs = nanosMax / us
    assert.deepEqual(spanAt(lastUs, 2n ** 63n - 1n), {
      startTimeUnixNano: lastUs * us,
      endTimeUnixNano: nanosMax,
      attributes: [['jaeger.duration', 2n ** 63n - 1n]],
      event: [],
    })
    assert.deepEqual(spanAt(lastUs + 1n, 0n), {
      startTimeUnixNano: nanosMax,
      endTimeUnixNano: nanosMax,
      attributes: [
        ['jaeger.start_time', lastUs + 1n],
        ['jaeger.duration', 0n],
      ],
      event: [['jaeger.timestamp', lastUs + 1n]],
    })
  })

  test(`${protocol}: times that Jaeger's readers refuse are clamped and kept as tags`, () => {
    const span = plainSpan({
      startTimeUs: 2n ** 63n - 1n,
      durationUs: -(2n ** 63n),
      tags: [],
      logs: [{ timeUs: -(2n ** 63n), fields: [] }],
    })
    const payload = encodeThrift(protocol, { process, spans: [span] })
    const request = decodeProto(translation(jaegerTranslation(form, 'jaeger'), payload))
    const { spans } = request['batch'] as { spans: { [name: string]: unknown }[] }
    assert.deepEqual(spans[0]!['start_time'], { seconds: '253402300799', nanos: 999_999_000 })
    assert.deepEqual(spans[0]!['duration'], { seconds: '-9223372036', nanos: -854_775_000 })
    const tagsOf = (tags: unknown): unknown[] =>
      (tags as { key: string; v_int64: string }[]).map(({ key, v_int64 }) => [key, v_int64])
    assert.deepEqual(tagsOf(spans[0]!['tags']), [
      ['jaeger.start_time', '9223372036854775807'],
      ['jaeger.duration', '-9223372036854775808'],
    ])
    const [log] = spans[0]!['logs'] as { timestamp: unknown; fields: unknown }[]
    assert.deepEqual(log?.timestamp, { seconds: '-62135596800', nanos: 0 })
    assert.deepEqual(tagsOf(log?.fields), [['jaeger.timestamp', '-9223372036854775808']])
  })

  test(`${protocol}: 100,000 tags on one span are all kept, and repeated keys found, in no long time`, () => {
    const tags = Array.from({ length: 100_000 }, (_, number) => text(`key-${number % 60_000}`, `${number}`))
    const payload = encodeThrift(protocol, { process, spans: [plainSpan({ tags }), plainSpan()] })
    const startedMs = performance.now()
    const [first, second] = spansOf(payload)
    // Looking at each pair would take a minute.
    assert.ok(performance.now() - startedMs < 5_000)
    assert.equal(first?.span.attributes.length, 60_000)
    assert.equal(first?.span.droppedAttributesCount, 40_000)
    assert.deepEqual(first?.span.attributes[0], ['key-0', '60000'])
    assert.equal(second?.span.attributes.length, 1)
  })

  test(`${protocol}: more spans, tags or bytes than the limits are refused as such`, () => {
    const limited = (target: number, items: number, bytesMax: number): Translation => ({
      run: (x, at, count) =>
        x.jaegerThriftTo(protocol === 'binary' ? 0 : 1, target, at, count, items, bytesMax),
    })
    const three = encodeThrift(protocol, { process, spans: [full, full, full] })
    for (const target of [0, 1]) {
      assertRefused(limited(target, 2, 1e6), three, 'items')
      assert.ok(translation(limited(target, 3, 1e6), three).length > 0)
      const whole = translation(limited(target, 3, 1e6), three).length
      assert.equal(translation(limited(target, 3, whole), three).length, whole)
      assertRefused(limited(target, 3, whole - 1), three, 'too_large')
    }
    const tags = Array.from({ length: 300 }, (_, number) => text(`key-${number}`, 'v'))
    const tagged = encodeThrift(protocol, { process, spans: [plainSpan({ tags })] })
    assertRefused(limited(0, 299, 1e6), tagged, 'items')
    assert.equal(translation(limited(0, 300, 1e6), tagged).length > 0, true)
    // Room is asked for in large steps, so the bound is met while it is written, too.
    const large = plainSpan({ tags: [text('large', 'x'.repeat(300_000))] })
    const many = encodeThrift(protocol, { process, spans: Array.from({ length: 10 }, () => large) })
    for (const target of [0, 1]) assertRefused(limited(target, 100, 1e6), many, 'too_large')
  })
}
