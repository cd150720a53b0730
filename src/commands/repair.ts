/**
 * `guidepost inspect --repair`: says, for each problem, what it costs and what would be done about it; does so with
 * `--yes`, while it holds the locks of all that it may change.
 */
import { resolve } from 'node:path'
import { GuidepostError } from '../errors.ts'
import { DirectoryLock, lookAtLock } from '../segment/directory-lock.ts'
import { fileErrorCode, nodeFileSystem } from '../segment/file-system.ts'
import { whyNotInspected } from './inspect.ts'
import { type Found, inspectFolder, lockDirectoriesIn } from './inspect-folder.ts'
import { describeFound, isDamage } from './inspect-report.ts'
import { exitCodes, type Io, Output } from './io.ts'
import { lockStep, planRepair, type RepairStep } from './repair-plan.ts'

export interface RepairOptions {
  readonly directory: string
  /** Do it, rather than say it. */
  readonly yes: boolean
  readonly json: boolean
}

/** A step, and what became of it. */
interface Made extends RepairStep {
  readonly isDone: boolean
  /** Why it failed. */
  readonly failure?: string
}

interface Outcome {
  readonly steps: readonly Made[]
  /** What cannot be mended and is no damage. */
  readonly notes: readonly string[]
  /** The locks of processes that are running, and must be stopped before a repair. */
  readonly held: readonly string[]
  readonly isSound: boolean
}

export async function repair(options: RepairOptions, io: Io): Promise<number> {
  const { directory, yes, json } = options
  const output = new Output(io.stdout)
  const root = resolve(io.cwd, directory)
  const stop = io.interrupt()
  let outcome: Outcome
  try {
    outcome = yes ? await makeRepairs(root, stop) : await explain(root, stop)
  } catch (error) {
    const reason =
      error instanceof GuidepostError
        ? `nothing was changed: ${error.message}`
        : whyNotInspected(error, directory)
    io.stderr.write(`guidepost inspect: ${reason}\n`)
    return exitCodes.failed
  }
  if (json) await output.line(JSON.stringify(toDocument(options, outcome), undefined, 2))
  else for (const line of toLines(options, outcome)) await output.line(line)
  return outcome.isSound ? exitCodes.ok : exitCodes.failed
}

async function explain(root: string, stop: AbortSignal): Promise<Outcome> {
  const found = await lookAt(root, stop)
  const steps = await planRepair(found, nodeFileSystem)
  const isSound = steps.length === 0 && !found.some(isDamage)
  const held = found.filter((each) => each.kind === 'lock' && each.isHeld).map(describeFound)
  return { steps: steps.map((step) => ({ ...step, isDone: false })), notes: notesOf(found), held, isSound }
}

async function makeRepairs(root: string, stop: AbortSignal): Promise<Outcome> {
  const places = await lockDirectoriesIn(root)
  const locks: DirectoryLock[] = []
  const steps: Made[] = []
  try {
    for (const place of places) {
      const seen = await lookAtLock(place)
      locks.push(await takeLock(place))
      if (seen !== undefined) steps.push({ ...lockStep(seen.path, seen.owner), isDone: true })
    }
    const plan = await planRepair(await lookAt(root, stop), nodeFileSystem)
    for (const step of plan) {
      // Each step is whole by itself; the next run makes the others.
      if (stop.aborted) throw new Error('it was interrupted; what was done is whole, and it can be run again')
      steps.push(await make(step))
    }
    const left = await lookAt(root, stop)
    return {
      steps,
      notes: notesOf(left),
      held: [],
      isSound: !left.some(isDamage) && steps.every(({ isDone }) => isDone),
    }
  } finally {
    for (const lock of locks) await lock.release()
  }
}

/** Throws GP_CONFIG when it cannot be had. */
async function takeLock(directory: string): Promise<DirectoryLock> {
  try {
    return await DirectoryLock.take(directory)
  } catch (error) {
    if (error instanceof GuidepostError) throw error
    const text = `${directory} cannot be written (${fileErrorCode(error)})`
    throw new GuidepostError('GP_CONFIG', text, { canRetry: false, cause: error })
  }
}

async function make(step: RepairStep): Promise<Made> {
  if (step.apply === undefined) return { ...step, isDone: false }
  try {
    await step.apply()
    return { ...step, isDone: true }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    return { ...step, isDone: false, failure }
  }
}

async function lookAt(root: string, stop: AbortSignal): Promise<Found[]> {
  const found: Found[] = []
  for await (const each of inspectFolder(root)) {
    if (stop.aborted) throw new Error('it was interrupted')
    if (each.kind !== 'segment') found.push(each)
  }
  return found
}

function notesOf(found: readonly Found[]): string[] {
  return found.filter((each) => each.kind === 'gap').map(describeFound)
}

function toDocument({ directory, yes }: RepairOptions, { steps, notes, held, isSound }: Outcome): object {
  const shown = steps.map(({ problem, lost, action, isDone, failure, apply }) => {
    const step = { problem, lost, action, canBeDone: apply !== undefined, isDone }
    return failure === undefined ? step : { ...step, failure }
  })
  return { directory, applied: yes, sound: isSound, steps: shown, notes, held }
}

function toLines({ directory, yes }: RepairOptions, outcome: Outcome): string[] {
  const { steps, notes, held } = outcome
  const listed = steps.flatMap((step, index) => [
    `${index + 1}. ${step.problem}`,
    `   lost: ${step.lost}`,
    `   ${resultOf(step, yes)}`,
  ])
  const told = notes.length === 0 ? [] : ['There is nothing to be done about:', ...notes]
  const busy = held.map((line) => `${line}. Stop it first; what it is writing now may look unfinished.`)
  const blocks = [listed, told, busy, [verdict(directory, yes, outcome)]].filter((block) => block.length > 0)
  return blocks.flatMap((block, index) => (index === 0 ? block : ['', ...block]))
}

function resultOf({ action, apply, isDone, failure }: Made, yes: boolean): string {
  if (failure !== undefined) return `FAILED: ${action}: ${failure}`
  if (apply === undefined) return `to do: ${action}`
  return isDone || yes ? `done: ${action}` : `to do: ${action}`
}

function verdict(directory: string, yes: boolean, { steps, isSound }: Outcome): string {
  if (steps.length === 0 && isSound) return `${directory} is sound: there is nothing to repair.`
  if (!yes) return 'Nothing was changed. With --yes the steps above are made, in this order.'
  return isSound
    ? `${directory} is sound now.`
    : `${directory} is not sound: see above for what could not be done.`
}
