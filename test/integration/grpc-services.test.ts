/** Health and reflection, asked by the official client with the messages of proto/. */
import assert from 'node:assert/strict'
import test from 'node:test'
import * as grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import 'protobufjs/ext/descriptor.js'
import { limits } from '../../src/limits.ts'
import { lengthDelimited } from '../../src/wire/protobuf.ts'
import { GrpcClient, listen, SERVICE } from '../support/grpc-fixture.ts'
import { protoRoot } from '../support/proto.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 10_000
const TRACES = 'opentelemetry.proto.collector.trace.v1.TraceService'

const root = protoRoot(['grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto'])
type Json = Record<string, unknown>

function codec(name: string): { write: (value: Json) => Buffer; read: (bytes: Buffer) => Json } {
  const type = root.lookupType(name)
  return {
    write: (value) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    read: (bytes) => type.toObject(type.decode(bytes), { enums: String, longs: Number }),
  }
}

const healthRequest = codec('grpc.health.v1.HealthCheckRequest')
const healthResponse = codec('grpc.health.v1.HealthCheckResponse')

test('health is told for the server and each service, and an unknown one is NOT_FOUND', async (t) => {
  let isServing = true
  const { port, stop } = await listen(undefined, { isServing: () => isServing })
  t.after(stop)
  const client = new GrpcClient(port)
  const check = async (service: string): Promise<unknown> => {
    const reply = await client.call(healthRequest.write({ service }), {
      path: '/grpc.health.v1.Health/Check',
    })
    return reply.message === undefined ? reply.code : healthResponse.read(reply.message)['status']
  }
  assert.deepEqual([await check(''), await check(SERVICE)], ['SERVING', 'SERVING'])
  assert.equal(await check('nope'), grpc.status.NOT_FOUND)
  isServing = false
  assert.deepEqual([await check(''), await check(SERVICE)], ['NOT_SERVING', 'NOT_SERVING'])
  const list = await client.call(Buffer.alloc(0), { path: '/grpc.health.v1.Health/List' })
  assert.deepEqual(codec('grpc.health.v1.HealthListResponse').read(list.message!), {
    statuses: { '': { status: 'NOT_SERVING' }, [SERVICE]: { status: 'NOT_SERVING' } },
  })
  client.close()
})

test('a watcher is told now and at each change, and that the server stops', async () => {
  let isServing = true
  const { listener, port } = await listen(undefined, { isServing: () => isServing })
  const { client } = new GrpcClient(port)
  const watch = (service: string): { seen: unknown[]; ended: Promise<number> } => {
    const seen: unknown[] = []
    const call = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      healthRequest.write,
      healthResponse.read,
      { service },
    )
    call.on('data', (answer: Json) => seen.push(answer['status']))
    const ended = new Promise<number>((resolve) => {
      call.on('error', ({ code }: grpc.ServiceError) => resolve(code))
    })
    return { seen, ended }
  }
  const known = watch('')
  const unknown = watch('nope')
  await until('both are told', WAIT_MS, () => known.seen.length === 1 && unknown.seen.length === 1)
  isServing = false
  await until('a change is told', WAIT_MS, () => known.seen.length === 2)
  isServing = true
  await until('another change is told', WAIT_MS, () => known.seen.length === 3)
  await listener.drain()
  assert.deepEqual(known.seen, ['SERVING', 'NOT_SERVING', 'SERVING'])
  assert.deepEqual(unknown.seen, ['SERVICE_UNKNOWN'])
  assert.deepEqual(
    [await known.ended, await unknown.ended],
    [grpc.status.UNAVAILABLE, grpc.status.UNAVAILABLE],
  )
  client.close()
})

test('watchers of one connection are bounded', async (t) => {
  const { port, stop } = await listen()
  t.after(stop)
  const { client } = new GrpcClient(port)
  const codes: number[] = []
  const calls = Array.from({ length: limits.grpcServiceStreamsMax + 1 }, () => {
    const call = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      healthRequest.write,
      healthResponse.read,
      {},
    )
    return call.on('error', ({ code }: grpc.ServiceError) => codes.push(code))
  })
  await until('one is refused', WAIT_MS, () => codes.length > 0)
  assert.deepEqual(codes, [grpc.status.UNAVAILABLE])
  for (const call of calls) call.cancel()
  client.close()
})

/** Asks each question on one stream, in turn. */
async function reflect(port: number, version: string, questions: readonly Json[]): Promise<Json[]> {
  const { client } = new GrpcClient(port)
  const call = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    codec('grpc.reflection.v1.ServerReflectionRequest').write,
    codec('grpc.reflection.v1.ServerReflectionResponse').read,
  )
  const answers: Json[] = []
  call.on('data', (answer: Json) => answers.push(answer))
  for (const question of questions) call.write(question)
  call.end()
  const status = await new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve))
  assert.equal(status.code, grpc.status.OK, status.details)
  client.close()
  return answers
}

for (const version of ['v1', 'v1alpha']) {
  test(`reflection ${version} tells the services, and the messages well enough to build a client from`, async (t) => {
    const { port, stop } = await listen(undefined, { services: [TRACES] })
    t.after(stop)
    const [list, symbol, file] = await reflect(port, version, [
      { host: 'here', listServices: '*' },
      { fileContainingSymbol: `${TRACES}.Export` },
      { fileByFilename: 'grpc/health/v1/health.proto' },
    ])
    assert.equal(list!['validHost'], 'here')
    assert.deepEqual((list!['listServicesResponse'] as Json)['service'], [
      { name: TRACES },
      { name: 'grpc.health.v1.Health' },
      { name: 'grpc.reflection.v1.ServerReflection' },
      { name: 'grpc.reflection.v1alpha.ServerReflection' },
    ])
    const rebuilt = rootOf(symbol!)
    const method = rebuilt.lookupService(TRACES).methods['Export']!
    const request = rebuilt.lookupType(method.requestType)
    const spans = { resource_spans: [{ scope_spans: [{ spans: [{ name: 'hello', kind: 2 }] }] }] }
    const bytes = request.encode(request.fromObject(spans)).finish()
    assert.deepEqual(request.toObject(request.decode(bytes), { enums: Number }), spans)
    const list2 = rootOf(file!).lookupType('grpc.health.v1.HealthListResponse')
    assert.ok(list2.fields['statuses'] instanceof protobuf.MapField)
  })
}

function rootOf(answer: Json): protobuf.Root {
  const files = (answer['fileDescriptorResponse'] as { fileDescriptorProto: Uint8Array[] })
    .fileDescriptorProto
  const set = Buffer.concat(files.map((bytes) => lengthDelimited(1, Buffer.from(bytes))))
  return protobuf.Root.fromDescriptor(set, { keepCase: true })
}

test('reflection says what it does not know, and stays', async (t) => {
  const { port, stop } = await listen(undefined, { services: [TRACES] })
  t.after(stop)
  const answers = await reflect(port, 'v1', [
    { fileByFilename: 'nope.proto' },
    { fileByFilename: 'prometheus/write/v2.proto' },
    { fileContainingSymbol: `${TRACES}.Nope` },
    { fileContainingExtension: { containingType: TRACES, extensionNumber: 7 } },
    { allExtensionNumbersOfType: 'nope' },
    { allExtensionNumbersOfType: 'opentelemetry.proto.trace.v1.Span' },
    { listServices: '' },
  ])
  const codes = answers.map((answer) => (answer['errorResponse'] as Json | undefined)?.['errorCode'])
  const { NOT_FOUND } = grpc.status
  assert.deepEqual(codes, [NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND, undefined, undefined])
  assert.deepEqual(answers[0]!['originalRequest'], { fileByFilename: 'nope.proto' })
})
