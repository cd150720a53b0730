/** The pictures that the bench draws: every result is in them, at the place that its figures say. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Case } from '../../../bench/support/case.ts'
import { barChart, chartsOf, lineChart } from '../../../bench/support/charts.ts'
import type { CaseResult } from '../../../bench/support/results.ts'
import { linearTicks, logTicks, scale } from '../../../bench/support/svg.ts'

const run = (): Promise<never> => Promise.reject(new Error('not run'))
const figure = (name: string, unit: string, median: number) => ({
  name,
  unit,
  median,
  min: median / 2,
  max: median * 1.5,
})

/** The elements of a picture; throws where it is no well-formed XML of the kind that is written here. */
function elements(svg: string): { name: string; attributes: Record<string, string> }[] {
  const open: string[] = []
  const found: { name: string; attributes: Record<string, string> }[] = []
  for (const [, close = '', name = '', inside = '', empty = ''] of svg.matchAll(
    /<(\/?)([a-z]+)([^<>]*?)(\/?)>/g,
  )) {
    if (close === '/') assert.equal(open.pop(), name)
    else {
      const attributes = [...inside.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [
        key,
        value,
      ])
      found.push({ name, attributes: Object.fromEntries(attributes) as Record<string, string> })
      if (empty === '') open.push(name)
    }
  }
  assert.deepEqual(open, [])
  assert.doesNotMatch(svg.replaceAll(/<[^<>]*>/g, ''), /[<>]|&(?!amp;|lt;|gt;|quot;)/)
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/)
  return found
}

test('a bar is as long as its median, and the whisker as wide as its spread', () => {
  const bars = [
    { label: 'one', median: 2, min: 1, max: 4 },
    { label: 'a < b & c', median: 4, min: 4, max: 4 },
  ]
  const svg = barChart('ratios', bars)
  const all = elements(svg)
  const [one, other] = all.filter(({ name }) => name === 'rect').map(({ attributes }) => attributes)
  assert.equal(Number(other!['width']), 2 * Number(one!['width']))
  const paths = all
    .filter(({ attributes }) => attributes['class'] === 'ink')
    .map(({ attributes }) => attributes['d']!)
  const perUnit = Number(one!['width']) / 2
  const left = Number(one!['x'])
  const whisker = /^M([\d.]+) [\d.]+L([\d.]+) /.exec(paths[0]!)!
  assert.deepEqual([Number(whisker[1]), Number(whisker[2])], [left + perUnit, left + 4 * perUnit])
  assert.equal(
    paths.length,
    4,
    'a whisker with its two ends, and the line at 1; a bar without spread has none',
  )
  assert.ok(svg.includes('a &lt; b &amp; c') && svg.includes('>2.00 ×<'))
})

test('both light and dark have a colour for each line', () => {
  const svg = lineChart('cost', 'spans', 'µs', [])
  const [light = '', dark = ''] = svg.split('prefers-color-scheme:dark')
  for (let index = 0; index < 8; index++) {
    assert.ok(light.includes(`.c${index}{`) && dark.includes(`.c${index}{`))
  }
})

test('equal factors are equal distances along a line, and names do not cover each other', () => {
  const points = [10, 100, 1_000].map((at) => ({ at, median: 5, min: 5, max: 5 }))
  const svg = lineChart('cost', 'spans a request', 'µs', [
    { name: 'first', points },
    { name: 'second', points },
  ])
  const circles = elements(svg).filter(({ name }) => name === 'circle')
  const [a, b, c] = circles.map(({ attributes }) => Number(attributes['cx']))
  assert.ok(Math.abs(b! - a! - (c! - b!)) < 0.2)
  const places = ['first', 'second'].map((name) =>
    Number(new RegExp(`y="([\\d.]+)">${name}<`).exec(svg)?.[1]),
  )
  assert.ok(Math.abs(places[0]! - places[1]!) >= 16)
})

test('results become a chart for each peer, and one for each axis', () => {
  const growth = (line: string, at: number) => [
    { axis: 'spans a request', at, line, figure: `${line}: CPU per item` },
  ]
  const cases: Case[] = [
    { name: 'a', run, beside: 'Collector', growth: growth('gateway', 100) },
    { name: 'b', run, beside: 'Collector', growth: growth('gateway', 10) },
    { name: 'v', run, beside: 'vmagent' },
    { name: 'unmeasured', run, beside: 'Collector' },
  ]
  const results: CaseResult[] = [
    { name: 'a', runs: 3, figures: [figure('ratio', '×', 3), figure('gateway: CPU per item', 'µs', 2)] },
    { name: 'b', runs: 3, figures: [figure('ratio', '×', 2), figure('gateway: CPU per item', 'µs', 9)] },
    { name: 'v', runs: 3, figures: [figure('ratio', '×', 1.7)] },
  ]
  const charts = chartsOf(cases, results)
  assert.deepEqual(
    charts.map(({ name }) => name),
    [
      'items-per-cpu-second-beside-the-collector',
      'items-per-cpu-second-beside-vmagent',
      'cpu-per-item-by-spans-a-request',
    ],
  )
  const [collector, , line] = charts.map(({ svg }) => elements(svg))
  assert.equal(collector!.filter(({ name }) => name === 'rect').length, 2)
  assert.equal(line!.filter(({ name }) => name === 'circle').length, 2)
  const [left, right] = line!.filter(({ name }) => name === 'circle').map(({ attributes }) => attributes)
  assert.ok(
    Number(left!['cx']) < Number(right!['cx']),
    'points go from left to right, whatever the order of the cases',
  )
  assert.ok(Number(left!['cy']) < Number(right!['cy']), 'what costs more lies above')
})

test('ticks are round and enclose what is shown', () => {
  assert.deepEqual(linearTicks(4.9), [0, 1, 2, 3, 4, 5])
  assert.deepEqual(linearTicks(0.5), [0, 0.1, 0.2, 0.3, 0.4, 0.5])
  assert.deepEqual(logTicks(3, 40), [2, 5, 10, 20, 50])
  assert.equal(scale([1, 100], [0, 200], true)(10), 100)
  assert.equal(scale([5, 5], [7, 9], false)(5), 7)
})
