/** Measures short pieces of work in CPU time of this process. */

const warmUpSeconds = 0.1
/** Longer than the clock's grain, shorter than a run. */
const sliceUs = 2e4

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Microseconds of CPU time that one call of each piece of work takes. The pieces take turns, so that all meet the same weather. */
export function cpuUsPerCall(works: readonly (() => void)[], seconds: number): number[] {
  const tallies = works.map((work) => ({ work, slice: 1, calls: 0, us: 0 }))
  for (const tally of tallies) warmUp(tally)
  const untilUs = seconds * 1e6
  let spentUs = 0
  while (spentUs < untilUs) {
    for (const tally of tallies) {
      const us = spend(tally.work, tally.slice)
      tally.calls += tally.slice
      tally.us += us
      spentUs += us
    }
  }
  return tallies.map(({ calls, us }) => us / calls)
}

/** Lets V8 compile it, and finds how many calls make a slice. */
function warmUp(tally: { readonly work: () => void; slice: number }): void {
  let spentUs = 0
  while (spentUs < warmUpSeconds * 1e6) {
    const us = spend(tally.work, tally.slice)
    spentUs += us
    if (us < sliceUs) tally.slice *= 2
  }
}

function spend(work: () => void, calls: number): number {
  const before = cpuUs()
  for (let i = 0; i < calls; i++) work()
  return cpuUs() - before
}
