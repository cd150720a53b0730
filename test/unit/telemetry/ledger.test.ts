import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { Ledger } from '../../../src/telemetry/ledger.ts'

async function lines(ledger: Ledger): Promise<string[]> {
  const registry = new Registry()
  ledger.expose(registry)
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

test('a scrape shows what the cells hold at that moment, and never adds up twice', async () => {
  const ledger = new Ledger(10)
  const registry = new Registry()
  ledger.expose(registry)
  const { received } = ledger.account('remote_write', 'metrics', 'team-a')
  received.value += 7
  const line = 'guidepost_received_items_total{receiver="remote_write",signal="metrics",guid="team-a"}'
  assert.match(await registry.metrics(), new RegExp(`^${line.replace(/[{}]/g, '\\$&')} 7$`, 'm'))
  received.value += 1
  assert.match(await registry.metrics(), new RegExp(`^${line.replace(/[{}]/g, '\\$&')} 8$`, 'm'))
})

test('the same labels give the same account', () => {
  const ledger = new Ledger(10)
  const account = ledger.account('r', 'metrics', 'a')
  assert.equal(ledger.account('r', 'metrics', 'a'), account)
  assert.notEqual(ledger.account('r', 'traces', 'a'), account)
  assert.notEqual(ledger.account('s', 'metrics', 'a'), account)
  assert.equal(account.rejected('x'), account.rejected('x'))
  assert.notEqual(account.rejected('x'), account.rejected('y'))
})

test('all five books are shown, each with the receiver, the signal and the guid', async () => {
  const ledger = new Ledger(10)
  const account = ledger.account('r', 'metrics', 'a')
  account.received.value = 10
  account.published.value = 3
  account.spooled.value = 4
  account.rejected('malformed').value = 2
  account.deadLettered.value = 1
  assert.deepEqual(await lines(ledger), [
    'guidepost_received_items_total{receiver="r",signal="metrics",guid="a"} 10',
    'guidepost_published_items_total{receiver="r",signal="metrics",guid="a"} 3',
    'guidepost_spooled_items{receiver="r",signal="metrics",guid="a"} 4',
    'guidepost_rejected_items_total{receiver="r",signal="metrics",guid="a",reason="malformed"} 2',
    'guidepost_dead_lettered_items_total{receiver="r",signal="metrics",guid="a"} 1',
  ])
})

test('an account shows nothing before its first item, then its zeros too', async () => {
  const ledger = new Ledger(10)
  const { received, spooled } = ledger.account('r', 'metrics', 'unassigned')
  ledger.account('r', 'metrics', 'a')
  spooled.value++
  spooled.value--
  received.value++
  assert.deepEqual(await lines(ledger), [
    'guidepost_received_items_total{receiver="r",signal="metrics",guid="unassigned"} 1',
    'guidepost_published_items_total{receiver="r",signal="metrics",guid="unassigned"} 0',
    'guidepost_spooled_items{receiver="r",signal="metrics",guid="unassigned"} 0',
    'guidepost_dead_lettered_items_total{receiver="r",signal="metrics",guid="unassigned"} 0',
  ])
})

test('guids beyond the bound share "other", those before keep their name in every book', async () => {
  const ledger = new Ledger(2)
  const count = (guid: string, side: 'received' | 'published'): void => {
    ledger.account('r', 'metrics', guid)[side].value++
  }
  for (const guid of ['a', 'b', 'c', 'd', 'a']) count(guid, 'received')
  for (const guid of ['a', 'd', 'c']) count(guid, 'published')
  assert.deepEqual(
    (await lines(ledger)).filter((line) => !line.includes('dead')),
    [
      'guidepost_received_items_total{receiver="r",signal="metrics",guid="a"} 2',
      'guidepost_received_items_total{receiver="r",signal="metrics",guid="b"} 1',
      'guidepost_received_items_total{receiver="r",signal="metrics",guid="other"} 2',
      'guidepost_published_items_total{receiver="r",signal="metrics",guid="a"} 1',
      'guidepost_published_items_total{receiver="r",signal="metrics",guid="b"} 0',
      'guidepost_published_items_total{receiver="r",signal="metrics",guid="other"} 2',
    ],
  )
})

test('items without a guid are counted under the empty one, which takes no place', async () => {
  const ledger = new Ledger(1)
  ledger.account('r', 'metrics', '').rejected('guid_missing').value++
  ledger.account('r', 'metrics', 'a').received.value++
  const shown = await lines(ledger)
  assert.ok(shown.includes('guidepost_received_items_total{receiver="r",signal="metrics",guid="a"} 1'))
  assert.ok(
    shown.includes(
      'guidepost_rejected_items_total{receiver="r",signal="metrics",guid="",reason="guid_missing"} 1',
    ),
  )
})
