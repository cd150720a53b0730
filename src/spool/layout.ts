/**
 * What the folders of a spool are called. Each is a spool of its own (spool.ts); what it is for, spool-folder.ts says.
 *
 *   <directory>/worker-<n>             of the worker n
 *   <directory>/worker-<n>/parked-<m>  of the same; the higher m, the deeper
 *
 * Numbers begin with 1. A name with anything else behind the word, a leading zero too, is not one of a spool.
 */
import type { FileSystem } from '../segment/file-system.ts'

const workerPattern = /^worker-([1-9]\d{0,14})$/
const parkedPattern = /^parked-([1-9]\d{0,14})$/

export function workerName(number: number): string {
  return `worker-${number}`
}

export function parkedName(number: number): string {
  return `parked-${number}`
}

export function isWorkerName(name: string): boolean {
  return workerPattern.test(name)
}

/** The numbers of the workers that have a folder in `directory`, rising. Throws file system errors. */
export function workersIn(fs: FileSystem, directory: string): Promise<number[]> {
  return numbersIn(fs, directory, workerPattern)
}

/** The numbers of the parked folders in that of a worker, rising. Throws file system errors. */
export function parkedIn(fs: FileSystem, directory: string): Promise<number[]> {
  return numbersIn(fs, directory, parkedPattern)
}

async function numbersIn(fs: FileSystem, directory: string, called: RegExp): Promise<number[]> {
  const numbers: number[] = []
  for (const { name, kind } of await fs.list(directory)) {
    const digits = kind === 'directory' ? called.exec(name)?.[1] : undefined
    if (digits !== undefined) numbers.push(Number(digits))
  }
  return numbers.sort((a, b) => a - b)
}
