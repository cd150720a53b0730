/** Runs cases one after another, says what came out, and writes it down. */
import { writeFileSync } from 'node:fs'
import { closeBuses } from '../program/buses.ts'
import type { Case, Figure, RunOptions } from './case.ts'
import type { Machine } from './machine.ts'
import { say } from './output.ts'
import { type CaseResult, summarise, summaryTable, tableOf } from './results.ts'

export interface CasesRun {
  /** Of the cases that did not fail. */
  readonly results: readonly CaseResult[]
  /** In Markdown, one for the cases that name the same columns. */
  readonly tables: readonly string[]
  readonly failures: number
}

/** `then` comes after each case that did not fail, with all that was found so far. */
export async function runCases(
  chosen: readonly Case[],
  runs: number,
  options: RunOptions,
  then: (one: Case, soFar: CasesRun) => Promise<void> = () => Promise.resolve(),
): Promise<CasesRun> {
  const results: CaseResult[] = []
  let failures = 0
  try {
    for (const one of chosen) {
      try {
        const result = await measure(one, runs, options)
        results.push(result)
        say(tableOf(result))
        await then(one, { results, tables: summaries(chosen, results), failures })
      } catch (error) {
        failures++
        say(`${one.name}\n  FAILED: ${(error as Error).message}\n`)
      }
    }
  } finally {
    await closeBuses()
  }
  const tables = summaries(chosen, results)
  for (const table of tables) say(`${table}\n`)
  return { results, tables, failures }
}

async function measure(one: Case, runs: number, options: RunOptions): Promise<CaseResult> {
  const figures: (readonly Figure[])[] = []
  for (let run = 0; run < Math.min(runs, one.runsMax ?? runs); run++) figures.push(await one.run(options))
  return summarise(one.name, figures)
}

/** One table for the cases that name the same columns, of those that have a result. */
export function summaries(chosen: readonly Case[], results: readonly CaseResult[]): string[] {
  const groups = new Map<string, { columns: readonly string[]; names: Set<string> }>()
  for (const { name, columns } of chosen) {
    if (columns === undefined) continue
    const group = groups.get(columns.join()) ?? { columns, names: new Set() }
    groups.set(columns.join(), group)
    group.names.add(name)
  }
  return [...groups.values()]
    .map(({ columns, names }) => ({ columns, found: results.filter(({ name }) => names.has(name)) }))
    .filter(({ found }) => found.length > 0)
    .map(({ columns, found }) => summaryTable(columns, found))
}

/** What was measured, how, and on what. */
export function writeResults(
  file: string,
  machine: Machine,
  settings: Readonly<Record<string, unknown>>,
  { results, tables }: CasesRun,
): void {
  writeFileSync(file, `${JSON.stringify({ machine, ...settings, results, tables }, undefined, 2)}\n`)
}
