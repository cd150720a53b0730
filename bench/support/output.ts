/** Where the bench says what it does, and where it leaves what it found. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { describeMachine, isQuiet, type Machine } from './machine.ts'

export const resultsDirectory = path.resolve(import.meta.dirname, '../results')

export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** A number from the command line. */
export function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} wants a number above 0`)
  return value
}

/** Makes the folder of the results, and says what the figures are measured on. */
export function begin(): Machine {
  mkdirSync(resultsDirectory, { recursive: true })
  const machine = describeMachine()
  const { cpu, cores, memoryGiB, node, disk, loadAverage } = machine
  say(`${cores} × ${cpu}, ${memoryGiB} GiB, ${disk}, Node ${node}, load average ${loadAverage}`)
  if (!isQuiet(machine)) say('WARNING: this machine is busy with something else; the figures are worth less')
  return machine
}
