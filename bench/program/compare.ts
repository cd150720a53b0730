/** The gateway beside the Collector in its two durable configurations, in turn, before the same Kafka, with the same requests. */
import type { Figure, RunOptions } from '../support/case.ts'
import type { SubjectName } from './subjects.ts'
import { figuresOf, measureWork, speedName, type Work } from './work.ts'

export const collectors = ['direct', 'batch'] as const
export const everybody = ['gateway', ...collectors] as const

export function figureName(name: SubjectName, figure: string): string {
  return `${name === 'gateway' ? name : `Collector ${name}`}: ${figure}`
}

/** The figures of `compareWork` that make a line of the summary. */
export function comparedColumns(work: Work): string[] {
  return [
    'ratio',
    ...[speedName(work), 'p99', 'RSS max'].flatMap((figure) =>
      everybody.map((name) => figureName(name, figure)),
    ),
  ]
}

/** One alone. */
export async function measureOne(name: SubjectName, work: Work, options: RunOptions): Promise<Figure[]> {
  return figuresOf(name === 'gateway', work, await measureWork(name, work, options))
}

/** All in turn; the runs of a case make that A B C A B C. */
export async function measureAll(
  names: readonly SubjectName[],
  work: Work,
  options: RunOptions,
): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const name of names) {
    for (const figure of await measureOne(name, work, options))
      figures.push({ ...figure, name: figureName(name, figure.name) })
  }
  return figures
}

/** The gateway's speed over that of the better Collector. Under the profiler the gateway alone. */
export async function compareWork(work: Work, options: RunOptions): Promise<Figure[]> {
  if (options.profileDirectory !== undefined) return measureAll(['gateway'], work, options)
  const figures = await measureAll(everybody, work, options)
  const speed = (name: SubjectName): number =>
    figures.find((figure) => figure.name === figureName(name, speedName(work)))?.value ?? Number.NaN
  const ratio = speed('gateway') / Math.max(...collectors.map(speed))
  return [{ name: 'ratio', unit: '×', value: ratio }, ...figures]
}
