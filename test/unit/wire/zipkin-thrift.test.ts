/** What the translation makes of Zipkin's spans of version 1, and of lists that no writer writes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kernel } from '../../../src/wire/kernel.ts'
import { zipkinTranslation } from '../../../src/wire/translations/zipkin.ts'
import { type PlainAttribute, type PlainItem, spansOfOtlp } from '../../support/plain-spans.ts'
import type { CoreBinaryAnnotation, CoreEndpoint, CoreSpan } from '../../support/random-zipkin.ts'
import { zipkinThrift } from '../../support/zipkin-encode.ts'
import { translateZipkin, zipkinSpans } from '../../support/zipkin-translate.ts'

const kernel = new Kernel()

/** Of this process, whatever else runs on the machine. */
function cpuMs(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}

const protocols = ['binary', 'compact'] as const
const start = 1_700_000_000_000_000n
const shop: CoreEndpoint = { ipv4: 0x0a010203, port: 8080, serviceName: 'shop' }
const cart: CoreEndpoint = { ipv4: 0x0a010204, port: 65_535, serviceName: 'cart' }
const bare: CoreSpan = {
  traceId: -1n,
  id: 2n,
  name: 'get',
  annotations: [],
  binaryAnnotations: [],
  timestamp: start,
  duration: 250n,
}
const flag = Buffer.from([1])

function only(fields: Partial<CoreSpan>): PlainItem {
  const payloads = protocols.map((protocol) => zipkinThrift(protocol, [{ ...bare, ...fields }]))
  const [binary, compact] = payloads.map((payload, i) =>
    zipkinSpans(kernel, `thrift_${protocols[i]!}`, payload),
  )
  assert.deepEqual(compact, binary)
  assert.ok(binary !== undefined && typeof binary !== 'string', `refused: ${String(binary)}`)
  assert.equal(binary.length, 1)
  return binary[0]!
}

function text(key: string, value: string, host?: CoreEndpoint): CoreBinaryAnnotation {
  return { key, value: Buffer.from(value), type: 6, ...(host === undefined ? {} : { host }) }
}

function attributesOf(...binaryAnnotations: CoreBinaryAnnotation[]): readonly PlainAttribute[] {
  return only({ binaryAnnotations }).span.attributes
}

test('a whole client span', () => {
  const { resource, span } = only({
    traceIdHigh: 1n,
    parentId: 3n,
    annotations: [
      { timestamp: start, value: 'cs', host: shop },
      { timestamp: start + 10n, value: 'ws', host: shop },
      { timestamp: start + 250n, value: 'cr', host: shop },
    ],
    binaryAnnotations: [text('http.path', '/items', shop), { key: 'sa', value: flag, type: 0, host: cart }],
    debug: true,
  })
  assert.deepEqual(resource.attributes, [['service.name', 'shop']])
  assert.equal(span.traceId, '0000000000000001ffffffffffffffff')
  assert.deepEqual([span.spanId, span.parentSpanId], ['0000000000000002', '0000000000000003'])
  assert.deepEqual([span.name, span.kind], ['get', 3])
  assert.deepEqual([span.startTimeUnixNano, span.endTimeUnixNano], [start * 1000n, (start + 250n) * 1000n])
  assert.deepEqual(
    span.events.map(({ name, timeUnixNano }) => [name, timeUnixNano]),
    [['ws', (start + 10n) * 1000n]],
  )
  assert.deepEqual(span.attributes, [
    ['http.path', '/items'],
    ['net.host.ip', '10.1.2.3'],
    ['net.host.port', 8080n],
    ['net.peer.ip', '10.1.2.4'],
    ['net.peer.port', 65_535n],
    ['peer.service', 'cart'],
    ['zipkin.debug', true],
  ])
})

test('the kind follows from the first core annotation', () => {
  const kinds = { cs: 3, cr: 3, sr: 2, ss: 2, ms: 4, mr: 5, ws: 0 }
  for (const [value, kind] of Object.entries(kinds))
    assert.equal(only({ annotations: [{ timestamp: 1n, value }] }).span.kind, kind, value)
})

test('start and end follow from the annotations of a span without a timestamp', () => {
  const { timestamp: _, duration: __, ...timeless } = bare
  const annotations = [
    { timestamp: start + 9n, value: 'sr', host: shop },
    { timestamp: start + 20n, value: 'half way' },
    { timestamp: start + 30n, value: 'ss', host: shop },
  ]
  const payload = zipkinThrift('binary', [{ ...timeless, annotations }, timeless])
  const found = zipkinSpans(kernel, 'thrift_binary', payload)
  assert.ok(typeof found !== 'string')
  const [timed, absent] = [
    found.find(({ span }) => span.kind === 2),
    found.find(({ span }) => span.kind === 0),
  ]
  assert.equal(timed?.span.startTimeUnixNano, (start + 9n) * 1000n)
  assert.equal(timed?.span.endTimeUnixNano, (start + 30n) * 1000n)
  assert.deepEqual(
    timed?.span.events.map(({ name }) => name),
    ['half way'],
  )
  assert.equal(absent?.span.startTimeUnixNano, 0n)
  assert.deepEqual(absent?.span.attributes, [['otel.zipkin.absentField.startTime', true]])
})

test('a core annotation that says more than the span stays an event', () => {
  const { events } = only({
    annotations: [
      { timestamp: start, value: 'cs', host: shop },
      { timestamp: start + 100n, value: 'sr', host: cart },
      { timestamp: start + 200n, value: 'cr', host: shop },
      { timestamp: start + 250n, value: 'cr', host: cart },
    ],
  }).span
  const elsewhere = {
    map: [
      ['serviceName', 'cart'],
      ['ipv4', '10.1.2.4'],
      ['port', 65_535n],
    ],
  }
  assert.deepEqual(
    events.map(({ name, attributes }) => [name, attributes]),
    [
      ['sr', [['zipkin.endpoint', elsewhere]]],
      ['cr', []],
      ['cr', [['zipkin.endpoint', elsewhere]]],
    ],
  )
})

test('the host of a tag that is not the span’s own is kept by the tag’s key', () => {
  const attributes = only({
    annotations: [{ timestamp: start, value: 'cs', host: shop }],
    binaryAnnotations: [text('a', '1', shop), text('b', '2', cart), text('c', '3')],
  }).span.attributes
  const elsewhere = {
    map: [
      ['serviceName', 'cart'],
      ['ipv4', '10.1.2.4'],
      ['port', 65_535n],
    ],
  }
  assert.deepEqual(attributes.find(([key]) => key === 'zipkin.endpoints')?.[1], { map: [['b', elsewhere]] })
})

test('values by their types, numbers signed; bytes when the length is another one', () => {
  const bytes = (hex: string, type: number): CoreBinaryAnnotation => ({
    key: 'k',
    value: Buffer.from(hex, 'hex'),
    type,
  })
  const value = (hex: string, type: number) => attributesOf(bytes(hex, type))[0]?.[1]
  assert.equal(value('01', 0), true)
  assert.equal(value('00', 0), false)
  assert.deepEqual(value('02', 0), { bytes: '02' })
  assert.deepEqual(value('00ff', 1), { bytes: '00ff' })
  assert.equal(value('fffe', 2), -2n)
  assert.equal(value('fffffffe', 3), -2n)
  assert.equal(value('7fffffff', 3), 2_147_483_647n)
  assert.equal(value('8000000000000000', 4), -(1n << 63n))
  assert.equal(value('3ff8000000000000', 5), 1.5)
  assert.equal(value('c3a9', 6), 'é')
  assert.deepEqual(value('ff', 2), { bytes: 'ff' })
  assert.deepEqual(value('ffffffffff', 3), { bytes: 'ffffffffff' })
  assert.deepEqual(value('00', 9), { bytes: '00' })
})

test('a local component is an attribute, and the service when there is no other name', () => {
  const alone = only({ binaryAnnotations: [text('lc', 'worker')] })
  assert.deepEqual(alone.resource.attributes, [['service.name', 'worker']])
  assert.deepEqual(alone.span.attributes, [['component', 'worker']])
  const named = only({ binaryAnnotations: [text('lc', 'worker', shop)] })
  assert.deepEqual(named.resource.attributes, [['service.name', 'shop']])
})

test('the remote endpoint is the address that suits the kind; others stay what they are', () => {
  const addresses = ['sa', 'ca', 'ma'].map((key, i) => ({
    key,
    value: flag,
    type: 0,
    host: { ...cart, serviceName: `peer-${key}`, port: i + 1 },
  }))
  const peers = { cs: 'sa', sr: 'ca', ms: 'ma', mr: 'ma', other: 'sa' }
  for (const order of [addresses, addresses.toReversed()]) {
    for (const [value, key] of Object.entries(peers)) {
      const { attributes } = only({
        annotations: [{ timestamp: start, value, host: shop }],
        binaryAnnotations: order,
      }).span
      const found = new Map(attributes)
      assert.equal(found.get('peer.service'), `peer-${key}`, value)
      const rest = order.map((one) => one.key).filter((one) => one !== key)
      assert.deepEqual(
        rest.map((one) => found.get(one)),
        [true, true],
      )
      const { map } = found.get('zipkin.endpoints') as { map: PlainAttribute[] }
      assert.deepEqual(
        map.map(([one]) => one),
        rest,
      )
    }
  }
})

test('the status: census before the code, the code before the error, that before HTTP', () => {
  const status = (...tags: [string, string][]) => {
    const { code, message } = only({ binaryAnnotations: tags.map(([key, value]) => text(key, value)) }).span
      .status
    return [code, message]
  }
  const http: [string, string][] = [
    ['http.status_code', '500'],
    ['http.status_message', 'broken'],
  ]
  const error: [string, string] = ['error', 'true']
  assert.deepEqual(status(['http.status_code', '399']), [0, ''])
  assert.deepEqual(status(['http.status_code', '99']), [2, ''])
  assert.deepEqual(status(...http), [2, 'broken'])
  assert.deepEqual(status(...http, error), [2, ''])
  assert.deepEqual(status(['otel.status_code', '1'], error), [1, ''])
  assert.deepEqual(status(['otel.status_description', 'm'], error), [2, 'm'])
  assert.deepEqual(
    status(['otel.status_code', '1'], ['census.status_code', '7'], ['census.status_description', 'm']),
    [2, 'm'],
  )
  assert.deepEqual(status(['census.status_code', '0']), [1, ''])
  assert.deepEqual(status(['otel.status_code', 'OK'], ...http), [1, ''])
  assert.deepEqual(status(['otel.status_code', 'OK'], error), [2, ''])
  assert.deepEqual(attributesOf(...http.map(([key, value]) => text(key, value))), http)
})

test('negative times are zero, and are kept as they came', () => {
  const { span } = only({ timestamp: -5n, duration: -7n })
  assert.deepEqual([span.startTimeUnixNano, span.endTimeUnixNano], [0n, 0n])
  assert.deepEqual(span.attributes, [
    ['zipkin.duration', -7n],
    ['zipkin.timestamp', -5n],
  ])
  const back = only({ duration: -250n }).span
  assert.equal(back.endTimeUnixNano, (start - 250n) * 1000n)
})

// ---- odd lists ----------------------------------------------------------------------------------------------------------------

const kindsOfFields = {
  bool: '02 0063 01',
  i8: '03 0063 07',
  double: '04 0063 0000000000000000',
  i16: '06 0063 0001',
  i32: '08 0063 00000001',
  i64: '0a 0063 0000000000000001',
  string: '0b 0063 00000001 61',
  struct: '0c 0063 02 0001 01 00',
  map: '0d 0063 0b 08 00000001 00000001 61 00000001',
  set: '0e 0063 08 00000001 00000001',
  list: '0f 0063 0f 00000001 0c 00000001 00',
}

/** The list of one span with `fields`, in hex, before its own. */
function withFields(fields: string): Buffer {
  const list = zipkinThrift('binary', [bare])
  return Buffer.concat([
    list.subarray(0, 5),
    Buffer.from(fields.replaceAll(' ', ''), 'hex'),
    list.subarray(5),
  ])
}

const plain = zipkinSpans(kernel, 'thrift_binary', zipkinThrift('binary', [bare]))

test('unknown fields of every type are passed over', () => {
  for (const [kind, field] of Object.entries(kindsOfFields))
    assert.deepEqual(zipkinSpans(kernel, 'thrift_binary', withFields(field)), plain, kind)
  // The same id with the types of the compact protocol, each with a field header of its own.
  const list = zipkinThrift('compact', [bare])
  const fields =
    '01c601 02c601 03c60107 04c60102 05c60102 06c60102 07c6010000000000000000 08c6010161 09c6011102 0ac601150a 0bc60100 0cc6011100'
  const odd = Buffer.from(fields.replaceAll(' ', ''), 'hex')
  // The fields that follow count from the last id: the first of them gets its full id.
  const rest = list.subarray(1)
  assert.equal(rest[0], 0x16)
  const payload = Buffer.concat([list.subarray(0, 1), odd, Buffer.from([0x06, 0x02]), rest.subarray(1)])
  assert.deepEqual(zipkinSpans(kernel, 'thrift_compact', payload), plain)
})

test('known fields of another type are passed over', () => {
  for (const id of [1, 3, 4, 5, 6, 8, 9, 10, 11, 12]) {
    for (const [kind, field] of Object.entries(kindsOfFields)) {
      const changed = field.replace('0063', `00${id.toString(16).padStart(2, '0')}`)
      const found = zipkinSpans(kernel, 'thrift_binary', withFields(changed))
      assert.ok(typeof found !== 'string' && found.length === 1, `${id} ${kind}`)
      // A field of its own type is a value, which a later one replaces; but for the debug flag no later one is there.
      if (kind !== 'bool' && !(kind === 'i64' && [5, 12].includes(id)))
        assert.deepEqual(found, plain, `${id} ${kind}`)
    }
  }
})

test('lists in another order, and more than once, are read like others', () => {
  const hex = (bytes: Buffer) => bytes.toString('hex')
  const annotation = `0a0001${'0'.repeat(15)}5 0b0002 00000002 6373 00`
  const binary = `0b0001 00000002 7361 0b0002 00000001 01 080003 00000000 0c0004 0b0003 00000001 70 00 00`
  const six = `0f0006 0c 00000001 ${annotation}`
  const eight = `0f0008 0c 00000001 ${binary}`
  const head = '0a0001 0000000000000001 0a0004 0000000000000002'
  const list = (...fields: string[]) =>
    Buffer.from(`0c00000001${head}${fields.join('')}00`.replaceAll(' ', ''), 'hex')
  const usual = zipkinSpans(kernel, 'thrift_binary', list(six, eight))
  assert.ok(typeof usual !== 'string', hex(list(six, eight)))
  assert.equal(usual[0]?.span.kind, 3)
  assert.deepEqual(usual[0].span.attributes, [['peer.service', 'p']])
  assert.deepEqual(zipkinSpans(kernel, 'thrift_binary', list(eight, six)), usual)
  assert.deepEqual(zipkinSpans(kernel, 'thrift_binary', list(six, eight, six, eight)), usual)
})

test('the header of old reporters is let through; bytes behind the list are nobody’s', () => {
  const list = zipkinThrift('binary', [bare])
  const old = Buffer.concat([Buffer.from([0x0b]), list.subarray(1), Buffer.from('junk')])
  assert.deepEqual(zipkinSpans(kernel, 'thrift_binary', old), plain)
  assert.deepEqual(zipkinSpans(kernel, 'thrift_binary', Buffer.from('0c00000000', 'hex')), [])
  assert.deepEqual(zipkinSpans(kernel, 'thrift_compact', Buffer.from('0c', 'hex')), [])
})

test('a span without ids has ids of zeros, as generated readers have it', () => {
  const found = zipkinSpans(kernel, 'thrift_binary', Buffer.from('0c0000000100', 'hex'))
  assert.ok(typeof found !== 'string')
  assert.deepEqual([found[0]?.span.traceId, found[0]?.span.spanId], ['', ''])
})

test('hostile lists are refused at once', () => {
  const lists: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    'of integers': Buffer.from('080000000100000000', 'hex'),
    'of a negative count': Buffer.from('0cffffffff00', 'hex'),
    'of more than there is': Buffer.from('0c7fffffff00', 'hex'),
    'a string of negative length': Buffer.from('0c000000010b0003ffffffff00', 'hex'),
    'a string longer than the rest': Buffer.from('0c000000010b00037fffffff6100', 'hex'),
    'annotations of more than there is': Buffer.from('0c000000010f00060c7fffffff00', 'hex'),
    'a map of more than there is': Buffer.from('0c000000010d00630b0b7fffffff00', 'hex'),
    'a type that is none': Buffer.from('0c0000000105006300', 'hex'),
    'structs in structs': Buffer.from(`0c00000001${'0c0063'.repeat(10_000)}${'00'.repeat(10_001)}`, 'hex'),
    'lists in lists': Buffer.from(`0c000000010f0063${'0f00000001'.repeat(10_000)}080000000000`, 'hex'),
  }
  for (const [what, list] of Object.entries(lists)) {
    const begin = process.cpuUsage()
    assert.equal(zipkinSpans(kernel, 'thrift_binary', list), 'thrift', what)
    assert.ok(cpuMs(begin) < 100, what)
  }
  const compact = [
    '',
    'fcffffffff0f',
    '1c38ffffffff0f',
    `1c${'9d0c'.repeat(10_000)}`,
    '1cffffffffffffffffffffff',
  ]
  for (const hex of compact)
    assert.equal(zipkinSpans(kernel, 'thrift_compact', Buffer.from(hex, 'hex')), 'thrift', hex.slice(0, 20))
})

test('a list cut off at any byte is refused', () => {
  const spans = [
    {
      ...bare,
      traceIdHigh: 9n,
      debug: true,
      annotations: [{ timestamp: start, value: 'cs', host: { ...shop, ipv6: Buffer.alloc(16, 1) } }],
      binaryAnnotations: [text('k', 'v', shop), { key: 'sa', value: flag, type: 0, host: cart }],
    },
    bare,
  ]
  for (const protocol of protocols) {
    const payload = zipkinThrift(protocol, spans)
    for (let bytes = 0; bytes < payload.length; bytes++)
      assert.equal(
        zipkinSpans(kernel, `thrift_${protocol}`, payload.subarray(0, bytes)),
        'thrift',
        `${protocol} ${bytes}`,
      )
  }
})

test('a span of 100,000 annotations of both kinds is translated in a moment', () => {
  const count = 100_000
  const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
  const hosts = ['a', 'b'].map((name) => `0b0003 00000001 ${Buffer.from(name).toString('hex')} 00`)
  const annotations = hosts.map((host) =>
    bytes(`0a0001 0000000000000001 0b0002 00000001 65 0c0003 ${host} 00`),
  )
  const binaries = hosts.map((host) =>
    bytes(`0b0001 00000008 0000000000000000 080003 00000006 0c0004 ${host} 00`),
  )
  const header = (id: string): Buffer => bytes(`0f${id} 0c ${count.toString(16).padStart(8, '0')}`)
  const each = (one: (i: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, i) => one(i)))
  const keyed = (i: number): Buffer => {
    const copy = Buffer.from(binaries[i % 2]!)
    copy.write(`${10_000_000 + i}`, 7, 'latin1')
    return copy
  }
  const payload = Buffer.concat([
    bytes('0c00000001'),
    header('0006'),
    each((i) => annotations[i % 2]!),
    header('0008'),
    each(keyed),
    bytes('00'),
  ])
  const begin = process.cpuUsage()
  const found = translateZipkin(kernel, zipkinTranslation('thrift_binary'), payload)
  assert.ok(cpuMs(begin) < 500)
  assert.ok(typeof found !== 'string')
  const { span } = spansOfOtlp(found)[0]!
  assert.equal(span.events.length, count)
  // The tags and their endpoints.
  assert.equal(span.attributes.length, count + 1)
})
