/** OTLP that is deep, wide, or much larger than it looks: the program stays within its memory and says what is too much. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { createBrotliCompress, deflateRawSync, constants as zlib } from 'node:zlib'
import { decodeOtlp } from '../support/otlp-items.ts'
import { portOf } from '../support/otlp-program.ts'
import { attribute, field, requestOf, scopeBytes } from '../support/otlp-wire.ts'
import { configWithGuid, OtlpSender, OtlpWorld } from '../support/otlp-world.ts'
import { Running } from '../support/running.ts'

const MiB = 1024 ** 2
const TEN_GB = 10 * 1024 * MiB
const running = await Running.start({ after })
const { program } = running
const sender = new OtlpSender({ grpc: portOf(program, 'otlpGrpc'), http: portOf(program, 'otlpHttp') })
after(() => sender.close())

/** What the program may occupy after requests of 10 MB and more, and after 100,000 records at once. */
const wideBytesMax = 600e6
const residentBytesMax = 900e6

const guid = { headers: { 'x-guid': 'team-a' } }

async function storedBytes(): Promise<number> {
  return (await running.records()).reduce((sum, { value }) => sum + value.length, 0)
}

/** Deflate with nothing but zeros: a block that ends on a byte and refers to nothing before it, again and again. */
function deflateZeros(): Buffer {
  const block = deflateRawSync(Buffer.alloc(64 * MiB), { finishFlush: zlib.Z_FULL_FLUSH })
  return Buffer.concat(Array.from({ length: TEN_GB / (64 * MiB) }, () => block))
}

/** A zstd frame of blocks that repeat one byte (RFC 8878, 3.1.1.2: RLE), 128 KiB of four bytes. */
function zstdZeros(): Buffer {
  const block = Buffer.alloc(4)
  block.writeUIntLE(((128 * 1024) << 3) | 2, 0, 3)
  const head = Buffer.from('28b52ffd0050', 'hex')
  return Buffer.concat([head, Buffer.alloc((TEN_GB / (128 * 1024)) * 4, block)])
}

/** What brotli writes for the third run of zeros stands for each further one. */
async function brotliZeros(): Promise<Buffer> {
  const zeros = Buffer.alloc(16 * MiB)
  const stream = createBrotliCompress({ params: { [zlib.BROTLI_PARAM_QUALITY]: 1 } })
  const runs: Buffer[] = []
  for (let run = 0; run < 3; run++) {
    const parts: Buffer[] = []
    const keep = (part: Buffer): number => parts.push(part)
    stream.on('data', keep)
    stream.write(zeros)
    await new Promise<void>((resolve) => stream.flush(zlib.BROTLI_OPERATION_FLUSH, resolve))
    stream.off('data', keep)
    runs.push(Buffer.concat(parts))
  }
  stream.destroy()
  const [first = zeros, second = zeros, third = zeros] = runs
  return Buffer.concat([first, second, ...Array.from({ length: TEN_GB / zeros.length }, () => third)])
}

test('bombs of 10 GB in each coding, on each transport, cost no more than an honest request', async () => {
  const zeros = deflateZeros()
  const bombs: Readonly<Record<string, Buffer>> = {
    gzip: Buffer.concat([Buffer.from('1f8b0800000000000003', 'hex'), zeros]),
    deflate: Buffer.concat([Buffer.from('789c', 'hex'), zeros]),
    zstd: zstdZeros(),
    br: await brotliZeros(),
  }
  for (const [coding, bomb] of Object.entries(bombs)) {
    const startedMs = performance.now()
    for (const transport of ['grpc', 'protobuf', 'json'] as const) {
      const headers = transport === 'grpc' ? { 'grpc-encoding': coding } : { 'content-encoding': coding }
      if (transport === 'grpc' && coding === 'br') continue
      const told = await sender.send(transport, 'traces', bomb, { headers })
      assert.equal(told.code, 8, `${coding}: ${told.text}`)
      assert.match(
        told.text,
        /^GP_BODY_TOO_LARGE: the body inflates to more than \d+ bytes \(limits\.(?:inflatedBytes|messageBytes)\)/,
      )
    }
    // Together they may be more than fits; then they are told to wait, and nothing breaks.
    const together = await Promise.all(
      Array.from({ length: 4 }, () =>
        sender.send('protobuf', 'traces', bomb, { headers: { 'content-encoding': coding } }),
      ),
    )
    assert.deepEqual(
      together.filter(({ code }) => code !== 8 && code !== 14),
      [],
    )
    assert.ok(performance.now() - startedMs < 5_000, `${coding} took ${performance.now() - startedMs} ms`)
  }
  await running.assertServing()
})

/** An AnyValue with as many lists (5) or maps (6) in each other, an empty text within. */
function nested(levels: number, kind: 5 | 6): Buffer {
  const parts: Buffer[] = [field(1)]
  let bytes = 2
  const wrap = (number: number): void => {
    const head = field(number, Buffer.alloc(0))
    const length: number[] = []
    for (let rest = bytes; ; rest = Math.floor(rest / 128)) {
      length.push(rest > 127 ? (rest % 128) | 128 : rest)
      if (rest <= 127) break
    }
    const front = Buffer.concat([head.subarray(0, 1), Buffer.from(length)])
    parts.push(front)
    bytes += front.length
  }
  for (let level = 0; level < levels; level++) {
    if (kind === 6) wrap(2)
    wrap(1)
    wrap(kind)
  }
  return Buffer.concat(parts.toReversed())
}

function spanWith(value: Buffer): Buffer {
  return field(1, field(2, field(2, field(9, field(1, 'deep'), field(2, value)))))
}

test('values in values: up to 100 levels of messages are taken, more are refused, 10,000 too', async () => {
  // A span is the third message below the request, its attribute the fourth, the value the fifth; each list adds two.
  const taken = await sender.send('grpc', 'traces', spanWith(nested(40, 5)), guid)
  assert.equal(taken.code, 0, taken.text)
  for (const kind of [5, 6] as const) {
    for (const levels of [60, 1_000, 10_000]) {
      for (const transport of ['grpc', 'protobuf'] as const) {
        const told = await sender.send(transport, 'traces', spanWith(nested(levels, kind)), guid)
        assert.equal(told.code, 3, `${levels} of ${kind}`)
        assert.match(told.text, /^GP_BODY_MALFORMED: /)
        const inResource = field(
          1,
          field(1, field(1, field(1, 'guid'), field(2, nested(levels, kind)))),
          scopeBytes('traces', 'x'),
        )
        assert.equal((await sender.send(transport, 'traces', inResource)).code, 3)
      }
    }
  }
  await running.assertServing()
})

test('JSON that is 100,000 levels deep is refused at its place, known keys and unknown', async () => {
  const levels = 100_000
  const known = (open: string, close: string): string =>
    `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${open.repeat(levels)}{}${close.repeat(levels)}}]}]}]}`
  const bodies = [
    known('{"arrayValue":{"values":[', ']}}'),
    known('{"kvlistValue":{"values":[{"value":', '}]}}'),
    `{"later":${'['.repeat(levels)}${']'.repeat(levels)}}`,
    `{"later":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`,
    '['.repeat(levels),
    '{"resourceLogs":['.repeat(levels),
  ]
  for (const body of bodies) {
    const told = await sender.send('json', 'logs', Buffer.from(body))
    assert.equal(told.code, 3)
    assert.match(told.text, /^GP_BODY_MALFORMED: the body is not OTLP JSON: at byte \d+/)
    assert.ok(told.text.length < 600)
  }
  await running.assertServing()
})

test('a million empty resources are a request without items; one more is too many', async () => {
  const empty = Buffer.from('0a00'.repeat(1_000_000), 'hex')
  assert.equal((await sender.send('grpc', 'traces', empty, guid)).code, 0)
  const told = await sender.send('grpc', 'traces', Buffer.concat([empty, Buffer.from('0a00', 'hex')]), guid)
  assert.equal(told.code, 8)
  assert.match(told.text, /^GP_BODY_TOO_LARGE: .* 1000000 .*smaller batches/)
  const spans = (count: number): Buffer => field(1, field(2, Buffer.from('1200'.repeat(count), 'hex')))
  const many = await sender.send('grpc', 'traces', spans(1_000_001), guid)
  assert.equal(many.code, 8)
  assert.match(many.text, /^GP_BODY_TOO_LARGE: .* 1000000 .*(?:items|spans).*smaller batches/)
  assert.equal((await sender.send('grpc', 'traces', spans(100_000), guid)).code, 0)
  await running.assertServing(wideBytesMax)
})

test('a resource with a million attributes is taken, and a large one is not repeated without end', async () => {
  const attributes = Buffer.concat(Array.from({ length: 1_000_000 }, (_, i) => attribute(i.toString(36), '')))
  const one = await sender.send('grpc', 'traces', requestOf('traces', 'wide', field(1, attributes)), guid)
  assert.equal(one.code, 0, one.text)
  assert.ok((await running.records()).some(({ value }) => value.includes('wide')))
  // Where the resource is most of a record, repeating it with each span would make twelve times as much of it.
  const resource = field(1, attribute('large', 'x'.repeat(860_000)))
  const span = field(2, field(2, field(5, 'n'.repeat(45_000))))
  const spans = Array.from({ length: 200 }, () => span)
  const large = field(1, resource, ...spans)
  const before = await storedBytes()
  const told = await sender.send('grpc', 'traces', large, guid)
  assert.equal(told.code, 0, told.text)
  assert.ok((await storedBytes()) - before < 2.2 * large.length)
  await running.assertServing(wideBytesMax)
})

test('a refusal looks at a bounded part of what it names', async (context) => {
  const world = await OtlpWorld.start(context, configWithGuid({ missing: { action: 'reject' } }))
  const repeated = field(1, Buffer.alloc(3 * 600_000, field(1, 'k')), field(2, field(1, 'v')))
  const resources = [
    Buffer.alloc(2_000_000, field(1)),
    Buffer.alloc(9 * 200_000, attribute('k', '')),
    repeated,
    attribute('name', 'n'.repeat(1_000_000)),
    Buffer.concat(Array.from({ length: 1_000 }, () => attribute('service.name', 'cart'))),
  ]
  for (const resource of resources) {
    const body = Buffer.concat(Array.from({ length: 5 }, () => requestOf('traces', 'x', field(1, resource))))
    // CPU time: what others do on the machine meanwhile is not the refusal's fault.
    const before = process.cpuUsage()
    const told = await world.send('protobuf', 'traces', body)
    const { user, system } = process.cpuUsage(before)
    assert.equal(told.code, 3)
    assert.match(told.text, /^GP_ITEMS_REJECTED: 5 of 5 items refused:\nitem 0 resource \{.*\}: no source/)
    assert.ok(told.text.length < 5_000)
    const cpuMs = (user + system) / 1e3
    assert.ok(cpuMs < 1_000, `${cpuMs} ms`)
  }
})

test('10,000 resources of as many guids in one request are as many records; more are refused', async () => {
  const many = (count: number): Buffer =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        field(1, field(1, attribute('guid', `g${i}`)), field(2, field(2, field(5, 'n')))),
      ),
    )
  const before = await running.counter('guidepost_published_items_total')
  const told = await sender.send('grpc', 'traces', many(10_000))
  assert.equal(told.code, 0, told.text)
  assert.equal(await running.counter('guidepost_published_items_total'), before + 10_000)
  const more = await sender.send('grpc', 'traces', many(10_001))
  assert.equal(more.code, 8)
  assert.match(more.text, /^GP_BODY_TOO_LARGE: .* 10000 records.*smaller batches/)
  await running.assertServing(residentBytesMax)
})

test('what was taken lies in the log, and decodes', async () => {
  const records = (await running.records()).filter(({ topic }) => topic === 'otlp_spans')
  assert.ok(records.length >= 10_003)
  for (const { value } of records.filter(({ value }) => value.length > 1_000)) decodeOtlp('traces', value)
  assert.equal(await program.stop(), 0)
})
