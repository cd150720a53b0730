import assert from 'node:assert/strict'
import test from 'node:test'
import { areTrailers, readHead } from '../../../../src/transport/http2/head.ts'

const post = [':method', 'POST', ':scheme', 'http', ':path', '/a', ':authority', 'b']

test('a head with what is looked at; what is repeated is joined', () => {
  const head = readHead([
    ...post,
    'content-type',
    'a',
    'x-guid',
    'c',
    'content-type',
    'b',
    'content-length',
    '12',
  ])
  assert.deepEqual(
    [
      head?.[':method'],
      head?.[':path'],
      head?.['content-type'],
      head?.['content-length'],
      head?.['grpc-timeout'],
    ],
    ['POST', '/a', 'a, b', '12', undefined],
  )
})

test('`te: trailers`, an empty value, and octets above ASCII are well formed', () => {
  assert.ok(readHead([...post, 'te', 'trailers', 'x-empty', '', 'x-octets', '\xff\x80\t ']))
})

test('CONNECT has an authority alone', () => {
  assert.equal(readHead([':method', 'CONNECT', ':authority', 'b:80'])?.[':method'], 'CONNECT')
  for (const extra of [
    [':path', '/'],
    [':scheme', 'http'],
  ]) {
    assert.equal(readHead([':method', 'CONNECT', ':authority', 'b:80', ...extra]), undefined)
  }
  assert.equal(readHead([':method', 'CONNECT']), undefined)
})

const malformed: Readonly<Record<string, readonly string[]>> = {
  'nothing at all': [],
  'no method': [':scheme', 'http', ':path', '/'],
  'an empty method': [':method', '', ':scheme', 'http', ':path', '/'],
  'no path': [':method', 'POST', ':scheme', 'http'],
  'an empty path': [':method', 'POST', ':scheme', 'http', ':path', ''],
  'no scheme': [':method', 'POST', ':path', '/'],
  'a method twice': [...post, ':method', 'POST'],
  'an authority twice': [...post, ':authority', 'b'],
  'a pseudo-header behind a header': [...post.slice(2), 'x-a', 'b', ':method', 'POST'],
  'a pseudo-header of answers': [...post, ':status', '200'],
  'a pseudo-header that is not known': [...post, ':protocol', 'websocket'],
  'a pseudo-header without a name': [...post, ':', 'a'],
  'a name in capitals': [...post, 'X-Guid', 'a'],
  'a known name in capitals': [...post, 'Content-Type', 'a'],
  'a name without letters': [...post, '', 'a'],
  'a name with a space': [...post, 'x guid', 'a'],
  'a name with a colon': [...post, 'x:guid', 'a'],
  'a name with an octet above ASCII': [...post, 'x-\xe9', 'a'],
  'a line feed in a value': [...post, 'x-guid', 'a\nb'],
  'a carriage return in a path': [':method', 'POST', ':scheme', 'http', ':path', '/\r'],
  'a zero in a value': [...post, 'x-guid', 'a\0'],
  connection: [...post, 'connection', 'close'],
  'transfer-encoding': [...post, 'transfer-encoding', 'chunked'],
  upgrade: [...post, 'upgrade', 'h2c'],
  'keep-alive': [...post, 'keep-alive', 'timeout=5'],
  'proxy-connection': [...post, 'proxy-connection', 'keep-alive'],
  'te of another kind': [...post, 'te', 'gzip'],
  ...Object.fromEntries(
    ['', '-1', '+1', '1.5', '1e3', '0x10', ' 5', 'five', '5\t'].map((length) => [
      `a content-length of '${length}'`,
      [...post, 'content-length', length],
    ]),
  ),
  'two content-lengths': [...post, 'content-length', '5', 'content-length', '5'],
}
for (const [what, list] of Object.entries(malformed)) {
  test(`malformed: ${what}`, () => assert.equal(readHead(list), undefined))
}

test('trailers are fields without pseudo-headers', () => {
  assert.equal(areTrailers([]), true)
  assert.equal(areTrailers(['x-checksum', 'a']), true)
  for (const list of [
    [':path', '/'],
    ['X', 'a'],
    ['x', 'a\r'],
    ['connection', 'close'],
    ['te', 'gzip'],
  ]) {
    assert.equal(areTrailers(list), false, list.join(': '))
  }
})
