/** The alerts, in Prometheus's own hands: what fires when, what does not, and that each is valid where it is installed. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { definitions } from '../../src/telemetry/definitions.ts'
import { events } from '../../src/telemetry/events.ts'
import { requireReal } from '../support/real.ts'
import { ROOT, readText } from '../support/source-tree.ts'

const RULES = 'deploy/prometheus/alerts.yaml'
const run = promisify(execFile)

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook_url: string }
}

const groups = parse(readText(RULES)).groups as readonly { readonly rules: readonly Rule[] }[]
const rules = groups.flatMap((group) => group.rules)

const skip = await requireReal('promtool', async () => {
  const works = await run('promtool', ['--version']).then(
    () => true,
    () => false,
  )
  return works ? false : 'there is no promtool; on Debian: apt-get install prometheus'
})

let directory: string
before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'guidepost-alerts-'))
})
after(() => rm(directory, { recursive: true, force: true }))

/** Series by their text, each with its values once a minute, in promtool's notation. */
type Series = Readonly<Record<string, string>>

/** A gateway in good order with traffic, of which some items are in flight at each scrape. */
const well: Series = {
  'up{job="guidepost",instance="a"}': '1x240',
  'process_start_time_seconds{job="guidepost",instance="a"}': '-86400x240',
  'process_resident_memory_bytes{job="guidepost",instance="a"}': '300000000x240',
  'nodejs_eventloop_lag_p99_seconds{job="guidepost",instance="a"}': '0.02x240',
  'guidepost_memory_bytes_max{job="guidepost",instance="a"}': '800000000x240',
  'guidepost_ready{job="guidepost",instance="a"}': '1x240',
  'guidepost_bus_up{job="guidepost",instance="a"}': '1x240',
  'guidepost_spool_bytes{job="guidepost",instance="a"}': '0x240',
  'guidepost_spool_bytes_max{job="guidepost",instance="a"}': '1000x240',
  'guidepost_spooled_items{job="guidepost",instance="a",signal="metrics",guid="g"}': '0x240',
  'guidepost_spool_delivered_items_total{job="guidepost",instance="a"}': '0x240',
  'guidepost_received_items_total{job="guidepost",instance="a",receiver="remote_write",signal="metrics",guid="g"}':
    '50+100x240',
  'guidepost_published_items_total{job="guidepost",instance="a",receiver="remote_write",signal="metrics",guid="g"}':
    '0+100x240',
  'guidepost_refused_requests_total{job="guidepost",instance="a",receiver="http",reason="path"}': '0+60x240',
  ...Object.fromEntries(
    Object.keys(events).map((event) => [
      `guidepost_events_total{job="guidepost",instance="a",event="${event}"}`,
      '0x240',
    ]),
  ),
}

const of = (name: string, labels = ''): string =>
  `${name}{job="guidepost",instance="a"${labels === '' ? '' : `,${labels}`}}`
const event = (name: string): string => of('guidepost_events_total', `event="${name}"`)
const received = (labels: string): string => of('guidepost_received_items_total', labels)
const remoteWrite = 'receiver="remote_write",signal="metrics"'

interface Scenario {
  readonly name: string
  /** In place of the series of the same text, or beside them. */
  readonly series: Series
  readonly minutes: number
  readonly firing: readonly string[]
}

const scenarios: readonly Scenario[] = [
  { name: 'all is well', series: {}, minutes: 200, firing: [] },
  { name: 'down', series: { [of('up')]: '1x100 0x100' }, minutes: 105, firing: ['GuidepostDown'] },
  { name: 'down for a moment', series: { [of('up')]: '1x100 0x100' }, minutes: 102, firing: [] },
  { name: 'no target', series: { [of('up')]: '_x240' }, minutes: 10, firing: ['GuidepostDown'] },
  {
    name: 'not ready, without a spool',
    series: { [of('guidepost_ready')]: '1x100 0x100', [of('guidepost_bus_up')]: '1x100 0x100' },
    minutes: 110,
    firing: ['GuidepostBusDown', 'GuidepostNotReady'],
  },
  {
    name: 'Kafka away, with a spool',
    series: {
      [of('guidepost_bus_up')]: '1x100 0x100',
      [of('guidepost_spool_bytes')]: '0x100 1x140',
      [of('guidepost_spooled_items', 'signal="metrics",guid="g"')]: '0x100 0+100x140',
      [of('guidepost_published_items_total', `${remoteWrite},guid="g"`)]: '0+100x100 10000x140',
    },
    minutes: 130,
    firing: ['GuidepostBusDown', 'GuidepostSpoolInUse'],
  },
  {
    name: 'a spool that fills within the hour',
    series: { [of('guidepost_spool_bytes')]: '0x100 0+15x100' },
    minutes: 130,
    firing: ['GuidepostSpoolNearlyFull'],
  },
  {
    name: 'a spool that is nearly full and stays so',
    series: { [of('guidepost_spool_bytes')]: '900x240' },
    minutes: 60,
    firing: ['GuidepostSpoolNearlyFull'],
  },
  {
    name: 'a spool that is not delivered while the bus is up',
    series: {
      [of('guidepost_spooled_items', 'signal="metrics",guid="h"')]: '7x240',
      [received('receiver="spool",signal="metrics",guid="h"')]: '7x240',
    },
    minutes: 60,
    firing: ['GuidepostSpoolInUse', 'GuidepostSpoolStuck'],
  },
  {
    name: 'a part of the spool that Kafka does not take while it takes the rest',
    series: { [of('guidepost_spool_parked_items')]: '0x100 5x140' },
    minutes: 112,
    firing: ['GuidepostSpoolStuck'],
  },
  {
    name: 'overloaded',
    series: {
      [of('guidepost_refused_requests_total', 'receiver="otlp",reason="overloaded"')]: '0x100 0+5x140',
      [of('guidepost_rejected_items_total', `${remoteWrite},reason="bus_unavailable",guid="h"`)]: '0+5x240',
      [received(`${remoteWrite},guid="h"`)]: '0+5x240',
    },
    minutes: 115,
    firing: ['GuidepostSendersWait'],
  },
  {
    name: 'items refused for good',
    series: {
      [of('guidepost_rejected_items_total', `${remoteWrite},reason="label_repeated",guid="h"`)]: '0+5x240',
      [received(`${remoteWrite},guid="h"`)]: '0+5x240',
    },
    minutes: 60,
    firing: ['GuidepostDataRefused'],
  },
  {
    name: 'requests refused for good',
    series: {
      [of('guidepost_refused_requests_total', 'receiver="otlp",reason="body_malformed"')]: '0+1x240',
    },
    minutes: 60,
    firing: ['GuidepostDataRefused'],
  },
  {
    name: 'items dropped because the operator said so',
    series: {
      [of('guidepost_rejected_items_total', `${remoteWrite},reason="guid_dropped",guid=""`)]: '0+5x240',
      [received(`${remoteWrite},guid=""`)]: '0+5x240',
    },
    minutes: 60,
    firing: [],
  },
  {
    name: 'the first dead letter of all',
    series: {
      [of('guidepost_dead_lettered_items_total', 'receiver="otlp",signal="logs",guid="h"')]: '_x100 1x140',
      [received('receiver="otlp",signal="logs",guid="h"')]: '_x100 1x140',
    },
    minutes: 105,
    firing: ['GuidepostDeadLetters'],
  },
  {
    name: 'a dead letter of long ago',
    series: {
      [of('guidepost_dead_lettered_items_total', 'receiver="otlp",signal="logs",guid="h"')]: '_x100 1x140',
      [received('receiver="otlp",signal="logs",guid="h"')]: '_x100 1x140',
    },
    minutes: 165,
    firing: [],
  },
  {
    name: 'items that were received and are nowhere',
    series: { [received(`${remoteWrite},guid="h"`)]: '0x50 3x190' },
    minutes: 75,
    firing: ['GuidepostBooksOpen'],
  },
  {
    name: 'items of a busy guid that are nowhere',
    series: { [received(`${remoteWrite},guid="g"`)]: '50+100x50 5550+110x190' },
    minutes: 120,
    firing: ['GuidepostBooksOpen'],
  },
  {
    name: 'items on the bus that nobody sent',
    series: {
      [received(`${remoteWrite},guid="h"`)]: '5x240',
      [of('guidepost_published_items_total', `${remoteWrite},guid="h"`)]: '7x240',
    },
    minutes: 60,
    firing: ['GuidepostBooksOpen'],
  },
  {
    name: 'datagrams lost',
    series: {
      [of('guidepost_refused_requests_total', 'receiver="jaeger_compact",reason="kernel"')]: '0x100 9x140',
    },
    minutes: 107,
    firing: ['GuidepostDatagramsLost'],
  },
  {
    name: 'a full disk',
    series: { [event('disk_full')]: '0x100 1x140' },
    minutes: 102,
    firing: ['GuidepostDiskFails'],
  },
  {
    name: 'damage while it runs',
    series: { [event('bad_record')]: '0x100 1x140' },
    minutes: 102,
    firing: ['GuidepostStorageDamaged'],
  },
  {
    name: 'damage and a torn tail, found at each of two starts',
    series: {
      [of('process_start_time_seconds')]: '-86400x100 6000x140',
      [event('bad_record')]: '1x240',
      [event('torn_tail')]: '1x240',
    },
    minutes: 102,
    firing: ['GuidepostDiedWriting', 'GuidepostStorageDamaged'],
  },
  {
    name: 'a start of long ago that found a torn tail',
    series: { [event('torn_tail')]: '1x240' },
    minutes: 102,
    firing: [],
  },
  {
    name: 'items without a guid',
    series: {
      [received(`${remoteWrite},guid="unassigned"`)]: '0+5x240',
      [of('guidepost_published_items_total', `${remoteWrite},guid="unassigned"`)]: '0+5x240',
    },
    minutes: 60,
    firing: ['GuidepostGuidMissing'],
  },
  {
    name: 'a slow event loop, of ours and of another program',
    series: { [of('nodejs_eventloop_lag_p99_seconds')]: '0.4x240' },
    minutes: 60,
    firing: ['GuidepostEventLoopLag'],
  },
  {
    name: 'another program is slow, large and down',
    series: {
      'nodejs_eventloop_lag_p99_seconds{job="shop",instance="b"}': '2x240',
      'process_resident_memory_bytes{job="shop",instance="b"}': '9e9x240',
      'up{job="shop",instance="b"}': '0x240',
    },
    minutes: 60,
    firing: [],
  },
  {
    name: 'a worker that was started again',
    series: { [of('guidepost_worker_restarts_total', 'worker="2"')]: '0x100 1x140' },
    minutes: 110,
    firing: ['GuidepostWorkerRestarts'],
  },
  {
    name: 'a worker that was started again long ago',
    series: { [of('guidepost_worker_restarts_total', 'worker="2"')]: '0x100 1x140' },
    minutes: 140,
    firing: [],
  },
  {
    name: 'much memory',
    series: { [of('process_resident_memory_bytes')]: '700e6x240' },
    minutes: 60,
    firing: ['GuidepostMemoryNearLimit'],
  },
]

test('each alert fires when it should, and none besides', { skip }, async () => {
  const file = path.join(directory, 'alerts-test.yaml')
  const document = {
    rule_files: [path.join(ROOT, RULES)],
    evaluation_interval: '1m',
    tests: scenarios.map(({ name, series, minutes, firing }) => ({
      name,
      interval: '1m',
      input_series: Object.entries({ ...well, ...series }).map(([text, values]) => ({
        series: text,
        values,
      })),
      promql_expr_test: [
        {
          expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
          eval_time: `${minutes}m`,
          exp_samples: firing.map((alertname) => ({ labels: `{alertname="${alertname}"}`, value: 1 })),
        },
      ],
    })),
  }
  await writeFile(file, stringify(document))
  const failure = await run('promtool', ['test', 'rules', file]).then(
    () => '',
    ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}`,
  )
  assert.equal(failure, '')
})

test('what Prometheus reads is valid', { skip }, async () => {
  await run('promtool', ['check', 'rules', path.join(ROOT, RULES)])
  const documents = parseAllDocuments(readText('deploy/kubernetes/kube-prometheus-alerts.yaml'))
  const [wrapped] = documents
    .map((document) => document.toJS() as { readonly kind: string; readonly spec: object })
    .filter(({ kind }) => kind === 'PrometheusRule')
  assert.ok(wrapped)
  const file = path.join(directory, 'wrapped.yaml')
  await writeFile(file, stringify(wrapped.spec))
  await run('promtool', ['check', 'rules', file])
})

test('a scenario makes each alert fire', () => {
  const fired = new Set(scenarios.flatMap(({ firing }) => firing))
  assert.deepEqual(
    rules.map(({ alert }) => alert).filter((alert) => !fired.has(alert)),
    [],
    'add a scenario to this file in which it fires',
  )
})

test('the alerts speak of metrics and events that there are', () => {
  for (const { alert, expr } of rules) {
    for (const [name] of expr.matchAll(/guidepost_[a-z_]+/g))
      if (!name.endsWith('_')) assert.ok(Object.hasOwn(definitions, name), `${alert}: ${name}`)
    for (const [, names = ''] of expr.matchAll(/event=~?"([^"]+)"/g))
      for (const name of names.split('|')) assert.ok(Object.hasOwn(events, name), `${alert}: ${name}`)
  }
})

test('every error that passes is one for which senders wait, and none by which data is refused', () => {
  const [, passing = ''] = /\/\/ what passes\n([\s\S]*?)\n {2}\/\//.exec(readText('src/errors.ts')) ?? []
  const reasons = [...passing.matchAll(/GP_([A-Z_]+)/g)].map(([, name = '']) => name.toLowerCase())
  assert.ok(reasons.includes('overloaded'))
  const reasonsOf = (alert: string): readonly string[] => {
    const { expr } = rules.find((rule) => rule.alert === alert)!
    return (/reason[!=]~"([^"]+)"/.exec(expr)?.[1] ?? '').split('|')
  }
  const waits = reasonsOf('GuidepostSendersWait')
  const notRefused = reasonsOf('GuidepostDataRefused')
  // A drain is asked for, and over soon.
  const missing = reasons.filter((reason) => reason !== 'draining' && !waits.includes(reason))
  assert.deepEqual(missing, [], 'add them to GuidepostSendersWait')
  assert.deepEqual(
    reasons.filter((reason) => !notRefused.includes(reason)),
    [],
    'add them to GuidepostDataRefused',
  )
})

test('each alert says how bad it is, and where the runbook speaks of it', () => {
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity, /^(critical|warning|info)$/, alert)
    assert.equal(annotations.runbook_url, `docs/runbook.md#${alert.toLowerCase()}`, alert)
    assert.notEqual(annotations.summary, '', alert)
  }
})
