import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../../../src/limits.ts'
import {
  encodeHeaders,
  type HeadersDecoded,
  HpackDecoder,
  NO_TABLE,
} from '../../../../src/transport/http2/hpack.ts'

const LIST_BYTES_MAX = 16_384

/** Takes blanks in the text, so that it can be grouped by fields. */
function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}

function decoded(
  decoder: HpackDecoder,
  block: Buffer | string,
  listBytesMax = LIST_BYTES_MAX,
): { result: HeadersDecoded; headers: string[] } {
  const octets = typeof block === 'string' ? bytes(block) : block
  const headers: string[] = []
  const result = decoder.decode(octets, 0, octets.length, headers, listBytesMax)
  return { result, headers }
}

/** A field that the table shall keep, in plain octets; name and value below 16 KiB. */
function keptField(name: string, value: string): Buffer {
  const text = (octets: string): Buffer[] => {
    const rest = octets.length - 127
    const prefix = rest < 0 ? [octets.length] : [127, (rest & 127) | 128, rest >> 7]
    return [Buffer.from(prefix), Buffer.from(octets, 'latin1')]
  }
  return Buffer.concat([Buffer.of(0x40), ...text(name), ...text(value)])
}

/** What the dynamic table holds, the newest first, as it is seen from outside: by asking for each index. */
function tableOf(decoder: HpackDecoder): string[] {
  const entries: string[] = []
  for (let index = 62; ; index++) {
    const rest = index - 127
    const block = rest < 0 ? Buffer.of(0x80 | index) : Buffer.of(0xff, (rest & 127) | 128, rest >> 7)
    const { result, headers } = decoded(decoder, block)
    if (result === 'broken') return entries
    entries.push(headers.join(': '))
  }
}

function bytesOf(entries: readonly string[]): number {
  return entries.reduce((sum, entry) => sum + entry.length - 2 + 32, 0)
}

const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'
const MONDAY = 'Mon, 21 Oct 2013 20:13:2'
const REQUESTS = [
  [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'],
  [
    ':method',
    'GET',
    ':scheme',
    'http',
    ':path',
    '/',
    ':authority',
    'www.example.com',
    'cache-control',
    'no-cache',
  ],
  [
    ...[':method', 'GET', ':scheme', 'https', ':path', '/index.html', ':authority', 'www.example.com'],
    ...['custom-key', 'custom-value'],
  ],
]
const REQUEST_TABLE_BYTES = [57, 110, 164]
const LOCATION = ['location', 'https://www.example.com']
const RESPONSES = [
  [':status', '302', 'cache-control', 'private', 'date', `${MONDAY}1 GMT`, ...LOCATION],
  [':status', '307', 'cache-control', 'private', 'date', `${MONDAY}1 GMT`, ...LOCATION],
  [
    ...[':status', '200', 'cache-control', 'private', 'date', `${MONDAY}2 GMT`, ...LOCATION],
    ...['content-encoding', 'gzip', 'set-cookie', COOKIE],
  ],
]
const RESPONSE_TABLE_BYTES = [222, 222, 215]

/** RFC 7541, Appendix C: blocks of one connection, what they say, and the bytes of the table behind each. */
const EXAMPLES = [
  {
    name: 'C.3 requests',
    blocks: [
      '82 86 84 41 0f7777772e6578616d706c652e636f6d',
      '82 86 84 be 58 086e6f2d6361636865',
      '82 87 85 bf 40 0a637573746f6d2d6b6579 0c637573746f6d2d76616c7565',
    ],
    fields: REQUESTS,
    tableBytes: REQUEST_TABLE_BYTES,
  },
  {
    name: 'C.4 requests in Huffman code',
    blocks: [
      '82 86 84 41 8cf1e3c2e5f23a6ba0ab90f4ff',
      '82 86 84 be 58 86a8eb10649cbf',
      '82 87 85 bf 40 8825a849e95ba97d7f 8925a849e95bb8e8b4bf',
    ],
    fields: REQUESTS,
    tableBytes: REQUEST_TABLE_BYTES,
  },
  {
    name: 'C.5 responses, with evictions',
    // The sizes of the examples are those of a table of 256 bytes, which the sender has to ask for.
    blocks: [
      '3fe101 48 03333032 58 0770726976617465 61 1d4d6f6e2c203231204f637420323031332032303a31333a323120474d54 6e 1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '48 03333037 c1 c0 bf',
      '88 c1 61 1d4d6f6e2c203231204f637420323031332032303a31333a323220474d54 c0 5a 04677a6970 77 38666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ],
    fields: RESPONSES,
    tableBytes: RESPONSE_TABLE_BYTES,
  },
  {
    name: 'C.6 responses in Huffman code, with evictions',
    blocks: [
      '3fe101 48 826402 58 85aec3771a4b 61 96d07abe941054d444a8200595040b8166e082a62d1bff 6e 919d29ad171863c78f0b97c8e9ae82ae43d3',
      '48 83640eff c1 c0 bf',
      '88 c1 61 96d07abe941054d444a8200595040b8166e084a62d1bff c0 5a 839bd9ab 77 ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
    fields: RESPONSES,
    tableBytes: RESPONSE_TABLE_BYTES,
  },
]

for (const { name, blocks, fields, tableBytes } of EXAMPLES) {
  test(`the examples of RFC 7541, ${name}`, () => {
    const decoder = new HpackDecoder()
    for (const [i, block] of blocks.entries()) {
      assert.deepEqual(decoded(decoder, block), { result: 'ok', headers: fields[i] })
      assert.equal(bytesOf(tableOf(decoder)), tableBytes[i])
    }
  })

  test(`a block that is cut ends at a field or is broken: ${name}`, () => {
    for (const [i, block] of blocks.entries()) {
      const octets = bytes(block)
      const before = (): HpackDecoder => {
        const decoder = new HpackDecoder()
        for (const earlier of blocks.slice(0, i)) decoded(decoder, earlier)
        return decoder
      }
      const whole = decoded(before(), octets).headers
      let ends = 0
      for (let to = 0; to <= octets.length; to++) {
        const headers: string[] = []
        // What lies behind `to` is there, and must not be read.
        const result = before().decode(octets, 0, to, headers, LIST_BYTES_MAX)
        assert.deepEqual(headers, whole.slice(0, headers.length))
        assert.notEqual(result, 'too_large')
        if (result === 'ok') ends++
      }
      const fieldEnds = whole.length / 2 + 1 + (octets[0] === 0x3f ? 1 : 0)
      assert.equal(ends, fieldEnds, block)
    }
  })
}

test('the examples of RFC 7541, C.2: each kind of field, and whether the table keeps it', () => {
  const cases = [
    {
      block: '40 0a637573746f6d2d6b6579 0d637573746f6d2d686561646572',
      is: 'custom-key: custom-header',
      kept: true,
    },
    { block: '04 0c2f73616d706c652f70617468', is: ':path: /sample/path', kept: false },
    { block: '10 0870617373776f7264 06736563726574', is: 'password: secret', kept: false },
    { block: '82', is: ':method: GET', kept: false },
  ]
  for (const { block, is, kept } of cases) {
    const decoder = new HpackDecoder()
    const { result, headers } = decoded(decoder, block)
    assert.deepEqual([result, headers.join(': ')], ['ok', is])
    assert.deepEqual(tableOf(decoder), kept ? [is] : [])
  }
})

test('a block may lie anywhere in its buffer, and adds to what is there', () => {
  const headers = ['a', 'b']
  const result = new HpackDecoder().decode(bytes('00 82 86 ff'), 1, 3, headers, LIST_BYTES_MAX)
  assert.equal(result, 'ok')
  assert.deepEqual(headers, ['a', 'b', ':method', 'GET', ':scheme', 'http'])
  assert.deepEqual(decoded(new HpackDecoder(), ''), { result: 'ok', headers: [] })
})

test('what the format does not allow is broken', () => {
  const cases = {
    'index 0': '80',
    'an index behind the table': 'be',
    'an index far behind the table': 'ff ffffff7f',
    'an index beyond 32 bits that wraps to 2': 'ff 83ffffff0f',
    'an integer of six octets more': '7f 808080808000 00',
    'an integer without an end': 'ffffffffffffffffffffff',
    'a name behind the table': '7e 0161',
    'a name without a value': '0f 00',
    'a string longer than the block': '00 0161 0361',
    'a string of 2^31 octets': '00 0161 7f81ffffff07 61',
    'a string of 2^32 octets': '00 0161 7f81ffffff0f 61',
    'a Huffman string longer than the block': '00 0161 821f',
    'EOS in a string': '00 0161 84ffffffff',
    'EOS behind a symbol': '00 0161 851fffffffff',
    'EOS in a name': '00 84fffffffc 0161',
    'eight bits of padding': '00 0161 81ff',
    'eleven bits of padding': '00 0161 821fff',
    'padding of zeros': '00 0161 8118',
    'padding that ends in a zero': '00 0161 811e',
    'half a symbol': '00 0161 82 fffe',
    'a table size behind a field': '82 20',
    'a larger table than was announced': '3fe21f',
    'a table of 2^32 bytes': '3f e1ffffff0f',
    'a table size without an end': '3fff',
  }
  for (const [name, block] of Object.entries(cases)) {
    assert.equal(decoded(new HpackDecoder(), block).result, 'broken', name)
  }
})

test('what the format allows at its edges is read', () => {
  const cases: Record<string, readonly [block: string, headers: string[]]> = {
    'an empty Huffman string': ['00 0161 80', ['a', '']],
    'an empty name': ['00 00 00', ['', '']],
    'three bits of padding': ['00 0161 811f', ['a', 'a']],
    'seven bits of padding': ['00 0161 8318ee7f', ['a', 'aa:']],
    'zeros at the end of an integer': ['0f8080808000 0162', ['accept-charset', 'b']],
    'the largest table that was announced': ['3fe11f 82', [':method', 'GET']],
    'several table sizes': ['20 3fe11f 20 82', [':method', 'GET']],
    'octets that are no ASCII': ['00 0161 03 c3bc00', ['a', '\u00c3\u00bc\u0000']],
  }
  for (const [name, [block, headers]] of Object.entries(cases)) {
    assert.deepEqual(decoded(new HpackDecoder(), block), { result: 'ok', headers }, name)
  }
})

test('the table holds the newest fields that fit, whatever went through it', () => {
  const decoder = new HpackDecoder()
  const sent: string[] = []
  for (let i = 0; i < 1_000; i++) {
    const value = 'v'.repeat((i * 37) % 100)
    assert.equal(decoded(decoder, keptField(`n${i}`, value)).result, 'ok')
    sent.unshift(`n${i}: ${value}`)
    const held = tableOf(decoder)
    assert.deepEqual(held, sent.slice(0, held.length))
    assert.ok(bytesOf(held) <= limits.headerTableBytes)
    const next = sent[held.length]
    assert.ok(next === undefined || bytesOf([...held, next]) > limits.headerTableBytes)
  }
  for (let i = 0; i < 300; i++) assert.equal(decoded(decoder, keptField('', '')).result, 'ok')
  assert.deepEqual(tableOf(decoder), new Array<string>(limits.headerTableBytes / 32).fill(': '))
})

test('a field that is larger than the table empties it, and is read all the same', () => {
  const decoder = new HpackDecoder()
  const room = limits.headerTableBytes - 32 - 1
  assert.equal(decoded(decoder, keptField('a', 'b'.repeat(room))).result, 'ok')
  assert.deepEqual(tableOf(decoder), [`a: ${'b'.repeat(room)}`])
  const larger = decoded(decoder, keptField('a', 'b'.repeat(room + 1)))
  assert.deepEqual(larger, { result: 'ok', headers: ['a', 'b'.repeat(room + 1)] })
  assert.deepEqual(tableOf(decoder), [])
})

test('a field may take its name from the entry that it evicts', () => {
  const decoder = new HpackDecoder()
  const long = 'n'.repeat(3_000)
  decoded(decoder, keptField(long, 'old'))
  assert.deepEqual(decoded(decoder, '7e 03 6e6577'), { result: 'ok', headers: [long, 'new'] })
  assert.deepEqual(tableOf(decoder), [`${long}: new`])
})

test('the table is as large as the sender says, up to what was announced', () => {
  const held = ['c: d', 'a: b']
  const filled = (tableBytesMax?: number): HpackDecoder => {
    const decoder = new HpackDecoder(tableBytesMax)
    decoded(decoder, Buffer.concat([keptField('a', 'b'), keptField('c', 'd')]))
    return decoder
  }
  const smaller = filled()
  decoded(smaller, '3f25')
  assert.deepEqual(tableOf(smaller), held, '68 bytes hold both')
  decoded(smaller, '3f24')
  assert.deepEqual(tableOf(smaller), ['c: d'], '67 bytes hold one')
  const emptied = filled()
  decoded(emptied, '20 3fe11f')
  assert.deepEqual(tableOf(emptied), [])
  // Before it has the settings a sender uses the default; then it must not name more than they say.
  assert.deepEqual(tableOf(filled(0)), held)
  assert.equal(decoded(filled(0), '20').result, 'ok')
  assert.equal(decoded(filled(0), '21').result, 'broken')
  const larger = filled(65_536)
  const grown = Buffer.concat([bytes('3fe1ff03'), keptField('e', 'f'.repeat(16_000))])
  assert.equal(decoded(larger, grown).result, 'ok')
  assert.deepEqual(tableOf(larger), [`e: ${'f'.repeat(16_000)}`, ...held])
})

test('of a list that is too large the beginning is kept, and the table stays right', () => {
  const decoder = new HpackDecoder()
  const fields = [keptField('a', '1'), keptField('bb', '22'), keptField('c', '3')]
  const block = Buffer.concat(fields)
  assert.deepEqual(decoded(decoder, block, 34 + 36 - 1), { result: 'too_large', headers: ['a', '1'] })
  assert.deepEqual(tableOf(decoder), ['c: 3', 'bb: 22', 'a: 1'])
  assert.deepEqual(decoded(decoder, block, 34 + 36).headers, ['a', '1', 'bb', '22'])
  assert.equal(decoded(decoder, block, 34 + 36 + 34).result, 'ok')
  const broken = decoded(decoder, Buffer.concat([block, Buffer.of(0x80)]), 1)
  assert.equal(broken.result, 'broken', 'too large or not, a block is read to its end')
})

test('there are no more fields than a call may have', () => {
  const block = (fields: number): Buffer => Buffer.alloc(fields, 0x82)
  const full = decoded(new HpackDecoder(), block(limits.grpcHeadersMax))
  assert.deepEqual([full.result, full.headers.length], ['ok', 2 * limits.grpcHeadersMax])
  const over = decoded(new HpackDecoder(), block(limits.grpcHeadersMax + 1))
  assert.deepEqual([over.result, over.headers.length], ['too_large', 2 * limits.grpcHeadersMax])
})

test('a block that says one long field over and over holds it once', () => {
  const decoder = new HpackDecoder()
  const value = 'v'.repeat(4_000)
  const block = Buffer.concat([keptField('a', value), Buffer.alloc(limits.headerBytesMax, 0xbe)])
  const { result, headers } = decoded(decoder, block)
  assert.equal(result, 'too_large')
  assert.equal(headers.length, 2 * Math.floor(LIST_BYTES_MAX / (4_001 + 32)))
  assert.deepEqual(tableOf(decoder), [`a: ${value}`])
})

test('headers are written without a table', () => {
  const cases: Record<string, readonly string[]> = {
    '': [],
    '88': [':status', '200'],
    '08 03 343031': [':status', '401'],
    '0f10 10 6170706c69636174696f6e2f67727063': ['content-type', 'application/grpc'],
    '00 0b 677270632d737461747573 01 30': ['grpc-status', '0'],
    '00 01 61 00': ['a', ''],
    '90': ['accept-encoding', 'gzip, deflate'],
    '95': ['age', ''],
    '00 01 61 03 fcff80': ['a', '\u00fc\u00ff\u0080'],
    '88 88': [':status', '200', ':status', '200'],
  }
  for (const [block, pairs] of Object.entries(cases)) {
    assert.equal(encodeHeaders(pairs).toString('hex'), block.replaceAll(' ', ''))
  }
  assert.equal(NO_TABLE.toString('hex'), '20')
})

test('what is written is read again, at every length at which an integer grows', () => {
  for (const length of [0, 1, 126, 127, 128, 254, 255, 256, 16_510, 16_511, 16_512, 100_000]) {
    const pairs = ['n'.repeat(length), 'v'.repeat(length), 'content-type', 'w'.repeat(length)]
    const decoder = new HpackDecoder()
    assert.deepEqual(decoded(decoder, encodeHeaders(pairs), 1_000_000), { result: 'ok', headers: pairs })
    assert.deepEqual(tableOf(decoder), [])
  }
})
