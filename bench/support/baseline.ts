/**
 * What the parts took when it was last written down, as times of a copy of as many bytes (held.ts), and what may be
 * made of a new measurement beside it.
 */
import { readFileSync, writeFileSync } from 'node:fs'

/**
 * How much slower than stored a part may be found. Beside a load average of 17 on two cores most of five measurements of a
 * part lay within 5 % of their median, and what lay beyond 10 % was brought back by a second try.
 */
export const slowerShareMax = 0.12

export interface Baseline {
  /** The CPU that the ratios are of. On another they differ by more than the tolerance. */
  readonly cpu: string
  readonly node: string
  /** Times memcpy, by the name of the case. */
  readonly ratios: Readonly<Record<string, number>>
}

/** `missing`: nothing is stored for it. */
export type Verdict = 'same' | 'faster' | 'slower' | 'missing'

export function judge(stored: number | undefined, measured: number): Verdict {
  if (stored === undefined) return 'missing'
  if (measured > stored * (1 + slowerShareMax)) return 'slower'
  return measured < stored * (1 - slowerShareMax) ? 'faster' : 'same'
}

/** `kernel/crc32c  stored 14.6  measured 20.1  +38 %  slower`. */
export function judgement(name: string, stored: number | undefined, measured: number): string {
  const verdict = judge(stored, measured)
  const ratio = `measured ${measured.toFixed(2).padStart(8)}`
  if (stored === undefined) return `${name.padEnd(nameWidth)}  stored  nothing  ${ratio}  NOT IN THE BASELINE`
  const percent = (measured / stored - 1) * 100
  const change = `${percent < 0 ? '' : '+'}${percent.toFixed(0)} %`.padStart(6)
  const word = { same: '', faster: 'faster', slower: 'SLOWER', missing: '' }[verdict]
  const line = `${name.padEnd(nameWidth)}  stored ${stored.toFixed(2).padStart(8)}  ${ratio}  ${change}  ${word}`
  return line.trimEnd()
}

const nameWidth = 40

/** Throws what the system says when there is none. */
export function readBaseline(file: string): Baseline {
  return JSON.parse(readFileSync(file, 'utf8')) as Baseline
}

/** Stores `ratios` in four digits, in the order of the names. */
export function writeBaseline(file: string, { cpu, node, ratios }: Baseline): void {
  const sorted = Object.entries(ratios).sort(([a], [b]) => (a < b ? -1 : 1))
  const rounded = sorted.map(([name, ratio]) => [name, Number(ratio.toPrecision(4))] as const)
  writeFileSync(file, `${JSON.stringify({ cpu, node, ratios: Object.fromEntries(rounded) }, undefined, 2)}\n`)
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
