/** The soak in short: everything at once, and nothing that is opened for it stays open. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { soak } from '../support/soak.ts'

const seconds = 10

test(`${seconds} s of everything at once: all of it is stored, no descriptor is left over`, async (context) => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const { looks, ...result } = await soak({
    ...{ seed, bus: 'log', seconds, connections: 1, pauseMs: 20, requestsPerConnection: 10, lookMs: 250 },
    ...{ guidSeconds: 0.2, reloadSeconds: 2, restartsBroker: false },
  })
  context.diagnostic(JSON.stringify(result))
  assert.equal(result.refused, 0)
  assert.equal(result.repeatedRecords, 0)
  assert.equal(result.datagramsStored, result.datagrams)
  assert.ok(result.rubbishRefused > 0)
  assert.ok(result.reloads > 0)
  const [first, last] = [looks[Math.floor(looks.length / 2)], looks.at(-1)]
  assert.ok(first !== undefined && last !== undefined)
  // A connection of each protocol may be between its end and its next beginning.
  assert.ok(last.descriptors < first.descriptors + 20, `${first.descriptors}, then ${last.descriptors}`)
})
