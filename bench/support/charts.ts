/** Results as pictures: how many times as fast as a peer, and how cost grows with the work. */
import type { Case } from './case.ts'
import { type CaseResult, digits, type Summary } from './results.ts'
import { at, coloursMax, linearTicks, logTicks, picture, scale, segment, text } from './svg.ts'

const width = 760
const top = 44

export interface Chart {
  /** Without its ending. */
  readonly name: string
  readonly svg: string
}

export interface Bar {
  readonly label: string
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Bars from 0, each with its spread, and a line where both are equal. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const [left, right, row] = [210, width - 70, 26]
  const ticks = linearTicks(Math.max(1, ...bars.map(({ max }) => max)))
  const x = scale([0, ticks.at(-1)!], [left, right], false)
  const bottom = top + bars.length * row
  const axis = ticks.flatMap((tick) => [
    segment(x(tick), top, x(tick), bottom, 'axis'),
    text(x(tick), bottom + 18, `${tick} ×`, 'mid'),
  ])
  const rows = bars.flatMap(({ label, median, min, max }, index) => {
    const y = top + index * row + row / 2
    const whisker = min === max ? [] : [segment(x(min), y, x(max), y, 'ink')]
    const ends = min === max ? [] : [min, max].map((end) => segment(x(end), y - 4, x(end), y + 4, 'ink'))
    return [
      text(left - 8, y + 4, label, 'end'),
      `<rect x="${at(left)}" y="${at(y - 8)}" width="${at(x(median) - left)}" height="16" class="c0" fill-opacity=".75"/>`,
      ...whisker,
      ...ends,
      text(Math.max(x(max), x(median)) + 8, y + 4, `${digits(median)} ×`),
    ]
  })
  const even = segment(x(1), top - 4, x(1), bottom, 'ink')
  return picture(width, bottom + 32, title, [text(16, 24, title, 'title'), ...axis, ...rows, even])
}

export interface Line {
  readonly name: string
  /** From left to right. */
  readonly points: readonly (Omit<Bar, 'label'> & { readonly at: number })[]
}

/** Beyond this factor small values would lie on the axis. */
const linearFactorMax = 8

/** What grows from left to right, in equal factors; what it costs upward. */
export function lineChart(title: string, axis: string, cost: string, lines: readonly Line[]): string {
  const [left, right, bottom] = [64, width - 220, 340]
  const points = lines.flatMap((line) => line.points)
  const places = [...new Set(points.map((point) => point.at))].sort((a, b) => a - b)
  const x = scale([places[0]!, places.at(-1)!], [left + 12, right - 12], true)
  const [min, max] = [
    Math.min(...points.map((point) => point.min)),
    Math.max(...points.map((point) => point.max)),
  ]
  const isLog = min > 0 && max / min > linearFactorMax
  const ticks = isLog ? logTicks(min, max) : linearTicks(max)
  const y = scale([ticks[0]!, ticks.at(-1)!], [bottom, top + 16], isLog)
  const labels = spaced(
    lines.map(({ points: of }) => y(of.at(-1)!.median)),
    16,
  )
  const drawn = lines.flatMap(({ name, points: of }, index) => {
    const colour = `c${index % coloursMax}`
    const path = of.map((point) => `${at(x(point.at))} ${at(y(point.median))}`).join('L')
    return [
      `<path d="M${path}" class="line ${colour}"/>`,
      ...of.map((p) => `<circle cx="${at(x(p.at))}" cy="${at(y(p.median))}" r="3" class="${colour}"/>`),
      ...of.map((p) => segment(x(p.at), y(p.min), x(p.at), y(p.max), colour)),
      segment(right + 4, labels[index]!, right + 18, labels[index]!, `line ${colour}`),
      text(right + 24, labels[index]! + 4, name),
    ]
  })
  return picture(width, bottom + 56, title, [
    text(16, 24, title, 'title'),
    text(left, top + 4, cost),
    ...ticks.flatMap((tick) => [
      segment(left, y(tick), right, y(tick), 'axis'),
      text(left - 8, y(tick) + 4, tick.toLocaleString('en-US'), 'end'),
    ]),
    ...places.map((place) => text(x(place), bottom + 20, place.toLocaleString('en-US'), 'mid')),
    text((left + right) / 2, bottom + 42, axis, 'mid'),
    ...drawn,
  ])
}

/** Places as near to those wanted as they can be, no two nearer to each other than `distance`. */
function spaced(wanted: readonly number[], distance: number): number[] {
  const places = [...wanted]
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]!)
  for (const [rank, index] of order.entries()) {
    const above = rank === 0 ? Number.NEGATIVE_INFINITY : places[order[rank - 1]!]!
    places[index] = Math.max(places[index]!, above + distance)
  }
  return places
}

/** A chart of ratios for each peer and kind of ratio, and one for each axis along which cost was measured. */
export function chartsOf(cases: readonly Case[], results: readonly CaseResult[]): Chart[] {
  return [...ratioCharts(cases, results), ...growthCharts(cases, results)]
}

function ratioCharts(cases: readonly Case[], results: readonly CaseResult[]): Chart[] {
  const groups = new Map<string, Bar[]>()
  for (const { name, beside } of cases) {
    const ratio = results.find((result) => result.name === name)?.figures[0]
    if (beside === undefined || ratio === undefined) continue
    const title = `${ratio.name === 'ratio' ? 'items per CPU-second' : ratio.name}, beside ${beside === 'Collector' ? 'the ' : ''}${beside}`
    groups.set(title, [...(groups.get(title) ?? []), { label: name, ...spreadOf(ratio) }])
  }
  return [...groups].map(([title, bars]) => ({ name: slug(title), svg: barChart(title, bars) }))
}

function growthCharts(cases: readonly Case[], results: readonly CaseResult[]): Chart[] {
  const groups = new Map<string, { axis: string; cost: string; lines: Map<string, Line['points']> }>()
  for (const { name, growth = [] } of cases) {
    const figures = results.find((result) => result.name === name)?.figures ?? []
    for (const point of growth) {
      const figure = figures.find((each) => each.name === point.figure)
      if (figure === undefined) continue
      const kind = point.figure.slice(point.figure.lastIndexOf(': ') + 1).trim()
      const title = `${kind}, by ${point.axis}`
      const cost = figure.unit === '' ? kind : `${kind}, ${figure.unit}`
      const group = groups.get(title) ?? { axis: point.axis, cost, lines: new Map() }
      groups.set(title, group)
      const points = [...(group.lines.get(point.line) ?? []), { at: point.at, ...spreadOf(figure) }]
      group.lines.set(
        point.line,
        points.sort((a, b) => a.at - b.at),
      )
    }
  }
  return [...groups].map(([title, { axis, cost, lines }]) => ({
    name: slug(title),
    svg: lineChart(
      title,
      axis,
      cost,
      [...lines].map(([name, points]) => ({ name, points })),
    ),
  }))
}

function spreadOf({ median, min, max }: Summary): Omit<Bar, 'label'> {
  return { median, min, max }
}

function slug(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}
