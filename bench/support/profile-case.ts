/** A case under V8's CPU profiler, and its hottest functions. */
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import path from 'node:path'
import type { Case, RunOptions, TimeWindow } from './case.ts'
import { hottest, readProfile } from './cpu-profile.ts'
import { resultsDirectory, say } from './output.ts'

const hottestCount = 30

/** Runs the case once more under the profiler: its figures are not those of a case left alone. */
export async function profileCase(one: Case, options: RunOptions): Promise<void> {
  const directory = mkdtempSync(path.join(resultsDirectory, 'profile-'))
  const kept = path.join(resultsDirectory, `${one.name.replaceAll('/', '-')}.cpuprofile`)
  let window: TimeWindow | undefined
  try {
    const onWindow = (measured: TimeWindow): void => {
      window = measured
    }
    const run = (): Promise<unknown> => one.run({ ...options, profileDirectory: directory, onWindow })
    if (one.name.startsWith('kernel/')) writeFileSync(kept, JSON.stringify(await profileHere(run)))
    else {
      await run()
      // Each thread writes one: the main thread's number is 0 (`CPU.<date>.<time>.<pid>.<thread>.<count>.cpuprofile`).
      // The launcher may leave one as well, of the moment before it became the program: the largest is the program's.
      const [file] = readdirSync(directory)
        .filter((name) => /\.0\.\d+\.cpuprofile$/.test(name))
        .sort((a, b) => statSync(path.join(directory, b)).size - statSync(path.join(directory, a)).size)
      if (file === undefined) throw new Error('no profile was written')
      renameSync(path.join(directory, file), kept)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const { busyShare, functions, places } = await hottest(readProfile(kept), window, hottestCount)
  const lines = (shares: typeof functions): string =>
    shares.map(({ what, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${what}`).join('\n')
  say(`main thread busy ${(busyShare * 100).toFixed(0)} % of the time; ${path.relative(process.cwd(), kept)}`)
  say(`self time by function, of busy time\n${lines(functions)}`)
  say(`self time by file or package\n${lines(places)}\n`)
}

/** Profiles this process while `work` runs. */
async function profileHere(work: () => Promise<unknown>): Promise<object> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await work()
    return (await session.post('Profiler.stop')).profile
  } finally {
    session.disconnect()
  }
}
