/** OTLP over HTTP whose headers, coding or type are wrong, requests of another protocol, and JSON in all its spellings. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  constants as zlib,
  zstdCompressSync,
} from 'node:zlib'
import { fullRequest, jsonOf } from '../support/otlp-full.ts'
import { decodeOtlp, encodeOtlp, type OtlpSignal, otlpSignals } from '../support/otlp-items.ts'
import { RawGrpc } from '../support/otlp-raw-grpc.ts'
import { callOtlp, closeGrpcClients, exportRequest, grpcPath } from '../support/otlp-send.ts'
import { OtlpWorld, toldByHttp } from '../support/otlp-world.ts'
import { messageV1, series, snappy } from '../support/senders.ts'

const world = await OtlpWorld.start({ after })
after(closeGrpcClients)
const MiB = 1024 ** 2
const quickBrotli = (body: Buffer): Buffer =>
  brotliCompressSync(body, { params: { [zlib.BROTLI_PARAM_QUALITY]: 1 } })
const protobufType = { 'content-type': 'application/x-protobuf' } as const
const jsonType = { 'content-type': 'application/json' } as const

const request = (signal: OtlpSignal, id: string): object =>
  exportRequest(signal, { attributes: { guid: 'team-a' }, ids: [id] })
const protobufOf = (signal: OtlpSignal, id: string): Buffer => encodeOtlp(signal, request(signal, id))
const jsonTextOf = (signal: OtlpSignal, id: string): Buffer =>
  Buffer.from(JSON.stringify(request(signal, id)))

test('content types: parameters and case do not matter; others are refused with 415 and the two that are taken', async () => {
  world.forget()
  for (const type of [
    'application/x-protobuf; charset=utf-8',
    'APPLICATION/X-PROTOBUF;a=b',
    ' application/x-protobuf ',
  ]) {
    const reply = await world.sender.post('/v1/traces', protobufOf('traces', type), { 'content-type': type })
    assert.equal(toldByHttp('traces', 'protobuf', reply).code, 0)
    assert.equal(world.recordsWith('traces', type).length, 1)
  }
  for (const type of ['application/json; charset=utf-8', 'Application/Json']) {
    const reply = await world.sender.post('/v1/logs', jsonTextOf('logs', type), { 'content-type': type })
    assert.equal(toldByHttp('logs', 'json', reply).code, 0)
    assert.equal(world.recordsWith('logs', type).length, 1)
  }
  const before = await world.refused('content_type')
  const unknown = [
    '',
    'text/plain',
    'application/protobuf',
    'application/jsonx',
    'application/x-protobufx',
    'application/grpc',
    `application/${'x'.repeat(5000)}`,
  ]
  for (const type of unknown) {
    for (const signal of otlpSignals) {
      const reply = await world.sender.post(
        `/v1/${signal}`,
        protobufOf(signal, 'unknown'),
        type === '' ? {} : { 'content-type': type },
      )
      assert.equal(reply.status, 415, type)
      assert.match(
        reply.body.toString(),
        /^GP_TYPE_UNSUPPORTED: Content-Type \S+ is not one of application\/x-protobuf, application\/json\n$/,
      )
    }
  }
  assert.equal(await world.refused('content_type'), before + unknown.length * 3)
  for (const signal of otlpSignals) assert.equal(world.recordsWith(signal, 'unknown').length, 0)
  await world.assertWell()
})

test('a body of one type under the name of the other is refused, and its sender is told what was expected', async () => {
  world.forget()
  for (const signal of otlpSignals) {
    const asJson = await world.send('json', signal, protobufOf(signal, 'mixed'))
    assert.equal(asJson.code, 3)
    assert.match(asJson.text, /^GP_BODY_MALFORMED: the body is not OTLP JSON: /)
    const asProtobuf = await world.send('protobuf', signal, jsonTextOf(signal, 'mixed'))
    assert.equal(asProtobuf.code, 3)
    assert.match(asProtobuf.text, /^GP_BODY_MALFORMED: the body is not a well-formed Export/)
  }
  await world.assertWell()
})

test('nothing is a request without items; what is no object is refused', async () => {
  world.forget()
  for (const signal of otlpSignals) {
    for (const transport of ['grpc', 'protobuf', 'json'] as const) {
      assert.equal((await world.send(transport, signal, Buffer.alloc(0))).code, 0, transport)
    }
    const key = { traces: 'resourceSpans', metrics: 'resourceMetrics', logs: 'resourceLogs' }[signal]
    const empty = [
      '{}',
      ' {\n} ',
      `{"${key}":[]}`,
      `{"${key}":null}`,
      `{"${key}":[{}]}`,
      `{"${key}":[{"resource":null}]}`,
    ]
    for (const body of empty)
      assert.equal((await world.send('json', signal, Buffer.from(body))).code, 0, body)
    const wrong = [
      ...[
        'null',
        '[]',
        '[{}]',
        '0',
        '"{}"',
        'true',
        '{',
        '}',
        '{}{}',
        '{} x',
        '{"a"}',
        "{'a':1}",
        '{"a":1,}',
        '\0',
      ],
      ...[`{"${key}":{}}`, `{"${key}":[null]}`, `{"${key}":"x"}`, `{"${key}":[[]]}`, '{"a":01}', '{"a":NaN}'],
    ]
    const before = await world.refused('body_malformed')
    for (const body of wrong) {
      const told = await world.send('json', signal, Buffer.from(body))
      assert.equal(told.code, 3, `${body}: ${told.text}`)
      assert.match(told.text, /^GP_BODY_MALFORMED: the body is not OTLP JSON: .*byte \d+/)
    }
    assert.equal(await world.refused('body_malformed'), before + wrong.length)
  }
  assert.deepEqual(world.stored, [])
  await world.assertWell()
})

test('bodies of another signal or protocol are refused at each endpoint', async () => {
  world.forget()
  for (const signal of otlpSignals) {
    for (const other of otlpSignals.filter((one) => one !== signal)) {
      for (const transport of ['grpc', 'protobuf'] as const) {
        const told = await world.send(transport, signal, encodeOtlp(other, fullRequest[other]))
        assert.equal(told.code, 3, `${other} at ${signal} over ${transport}: ${told.text}`)
      }
      // Keys that are not known are left out: a request of another signal has no items, as the specification has it.
      assert.equal((await world.send('json', signal, jsonTextOf(other, 'other'))).code, 0)
    }
    const remoteWrite = messageV1(series('team-a', 'rw'))
    for (const transport of ['grpc', 'protobuf'] as const) {
      const told = await world.send(transport, signal, remoteWrite)
      assert.equal(told.code, 3, `remote write at ${signal}: ${told.text}`)
    }
    const reply = await world.sender.post(`/v1/${signal}`, snappy(remoteWrite), {
      ...protobufType,
      'content-encoding': 'snappy',
    })
    assert.equal(reply.status, 415)
    assert.match(
      toldByHttp(signal, 'protobuf', reply).text,
      /^GP_ENCODING_UNSUPPORTED: Content-Encoding snappy is not one of gzip, deflate, zstd, br, identity/,
    )
  }
  assert.deepEqual(world.stored, [])
  await world.assertWell()
})

test('codings: each is undone; unknown ones get 415 in the type of the request, broken ones 400', async () => {
  world.forget()
  const compress: Readonly<Record<string, (body: Buffer) => Buffer>> = {
    gzip: gzipSync,
    deflate: deflateSync,
    zstd: zstdCompressSync,
    br: brotliCompressSync,
    GZIP: gzipSync,
    ' identity ': (body) => body,
  }
  for (const [coding, by] of Object.entries(compress)) {
    for (const [type, body] of [
      ['protobuf', protobufOf('traces', `p ${coding}`)],
      ['json', jsonTextOf('traces', `j ${coding}`)],
    ] as const) {
      const told = await world.send(type, 'traces', by(body), { headers: { 'content-encoding': coding } })
      assert.deepEqual([told.code, told.text], [0, ''], coding)
      assert.equal(world.recordsWith('traces', `${type[0]} ${coding}`).length, 1)
    }
  }
  const bare = await world.send('protobuf', 'traces', deflateRawSync(protobufOf('traces', 'bare')), {
    headers: { 'content-encoding': 'deflate' },
  })
  assert.equal(bare.code, 0)
  const count = world.stored.length
  const before = await world.refused('content_encoding')
  for (const type of ['protobuf', 'json'] as const) {
    for (const coding of ['snappy', 'lz4', 'gzip, gzip', 'compress', 'x'.repeat(2000)]) {
      const told = await world.send(type, 'traces', gzipSync(protobufOf('traces', 'x')), {
        headers: { 'content-encoding': coding },
      })
      assert.equal(told.status, 415)
      assert.match(
        told.text,
        /^GP_ENCODING_UNSUPPORTED: Content-Encoding .* is not one of gzip, deflate, zstd, br, identity$/,
      )
      assert.ok(told.text.length < 300)
    }
    for (const coding of ['gzip', 'deflate', 'zstd', 'br']) {
      for (const body of [
        protobufOf('traces', 'plain'),
        Buffer.of(0),
        Buffer.alloc(70_000, 7),
        gzipSync(Buffer.alloc(100)).subarray(0, 15),
      ]) {
        const told = await world.send(type, 'traces', body, { headers: { 'content-encoding': coding } })
        assert.equal(told.code, 3, `${coding}: ${told.text}`)
        assert.match(told.text, new RegExp(`^GP_BODY_MALFORMED: .*${coding}`))
      }
    }
  }
  assert.equal(await world.refused('content_encoding'), before + 10)
  assert.equal(world.stored.length, count)
  await world.assertWell()
})

test('grpc: unknown encodings are UNIMPLEMENTED, broken ones INVALID_ARGUMENT', async () => {
  world.forget()
  const grpc = await RawGrpc.connect(world.fixture.portOf('otlpGrpc'))
  const message = protobufOf('traces', 'grpc')
  const send = (coding: string, body: Buffer) =>
    grpc.call(grpcPath('traces'), body, { 'grpc-encoding': coding })
  for (const coding of ['snappy', 'lz4', 'br']) {
    const reply = await send(coding, message)
    assert.equal(reply.grpcStatus, 12, coding)
    assert.match(reply.message, /^GP_ENCODING_UNSUPPORTED: /)
  }
  for (const [coding, by] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    assert.equal((await send(coding, by(message))).grpcStatus, 0, coding)
    for (const body of [message, by(message).subarray(0, 20), Buffer.concat([by(message), Buffer.of(1)])]) {
      const reply = await send(coding, body)
      assert.equal(reply.grpcStatus, 3, `${coding}: ${reply.message}`)
      assert.match(reply.message, /^GP_BODY_MALFORMED: /)
    }
  }
  await grpc.close()
  await world.assertWell()
})

test('sizes: each text names the key of the limit, and both sizes where they are known', async () => {
  world.forget()
  const plain = Buffer.alloc(33 * MiB)
  const post = (body: Buffer, headers: Readonly<Record<string, string>>) =>
    world.sender.post('/v1/traces', body, headers)
  const whole = toldByHttp('traces', 'protobuf', await post(plain, protobufType))
  assert.deepEqual([whole.code, whole.status], [8, 413])
  assert.match(
    whole.text,
    /^GP_BODY_TOO_LARGE: the body has 34603008 bytes.* the limit is 33554432 \(limits\.bodyBytes\)/,
  )
  for (const [coding, by] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['br', quickBrotli],
    ['deflate', deflateSync],
  ] as const) {
    const told = toldByHttp(
      'traces',
      'protobuf',
      await post(by(plain), { ...protobufType, 'content-encoding': coding }),
    )
    assert.deepEqual([told.code, told.status], [8, 413])
    assert.match(
      told.text,
      /^GP_BODY_TOO_LARGE: the body inflates to more than 33554432 bytes \(limits\.inflatedBytes\)/,
    )
  }
  // JSON keeps the thread to itself while it is read, and has a bound of its own.
  const bounds = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[${'1,'.repeat(5_000_000)}1]}]}}]}]}]}`
  const long = toldByHttp(
    'metrics',
    'json',
    await world.sender.post('/v1/metrics', Buffer.from(bounds), jsonType),
  )
  assert.deepEqual([long.code, long.status], [8, 413])
  assert.match(long.text, /^GP_BODY_TOO_LARGE: the body has 10000108 bytes of JSON, the limit is 8388608; /)

  const grpc = await RawGrpc.connect(world.fixture.portOf('otlpGrpc'))
  const large = await callOtlp(world.fixture.portOf('otlpGrpc'), 'traces', Buffer.alloc(17 * MiB))
  assert.equal(large.grpcStatus, 8)
  assert.match(large.text, /^GP_BODY_TOO_LARGE: .*17825792 bytes.*16777216.*limits\.messageBytes/)
  for (const [coding, by] of [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['deflate', deflateSync],
  ] as const) {
    const reply = await grpc.call(grpcPath('traces'), by(Buffer.alloc(17 * MiB)), { 'grpc-encoding': coding })
    assert.equal(reply.grpcStatus, 8)
    assert.match(reply.message, /^GP_BODY_TOO_LARGE: .*16777216 bytes.*limits\.messageBytes/)
  }
  await grpc.close()
  await world.assertWell()
})

test('profiles: UNIMPLEMENTED and 404, with the reason, for every kind of sender', async () => {
  const before = await world.refused('profiles')
  for (const [type, headers] of [
    ['protobuf', protobufType],
    ['json', jsonType],
  ] as const) {
    const reply = await world.sender.post('/v1development/profiles', Buffer.from('{}'), headers)
    const told = toldByHttp('traces', type, reply)
    assert.deepEqual([told.code, told.status], [12, 404])
    assert.match(told.text, /^GP_PATH: profiles are not taken: /)
  }
  assert.equal(await world.refused('profiles'), before + 2)
  await world.assertWell()
})

test('JSON: numbers, ids and keys in every spelling become the same message, exactly', async () => {
  world.forget()
  const resource = { attributes: [{ key: 'guid', value: { stringValue: 'team-j' } }] }
  const expected = {
    resourceSpans: [
      {
        resource,
        scopeSpans: [
          {
            spans: [
              {
                traceId: Buffer.from('0aF0bc0000000000000000000000ffee', 'hex'),
                spanId: Buffer.from('0aF0bc00000000ff', 'hex'),
                startTimeUnixNano: '9007199254740993',
                endTimeUnixNano: '18446744073709551615',
                kind: 3,
                attributes: [
                  { key: 'test.id', value: { stringValue: 'exact' } },
                  { key: 'n', value: { intValue: '-9223372036854775808' } },
                ],
                droppedAttributesCount: 5,
              },
            ],
          },
        ],
      },
    ],
  }
  const attributes = (min: string) =>
    `"attributes":[{"key":"test.id","value":{"stringValue":"exact"}},{"key":"n","value":{"intValue":${min}}}]`
  const around = (span: string) =>
    `{"resourceSpans":[{"resource":${JSON.stringify(resource)},"scopeSpans":[{"spans":[${span}]}]}]}`
  const spellings = [
    around(
      `{"traceId":"0aF0bc0000000000000000000000ffee","spanId":"0AF0BC00000000FF","startTimeUnixNano":9007199254740993,"endTimeUnixNano":18446744073709551615,"kind":3,${attributes('-9223372036854775808')},"droppedAttributesCount":5}`,
    ),
    around(
      `{"traceId":"0AF0BC0000000000000000000000FFEE","spanId":"0af0bc00000000ff","startTimeUnixNano":"9007199254740993","endTimeUnixNano":"18446744073709551615","kind":"SPAN_KIND_CLIENT",${attributes('"-9223372036854775808"')},"droppedAttributesCount":"5"}`,
    ),
    around(
      `{"trace_id":"0af0bc0000000000000000000000ffee","span_id":"0af0bc00000000ff","start_time_unix_nano":9007199254740993,"end_time_unix_nano":"18446744073709551615","kind":3.0,${attributes('-9223372036854775808')},"dropped_attributes_count":5e0}`,
    )
      .replace('scopeSpans', 'scope_spans')
      .replace('resourceSpans', 'resource_spans')
      .replaceAll('stringValue', 'string_value'),
    around(
      `{"\\u0074raceId":"0af0bc0000000000000000000000ffee","spanId":"0af0bc00000000ff","kind":1,"kind":3,"startTimeUnixNano":9007199254740993,"endTimeUnixNano":18446744073709551615,"later":{"a":[1,{}]},"name":null,${attributes('-9223372036854775808')},"droppedAttributesCount":1,"droppedAttributesCount":5}`,
    ),
  ]
  for (const body of spellings) {
    world.forget()
    const told = await world.send('json', 'traces', Buffer.from(body))
    assert.deepEqual([told.code, told.text], [0, ''], body)
    const [record] = world.recordsWith('traces', 'exact')
    assert.deepEqual(
      record,
      { guid: 'team-j', message: decodeOtlp('traces', encodeOtlp('traces', expected)) },
      body,
    )
  }
  for (const signal of otlpSignals) {
    world.forget()
    assert.equal(
      (
        await world.send('json', signal, Buffer.from(jsonOf(fullRequest[signal])), {
          headers: { 'x-guid': 'a' },
        })
      ).code,
      0,
    )
    const fromJson = world.stored.map(({ value }) => decodeOtlp(signal, value))
    world.forget()
    assert.equal(
      (
        await world.send('protobuf', signal, encodeOtlp(signal, fullRequest[signal]), {
          headers: { 'x-guid': 'a' },
        })
      ).code,
      0,
    )
    assert.deepEqual(
      fromJson,
      world.stored.map(({ value }) => decodeOtlp(signal, value)),
    )
  }
  await world.assertWell()
})

test('JSON: a forged guid in keys that come twice or are spelled otherwise is found', async () => {
  const bodies = [
    '{"resourceLogs":[{"resource":{"attributes":[{"key":"zone","value":{"stringValue":"z"}}]},"resource":{"attributes":[{"key":"guid","value":{"stringValue":"evil"}}]},"scopeLogs":[{"logRecords":[{}]}]}]}',
    '{"resource_logs":[{"resource":{"attributes":[{"key":"a","key":"guid","value":{"string_value":"evil"}},{"key":"zone","value":{"stringValue":"z"}}]},"scope_logs":[{"log_records":[{}]}]}]}',
    '{"resourceLogs":[{"resource":{"attributes":[{"key":"\\u0067uid","value":{"stringValue":"good"},"value":{"stringValue":"evil"}}],"attributes":[{"key":"zone","value":{"stringValue":"z"}}]},"scopeLogs":[{"logRecords":[{}]}]}]}',
    '{"resourceLogs":[{"r\\u0065source":{"\\u0061ttributes":[{"k\\u0065y":"guid","value":{"arrayValue":{"values":[{"stringValue":"evil"}]}}},{"key":"zone","value":{"stringValue":"z"}}]},"scopeLogs":[{"logRecords":[{}]}]}]}',
  ]
  for (const body of bodies) {
    world.forget()
    assert.equal(
      (await world.send('json', 'logs', Buffer.from(body), { headers: { 'x-guid': 'team-true' } })).code,
      0,
      body,
    )
    const [record] = world.stored
    assert.equal(record?.guid, 'team-true')
    assert.ok(!record.value.includes('evil'))
    const expected = {
      resourceLogs: [
        {
          resource: {
            attributes: ['zone z', 'guid team-true'].map((pair) => ({
              key: pair.split(' ')[0],
              value: { stringValue: pair.split(' ')[1] },
            })),
          },
          scopeLogs: [{ logRecords: [{}] }],
        },
      ],
    }
    assert.deepEqual(decodeOtlp('logs', record.value), decodeOtlp('logs', encodeOtlp('logs', expected)), body)
  }
  await world.assertWell()
})

test('JSON: what cannot be meant is refused at its place', async () => {
  const span = (fields: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      span('"traceId":"xyz0"'),
      /resourceSpans\[0\]\.scopeSpans\[0\]\.spans\[0\]\.traceId: expected hexadecimal digits/,
    ],
    [span('"traceId":"abc"'), /traceId: expected an even number of hexadecimal digits/],
    [span('"kind":"CLIENT"'), /kind: expected a number, or a name like SPAN_KIND_/],
    [span('"kind":1.5'), /expected an integer, found a fraction/],
    [
      span('"startTimeUnixNano":18446744073709551616'),
      /expected what an unsigned integer of 64 bits can hold/,
    ],
    [span('"startTimeUnixNano":-1'), /expected what an unsigned integer/],
    [span('"startTimeUnixNano":true'), /expected an integer/],
    [span('"name":5'), /name: .*a string/],
    [span('"attributes":{}'), /attributes: .*a list/],
  ]
  const before = await world.refused('body_malformed')
  let refusals = 0
  for (const [body, expected] of cases) {
    const told = await world.send('json', 'traces', Buffer.from(body))
    refusals++
    assert.equal(told.code, 3, body)
    assert.match(told.text, /^GP_BODY_MALFORMED: the body is not OTLP JSON: /)
    assert.match(told.text, expected)
    assert.equal(told.text.match(/byte \d+/g)?.length, 1, `the place stands there once: ${told.text}`)
  }
  assert.ok((await world.refused('body_malformed')) >= before + refusals)
  await world.assertWell()
})
