/** A real Prometheus writes to the running program: what it says it sent is what lies in the log. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { readLog, seriesOf } from '../support/bus-read.ts'
import { ledgerOf, sumOf } from '../support/exposition.ts'
import { Program } from '../support/program.ts'
import { Prometheus, probePrometheus } from '../support/prometheus.ts'
import { requireReal } from '../support/real.ts'
import { until } from '../support/until.ts'

const SENT = 'prometheus_remote_storage_samples_total'
const PENDING = 'prometheus_remote_storage_samples_pending'
/** A node exporter has several hundred series; a few scrapes come to more than this. */
const SAMPLES_MIN = 3000

const skip = await requireReal('a real Prometheus', probePrometheus)

test('every sample that Prometheus sent lies in the log, under its guid', { skip }, async (context) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-log-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const program = await Program.start({ bus: `log:${directory}` })
  context.after(() => program.end())
  const prometheus = await Prometheus.start({
    writeUrl: program.url('/write'),
    targetLabels: { namespace: 'team-a' },
  })
  context.after(() => prometheus.stop())

  await until('enough was sent', 60_000, async () => sumOf(await prometheus.metrics(), SENT) > SAMPLES_MIN)
  await prometheus.stopScraping()
  // The queue of a target that is gone is flushed; what the counters say then, twice the same, is all there will be.
  let before = -1
  await until('nothing is pending', 60_000, async () => {
    const samples = await prometheus.metrics()
    const sent = sumOf(samples, SENT)
    const isSettled = sumOf(samples, PENDING) === 0 && sent === before
    before = sent
    return isSettled
  })

  const counters = await prometheus.metrics()
  const ledger = ledgerOf(await program.metrics())
  assert.equal(await program.stop('SIGTERM'), 0, 'a drain ends with status 0')

  const records = await readLog(directory, ['prometheus_metrics'])
  const series = records.flatMap(seriesOf)
  const stored = series.reduce((sum, { samples }) => sum + samples, 0)
  // The counter holds every attempt, so it equals what is stored only when each first attempt was a success.
  assert.equal(sumOf(counters, 'prometheus_remote_storage_samples_failed_total'), 0)
  assert.equal(sumOf(counters, 'prometheus_remote_storage_samples_retried_total'), 0)
  assert.equal(stored, sumOf(counters, SENT))

  for (const record of records) {
    const guid = record.headers['guid']
    assert.equal(record.key, guid)
    for (const { labels } of seriesOf(record)) {
      assert.deepEqual(
        labels.filter(([name]) => name === 'guid'),
        [['guid', guid]],
      )
      const names = labels.map(([name]) => name)
      assert.deepEqual(names, [...names].sort(), 'the labels are in the order of their bytes')
    }
  }
  const ofTeam = series.filter(({ labels }) =>
    labels.some(([name, value]) => name === 'guid' && value === 'team-a'),
  )
  assert.ok(ofTeam.length > SAMPLES_MIN / 2, `only ${ofTeam.length} series went to team-a`)

  assert.ok(ledger.size > 0, 'the ledger is empty')
  for (const [key, entry] of ledger) {
    const settled = entry.published + entry.spooled + entry.rejected + entry.deadLettered
    assert.equal(entry.received, settled, `the ledger of ${key} does not balance: ${JSON.stringify(entry)}`)
  }
})
