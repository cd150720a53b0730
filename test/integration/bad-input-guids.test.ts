/** Forged, repeated, strange and very many guids: what the sender claims never overrides what the rules say. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { byteText, encodeV1, encodeV2 } from '../support/oracle/index.ts'
import { Running } from '../support/running.ts'
import {
  contentV1,
  contentV2,
  type Labels,
  messageV1,
  messageV2,
  post,
  type Reply,
  snappy,
} from '../support/senders.ts'

const running = await Running.start({ after })
const versions = [
  [1, messageV1, contentV1],
  [2, messageV2, contentV2],
] as const

function send(
  body: Buffer,
  headers: Readonly<Record<string, string | string[]>>,
  path?: string,
): Promise<Reply> {
  return post(running.port, snappy(body), { headers, ...(path === undefined ? {} : { path }) })
}

async function storedWith(id: string): Promise<Labels[]> {
  return (await running.stored()).filter((labels) => labels['id'] === id)
}

/** A 1.0 message of one series from pairs, so that names may repeat. */
function pairsV1(pairs: readonly (readonly [string, string])[]): Buffer {
  return encodeV1({
    timeseries: [
      { labels: pairs.map(([name, value]) => ({ name: byteText(name), value: byteText(value) })) },
    ],
  })
}

/** The same in 2.0; each text is a symbol of its own, so that a name that repeats is in the table twice. */
function pairsV2(pairs: readonly (readonly [string, string])[]): Buffer {
  const symbols = ['', ...pairs.flat()].map(byteText)
  return encodeV2({ symbols, timeseries: [{ labelsRefs: pairs.flat().map((_, i) => i + 1) }] })
}

for (const [version, build, content] of [
  [1, pairsV1, contentV1],
  [2, pairsV2, contentV2],
] as const) {
  test(`${version}.0: a forged guid in any position, once or repeated, is replaced`, async () => {
    const others = [
      ['Zone', 'z'],
      ['__name__', 'up'],
      ['id', ''],
      ['zone', 'z'],
    ] as const
    const wrong: string[] = []
    for (let copies = 1; copies <= 3; copies++) {
      for (let at = 0; at <= others.length; at++) {
        const id = `forged-${version}-${copies}-${at}`
        const pairs = others.map(([name, value]) => [name, name === 'id' ? id : value] as const)
        const forged = Array.from({ length: copies }, (_, i) => ['guid', `evil-${i}`] as const)
        const body = build([...pairs.slice(0, at), ...forged, ...pairs.slice(at)])
        const reply = await send(body, { ...content, 'x-guid': 'team-true' })
        const stored = await storedWith(id)
        const expected = [{ Zone: 'z', __name__: 'up', guid: 'team-true', id, zone: 'z' }]
        if (reply.status !== 204 || JSON.stringify(stored) !== JSON.stringify(expected)) {
          wrong.push(`${id}: ${reply.status} ${reply.text} ${JSON.stringify(stored)}`)
        }
      }
    }
    // Scattered over the series, too.
    const id = `forged-${version}-scattered`
    const scattered = others.flatMap(([name, value]) => [
      ['guid', `evil-${name}`] as const,
      [name, name === 'id' ? id : value] as const,
    ])
    assert.equal((await send(build(scattered), { ...content, 'x-guid': 'team-true' })).status, 204)
    assert.deepEqual((await storedWith(id))[0]?.['guid'], 'team-true')
    assert.deepEqual(wrong, [])
    const everything = Buffer.concat((await running.records()).map(({ value }) => value)).toString('latin1')
    if (version === 1) assert.ok(!everything.includes('evil-'), 'no trace of it is on the bus')
  })
}

for (const [version, build, content] of versions) {
  test(`${version}.0: GUID, Guid and guid_ are other labels; an empty or malformed guid is none`, async () => {
    const id = `case-${version}`
    const labels = { GUID: 'A', Guid: 'B', __name__: 'up', guid_: 'C', id }
    assert.equal((await send(build(labels), { ...content, 'x-guid': 'team-c' })).status, 204)
    assert.deepEqual(await storedWith(id), [
      { GUID: 'A', Guid: 'B', __name__: 'up', guid: 'team-c', guid_: 'C', id },
    ])

    const values = [
      '',
      ' ',
      '-a',
      'a-',
      '../a',
      'a/b',
      'a b',
      'ä',
      'a\0',
      'a\n',
      `${'a'.repeat(129)}`,
      '.',
      '..',
    ]
    for (const [i, value] of values.entries()) {
      const id = `malformed-${version}-${i}`
      const body = build({ __name__: 'up', guid: value, id, namespace: 'team-n' })
      assert.equal((await send(body, content)).status, 204, JSON.stringify(value))
      assert.deepEqual(
        await storedWith(id),
        [{ __name__: 'up', guid: 'team-n', id, namespace: 'team-n' }],
        JSON.stringify(value),
      )
    }
    const longest = 'a'.repeat(128)
    assert.equal(
      (await send(build({ __name__: 'up', guid: longest, id: `longest-${version}` }), content)).status,
      204,
    )
    assert.equal((await storedWith(`longest-${version}`))[0]?.['guid'], longest)
  })

  test(`${version}.0: a guid label of 10 MB is no guid, and does not reach the bus`, async () => {
    const id = `huge-${version}`
    const body = build({ __name__: 'up', guid: 'g'.repeat(10e6), id, namespace: 'team-n' })
    assert.equal((await send(body, content)).status, 204)
    assert.deepEqual(await storedWith(id), [{ __name__: 'up', guid: 'team-n', id, namespace: 'team-n' }])
    const [record] = (await running.records()).filter(({ value }) => value.includes(id))
    if (version === 1) assert.ok(record !== undefined && record.value.length < 1000)
    await running.assertWell()
  })
}

test('which guid wins: path, then header, then label', async () => {
  const body = messageV1({ __name__: 'up', guid: 'label', id: 'order' })
  const guidOf = async (): Promise<string | undefined> => (await storedWith('order')).at(-1)?.['guid']
  const scope = { ...contentV1, 'x-scope-orgid': 'scope' }
  await send(body, contentV1)
  assert.equal(await guidOf(), 'label')
  await send(body, scope)
  assert.equal(await guidOf(), 'scope')
  await send(body, { ...scope, 'x-guid': 'header' })
  assert.equal(await guidOf(), 'header')
  await send(body, { ...scope, 'x-guid': 'header' }, '/t/path/write')
  assert.equal(await guidOf(), 'path')
})

test('two x-guid headers are refused; a value that is no guid is passed over', async () => {
  const body = messageV1({ __name__: 'up', guid: 'label', id: 'header' })
  const before = await running.refused('guid')
  for (const name of ['x-guid', 'X-Guid', 'x-scope-orgid']) {
    const reply = await send(body, { ...contentV1, [name]: ['team-a', 'team-b'] })
    assert.equal(reply.status, 400, name)
    assert.match(reply.text, /^GP_GUID_HEADER: the header x-.* came 2 times/)
  }
  assert.equal(await running.refused('guid'), before + 3)
  assert.deepEqual(await storedWith('header'), [])
  for (const value of ['', '../etc', 'a b', 'a/b', 'x'.repeat(129), 'guid;drop']) {
    assert.equal((await send(body, { ...contentV1, 'x-guid': value })).status, 204, value)
  }
  assert.deepEqual(new Set((await storedWith('header')).map(({ guid }) => guid)), new Set(['label']))
})

test('the path must name a valid guid', async () => {
  const body = messageV1({ __name__: 'up', id: 'path' })
  const before = (await running.refused('guid')) + (await running.refused('path'))
  const bad = [
    '..',
    '%2e%2e',
    '%2E%2E',
    '.',
    '-',
    'a%2Fb',
    'a%00',
    '%zz',
    '%',
    'a%20b',
    'x'.repeat(129),
    '%C3%A4',
  ]
  for (const guid of bad) {
    const reply = await send(body, contentV1, `/t/${guid}/write`)
    assert.deepEqual([guid, reply.status, reply.text.split(':')[0]], [guid, 404, 'GP_PATH'])
  }
  assert.equal((await running.refused('guid')) + (await running.refused('path')), before + bad.length)
  assert.deepEqual(await storedWith('path'), [])
  for (const guid of ['a', 'team-a', 'A.b_c-1', 'x'.repeat(128), '%61']) {
    assert.equal((await send(body, contentV1, `/t/${guid}/api/v1/push`)).status, 204, guid)
  }
  const guids = (await storedWith('path')).map(({ guid }) => guid)
  assert.deepEqual(guids, ['a', 'team-a', 'A.b_c-1', 'x'.repeat(128), 'a'])
  await running.assertWell()
})

test('metadata without series travels under the guid of its request', async () => {
  const body = encodeV1({ metadata: [{ type: 1, metricFamilyName: 'only_metadata', help: 'some help' }] })
  assert.equal((await send(body, { ...contentV1, 'x-guid': 'team-m' })).status, 204)
  const found = (await running.records()).filter(({ value }) => value.includes('only_metadata'))
  assert.equal(found.length, 1)
  assert.equal(found[0]?.key, 'team-m')
  assert.equal(found[0]?.headers['guid'], 'team-m')
  assert.equal(found[0]?.headers['items'], '1')
  assert.ok(found[0]?.value.equals(body), 'unchanged')
})

test('2.0: a symbol of 1 MB used by 10,000 guids is refused, not repeated 10,000 times', async () => {
  const big = 'b'.repeat(1e6)
  const symbols = [
    '',
    '__name__',
    'big',
    'namespace',
    big,
    ...Array.from({ length: 10_000 }, (_, i) => `n${i}`),
  ]
  const timeseries = Array.from({ length: 10_000 }, (_, i) => ({ labelsRefs: [1, 1, 2, 4, 3, 5 + i] }))
  const body = encodeV2({ symbols: symbols.map(byteText), timeseries })
  const reply = await send(body, contentV2)
  assert.equal(reply.status, 413)
  assert.match(reply.text, /^GP_BODY_TOO_LARGE: .*guid/)
  assert.equal(reply.headers['x-prometheus-remote-write-samples-written'], '0')
  await running.assertWell()
})
