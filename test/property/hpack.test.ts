/**
 * HPACK against the one of node:http2: our decoder reads what its client writes, request after request on one connection,
 * and its client reads what our encoder writes. GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import * as http2 from 'node:http2'
import { test } from 'node:test'
import { encodeHeaders, HpackDecoder, NO_TABLE } from '../../src/transport/http2/hpack.ts'
import { BlockServer } from '../support/http2-blocks.ts'
import { mutate } from '../support/mutate.ts'
import { fuzzMs, Random } from '../support/random.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const LIST_BYTES_MAX = 1_000_000
const TABLE_BYTES = [0, 32, 100, 256, 4_096, 65_536]

const names = [
  ...[
    'content-type',
    'user-agent',
    'te',
    'accept-encoding',
    'grpc-timeout',
    'grpc-accept-encoding',
    'x-guid',
  ],
  ...['authorization', 'cookie', 'traceparent', 'etag', 'via', 'x-b3-traceid', 'cache-control', 'link'],
]

/** Octets as characters, of each kind that a value may have. A block of them may need two frames, and is below 64 KiB. */
function randomValue(random: Random): string {
  const length = random.oneIn(40) ? random.pick([126, 127, 128, 2_000]) : random.below(40)
  const kind = random.below(4)
  const character = (): number => {
    if (kind === 0) return random.pick([0x30, 0x31, 0x61, 0x65, 0x6f, 0x74])
    if (kind === 1) return 0x21 + random.below(0x5e)
    return random.oneIn(2) ? 0x21 + random.below(0x5e) : 0x80 + random.below(0x80)
  }
  return Array.from({ length }, () => String.fromCharCode(character())).join('')
}

/** Few names and values, each of which comes again, and some that do not. */
class FieldMaker {
  readonly #random: Random
  readonly #values: string[]

  constructor(random: Random) {
    this.#random = random
    this.#values = Array.from({ length: 12 }, () => randomValue(random))
  }

  fields(): (readonly [name: string, value: string])[] {
    const random = this.#random
    const some = random.shuffled(names).slice(0, random.below(names.length))
    return some.map((name) => [this.#name(name), this.#value(name)] as const)
  }

  #name(name: string): string {
    return this.#random.oneIn(10) ? `${name}-${this.#random.below(1_000)}` : name
  }

  #value(name: string): string {
    if (name === 'te') return 'trailers'
    return this.#random.oneIn(4) ? randomValue(this.#random) : this.#random.pick(this.#values)
  }
}

interface Answer {
  readonly headers: http2.IncomingHttpHeaders
  readonly raw: readonly string[]
}

/** One request without a body, and the header block of its answer. */
function ask(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders): Promise<Answer> {
  const stream = session.request(headers, { endStream: true })
  return new Promise((resolve, reject) => {
    stream.on('error', reject)
    stream.on('response', (received, _flags, raw: unknown) => {
      stream.resume()
      resolve({ headers: received, raw: raw as string[] })
    })
  })
}

async function withSession<Result>(
  server: BlockServer,
  settings: http2.Settings,
  use: (session: http2.ClientHttp2Session) => Promise<Result>,
): Promise<Result> {
  const session = http2.connect(await server.listen(), { settings })
  session.on('error', () => undefined)
  try {
    return await use(session)
  } finally {
    session.destroy()
    server.close()
  }
}

test(`requests of node:http2 are read, whatever table it was given (GUIDEPOST_SEED=${seed})`, async () => {
  const random = new Random(seed)
  const end = performance.now() + fuzzMs
  for (let round = 0; round < TABLE_BYTES.length || performance.now() < end; round++) {
    const tableBytes = TABLE_BYTES[round % TABLE_BYTES.length]!
    const maker = new FieldMaker(random)
    const decoder = new HpackDecoder(tableBytes)
    const received: string[][] = []
    const server = new BlockServer(tableBytes, (block) => {
      const headers: string[] = []
      const result = decoder.decode(block, 0, block.length, headers, LIST_BYTES_MAX)
      received.push([result, ...headers])
      return encodeHeaders([':status', '200'])
    })
    await withSession(server, {}, async (session) => {
      const sent: string[][] = []
      for (let batch = 0; batch < 5; batch++) {
        const requests = Array.from({ length: 10 }, () => requestOf(random, maker))
        sent.push(...requests.map((request) => ['ok', ...Object.entries(request).flat()]))
        await Promise.all(requests.map((request) => ask(session, sensitive(random, request))))
      }
      assert.deepEqual(received, sent, `seed ${seed}, round ${round}, a table of ${tableBytes}`)
    })
  }
})

function requestOf(random: Random, maker: FieldMaker): Record<string, string> {
  return {
    ':method': random.pick(['POST', 'GET', 'PUT']),
    ':path': random.pick(['/', '/opentelemetry.proto.collector.trace.v1.TraceService/Export', '/index.html']),
    ':scheme': 'http',
    ':authority': random.pick(['localhost:4317', 'example.com']),
    ...Object.fromEntries(maker.fields()),
  }
}

/** With some fields that no table may keep. */
function sensitive(random: Random, request: Record<string, string>): http2.OutgoingHttpHeaders {
  const kept = names.filter((name) => name in request && random.oneIn(5))
  return { ...request, [http2.sensitiveHeaders]: kept }
}

test('every octet is read out of the Huffman code', async () => {
  const values = Array.from({ length: 255 }, (_, i) => `${'a'.repeat(30)}${String.fromCharCode(i + 1)}z`)
  const received: (string | undefined)[] = []
  const coded: boolean[] = []
  const decoder = new HpackDecoder()
  const server = new BlockServer(4_096, (block) => {
    const headers: string[] = []
    decoder.decode(block, 0, block.length, headers, LIST_BYTES_MAX)
    received.push(headers[headers.indexOf('x-value') + 1])
    coded.push(!block.includes('a'.repeat(30)))
    return encodeHeaders([':status', '200'])
  })
  await withSession(server, {}, async (session) => {
    for (const value of values) await ask(session, { 'x-value': value })
  })
  assert.deepEqual(received, values)
  assert.ok(coded.every(Boolean), 'the client did not use the code')
})

test(`node:http2 reads the headers that are written (GUIDEPOST_SEED=${seed})`, async () => {
  const random = new Random(seed)
  const maker = new FieldMaker(random)
  const answers: string[][] = []
  const server = new BlockServer(4_096, () => {
    const status = random.pick(['200', '204', '206', '304', '400', '401', '404', '500', '503'])
    answers.push([':status', status, ...maker.fields().flat()])
    return encodeHeaders(answers.at(-1)!)
  })
  await withSession(server, {}, async (session) => {
    const end = performance.now() + fuzzMs
    for (let i = 0; i < 50 || performance.now() < end; i++) {
      const { raw } = await ask(session, { ':path': '/' })
      assert.deepEqual(raw, answers[i], `seed ${seed}, answer ${i}`)
    }
  })
})

test('every name of the static table is written as node:http2 knows it', async () => {
  const known = [
    ...'accept-charset accept-language accept-ranges accept access-control-allow-origin age'.split(' '),
    ...'allow authorization cache-control content-disposition content-encoding content-language'.split(' '),
    ...'content-location content-range content-type date etag expect expires from if-match'.split(' '),
    ...'if-modified-since if-none-match if-range if-unmodified-since last-modified link location'.split(' '),
    ...'max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after'.split(' '),
    ...'server set-cookie strict-transport-security user-agent vary via www-authenticate'.split(' '),
  ]
  const pairs = known.flatMap((name, i) => [name, `value-${i}`])
  const answer = [
    ':status',
    '200',
    ...pairs,
    'accept-encoding',
    'gzip, deflate',
    'cookie',
    'a',
    'content-length',
    '0',
  ]
  const block = encodeHeaders(answer)
  for (const name of known) assert.ok(!block.includes(name), `${name} has an index`)
  const server = new BlockServer(4_096, () => block)
  const { raw } = await withSession(server, {}, (session) => ask(session, { ':path': '/' }))
  assert.deepEqual(raw, answer)
})

test('a client that keeps no table must be told that none is used', async () => {
  const block = encodeHeaders([':status', '200', 'grpc-status', '0'])
  const answered = async (first: Buffer): Promise<boolean> => {
    let answers = 0
    const server = new BlockServer(4_096, () => (answers++ === 0 ? Buffer.concat([first, block]) : block))
    return withSession(server, { headerTableSize: 0 }, async (session) => {
      for (let i = 0; i < 3; i++) {
        const { headers } = await ask(session, { ':path': '/' })
        assert.equal(headers['grpc-status'], '0')
      }
      return true
    }).catch(() => false)
  }
  assert.equal(await answered(NO_TABLE), true)
  assert.equal(await answered(Buffer.alloc(0)), false)
})

test(`damaged blocks are read or broken, and nothing is thrown (GUIDEPOST_SEED=${seed})`, () => {
  const random = new Random(seed)
  const blocks = [
    '828684418cf1e3c2e5f23a6ba0ab90f4ff',
    '828684be5886a8eb10649cbf',
    '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    '3fe101488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
    '400a637573746f6d2d6b65790d637573746f6d2d686561646572',
  ].map((hex) => Buffer.from(hex, 'hex'))
  const counts = { ok: 0, too_large: 0, broken: 0 }
  const end = performance.now() + fuzzMs / 2
  for (let round = 0; performance.now() < end || round < 1_000; round++) {
    const decoder = new HpackDecoder(random.pick(TABLE_BYTES))
    for (let i = 0; i < 5; i++) {
      const picked = random.pick(blocks)
      const block = random.oneIn(3) ? picked : mutate(picked, random.next())
      const headers: string[] = []
      const result = decoder.decode(block, 0, block.length, headers, random.oneIn(3) ? 100 : LIST_BYTES_MAX)
      counts[result]++
      assert.ok(headers.length % 2 === 0 && headers.every((text) => typeof text === 'string'), `seed ${seed}`)
      if (result === 'broken') break
    }
  }
  assert.ok(counts.ok > 5 && counts.too_large > 5 && counts.broken > 5, JSON.stringify(counts))
})
