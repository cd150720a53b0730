/** The runs of a case become medians with their spread, a table and a file. */
import type { Figure } from './case.ts'

export interface Summary {
  readonly name: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface CaseResult {
  readonly name: string
  readonly runs: number
  readonly figures: readonly Summary[]
}

/** `runs` holds the figures of each run, the same ones in the same order. */
export function summarise(name: string, runs: readonly (readonly Figure[])[]): CaseResult {
  const figures = (runs[0] ?? []).map((figure, index) => {
    const values = runs.map((run) => run[index]?.value ?? Number.NaN).sort((a, b) => a - b)
    const middle = values.length >> 1
    const median = values.length % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2
    return { name: figure.name, unit: figure.unit, median, min: values[0]!, max: values.at(-1)! }
  })
  return { name, runs: runs.length, figures }
}

/** One line for each figure; the spread only when there is one. */
export function tableOf({ name, figures }: CaseResult): string {
  const width = Math.max(...figures.map((figure) => figure.name.length))
  const lines = figures.map(({ name: what, unit, median, min, max }) => {
    const spread = min === max ? '' : `   ${digits(min)} … ${digits(max)}`
    return `  ${what.padEnd(width)} ${digits(median).padStart(10)} ${unit.padEnd(5)}${spread}`.trimEnd()
  })
  return `${name}\n${lines.join('\n')}\n`
}

/** The results of cases with the same columns, as a table in Markdown: medians, the first with its spread. */
export function summaryTable(columns: readonly string[], results: readonly CaseResult[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const cell = ({ figures }: CaseResult, column: string, index: number): string => {
    const found = figures.find(({ name }) => name === column)
    if (found === undefined) return ''
    const spread =
      index > 0 || found.min === found.max ? '' : ` (${digits(found.min)} … ${digits(found.max)})`
    return `${digits(found.median)}${spread}`
  }
  const heads = columns.map((column) => {
    const unit = results[0]?.figures.find(({ name }) => name === column)?.unit ?? ''
    return unit === '' ? column : `${column}, ${unit}`
  })
  return [
    row(['case', ...heads]),
    row(['---', ...columns.map(() => '---')]),
    ...results.map((result) =>
      row([result.name, ...columns.map((column, index) => cell(result, column, index))]),
    ),
  ].join('\n')
}

/** Three digits that count. */
export function digits(value: number): string {
  const magnitude = Math.abs(value)
  if (magnitude >= 100) return value.toFixed(0)
  if (magnitude >= 10) return value.toFixed(1)
  return value.toFixed(magnitude >= 1 ? 2 : 3)
}
