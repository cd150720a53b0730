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
  const cell = ledger.received('remote_write', 'metrics', 'team-a')
  cell.value += 7
  const line = 'guidepost_received_items_total{receiver="remote_write",signal="metrics",guid="team-a"}'
  assert.match(await registry.metrics(), new RegExp(`^${line.replace(/[{}]/g, '\\$&')} 7$`, 'm'))
  cell.value += 1
  assert.match(await registry.metrics(), new RegExp(`^${line.replace(/[{}]/g, '\\$&')} 8$`, 'm'))
})

test('the same labels give the same cell', () => {
  const ledger = new Ledger(10)
  assert.equal(ledger.published('metrics', 'a'), ledger.published('metrics', 'a'))
  assert.notEqual(ledger.published('metrics', 'a'), ledger.published('traces', 'a'))
  assert.notEqual(ledger.rejected('r', 'metrics', 'x', 'a'), ledger.rejected('r', 'metrics', 'y', 'a'))
})

test('all four books are shown with their labels', async () => {
  const ledger = new Ledger(10)
  ledger.received('r', 'metrics', 'a').value = 6
  ledger.published('metrics', 'a').value = 3
  ledger.rejected('r', 'metrics', 'malformed', 'a').value = 2
  ledger.deadLettered('metrics', 'a').value = 1
  assert.deepEqual(await lines(ledger), [
    'guidepost_received_items_total{receiver="r",signal="metrics",guid="a"} 6',
    'guidepost_published_items_total{signal="metrics",guid="a"} 3',
    'guidepost_rejected_items_total{receiver="r",signal="metrics",reason="malformed",guid="a"} 2',
    'guidepost_dead_lettered_items_total{signal="metrics",guid="a"} 1',
  ])
})

test('guids beyond the bound share "other", those before keep their name in every book', async () => {
  const ledger = new Ledger(2)
  for (const guid of ['a', 'b', 'c', 'd']) ledger.received('r', 'metrics', guid).value++
  ledger.received('r', 'metrics', 'a').value++
  for (const guid of ['a', 'd', 'c']) ledger.published('metrics', guid).value++
  assert.deepEqual(await lines(ledger), [
    'guidepost_received_items_total{receiver="r",signal="metrics",guid="a"} 2',
    'guidepost_received_items_total{receiver="r",signal="metrics",guid="b"} 1',
    'guidepost_received_items_total{receiver="r",signal="metrics",guid="other"} 2',
    'guidepost_published_items_total{signal="metrics",guid="a"} 1',
    'guidepost_published_items_total{signal="metrics",guid="other"} 2',
  ])
})

test('items without a guid are counted under the empty one, which takes no place', async () => {
  const ledger = new Ledger(1)
  ledger.rejected('r', 'metrics', 'guid_missing', '').value++
  ledger.received('r', 'metrics', 'a').value++
  assert.deepEqual(await lines(ledger), [
    'guidepost_received_items_total{receiver="r",signal="metrics",guid="a"} 1',
    'guidepost_rejected_items_total{receiver="r",signal="metrics",reason="guid_missing",guid=""} 1',
  ])
})
