/**
 * The books as an operator reads them: from the text of `/metrics` to one row for each receiver, signal and guid, and from
 * two readings to what can be said of each row.
 */
import type { MetricName } from '../telemetry/definitions.ts'

export interface Row {
  readonly receiver: string
  readonly signal: string
  readonly guid: string
  readonly received: number
  readonly published: number
  readonly spooled: number
  readonly rejected: Readonly<Record<string, number>>
  readonly deadLettered: number
  /** Received, and none of the others: it is under way, or missing. Negative: more went out than came in. */
  readonly difference: number
}

export interface Reading {
  /** By receiver, signal and guid. */
  readonly rows: ReadonlyMap<string, Row>
  readonly inflightBytes: number
}

/** `even`: nothing is missing. `under way`: what is missing may be in flight. `uneven`: it is not. */
export type State = 'even' | 'under way' | 'uneven'

type Mutable = { -readonly [K in keyof Row]: K extends 'rejected' ? Record<string, number> : Row[K] }

const sides = {
  guidepost_received_items_total: 'received',
  guidepost_published_items_total: 'published',
  guidepost_spooled_items: 'spooled',
  guidepost_dead_lettered_items_total: 'deadLettered',
} as const satisfies Partial<Record<MetricName, keyof Row>>
const rejectedName = 'guidepost_rejected_items_total' satisfies MetricName
const inflightName = 'guidepost_inflight_bytes' satisfies MetricName
const identityName = 'guidepost_build_info' satisfies MetricName

/** A sample of the text format: name, labels in braces, value, and a time stamp that nobody needs. */
const samplePattern = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/
const labelPattern = /(\w+)="((?:[^"\\]|\\.)*)"/g

/** Undefined when the text is not what a gateway shows. */
export function readBooks(text: string): Reading | undefined {
  const rows = new Map<string, Mutable>()
  let inflightBytes = 0
  let isGateway = false
  for (const line of text.split('\n')) {
    const [, name = '', labelText = '', value = ''] = samplePattern.exec(line) ?? []
    if (name === identityName) isGateway = true
    else if (name === inflightName) inflightBytes += Number(value)
    else if (name === rejectedName) {
      const labels = labelsOf(labelText)
      const { rejected } = rowOf(rows, labels)
      const { reason = '' } = labels
      rejected[reason] = (rejected[reason] ?? 0) + Number(value)
    } else if (Object.hasOwn(sides, name)) {
      rowOf(rows, labelsOf(labelText))[sides[name as keyof typeof sides]] += Number(value)
    }
  }
  if (!isGateway) return undefined
  for (const row of rows.values()) row.difference = differenceOf(row)
  return { rows, inflightBytes }
}

/**
 * What two readings say of a row of the later one. One reading of a gateway is of one moment: where it is even once, the
 * books are; and while nothing is in flight it has to be. More going out than came in is never right. The rest may be
 * waiting for the bus.
 */
export function stateOf(key: string, earlier: Reading, later: Reading): State {
  const first = earlier.rows.get(key)?.difference ?? 0
  const second = later.rows.get(key)?.difference ?? 0
  if (first === 0 || second === 0) return 'even'
  if (first < 0 && second < 0) return 'uneven'
  return earlier.inflightBytes === 0 && later.inflightBytes === 0 ? 'uneven' : 'under way'
}

/** Whether none of a row's counts changed between two readings. */
export function isStill(key: string, earlier: Reading, later: Reading): boolean {
  return JSON.stringify(earlier.rows.get(key)) === JSON.stringify(later.rows.get(key))
}

function rowOf(rows: Map<string, Mutable>, labels: Readonly<Record<string, string>>): Mutable {
  const { receiver = '', signal = '', guid = '' } = labels
  const key = `${receiver}\0${signal}\0${guid}`
  let row = rows.get(key)
  if (row === undefined) {
    const counts = { received: 0, published: 0, spooled: 0, deadLettered: 0, difference: 0 }
    row = { receiver, signal, guid, ...counts, rejected: {} }
    rows.set(key, row)
  }
  return row
}

function differenceOf({ received, published, spooled, rejected, deadLettered }: Row): number {
  return received - published - spooled - deadLettered - sumOf(rejected)
}

/** Items refused for any reason. */
export function sumOf(rejected: Row['rejected']): number {
  return Object.values(rejected).reduce((sum, items) => sum + items, 0)
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(labelPattern)].map(([, name = '', value = '']) => [
      name,
      value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
    ]),
  )
}
