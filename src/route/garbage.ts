/** The garbage collector: its settings while the program serves, and a call to it when memory is short. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * V8's flags for a program that has started, measured on the whole path (docs/performance.md). Both are read whenever V8
 * decides, so they may come late; on the command line they would make Node.js compile its own modules anew at each start.
 */
const flags = [
  // Young objects are collected once 8 MB of buffers hang on them (4 times this); by default 128 MB, by when V8 has
  // collected the whole heap instead, for the buffers' sake.
  '--scavenger-max-new-space-capacity-mb=2',
  // The whole heap is collected when it has become twice what was alive; by default V8 may take 10 % more for enough.
  '--heap-growing-percent=100',
]

let collect: (() => void) | undefined

/**
 * From here on the heap is as large as serving needs. Once, when all is loaded: half of what there is then was needed for
 * the start alone, and V8 lets a heap that was never collected grow far beyond what is alive.
 */
export function settleHeap(): void {
  for (const flag of flags) setFlagsFromString(flag)
  collectGarbage()
}

/** Collects all garbage now; takes a tenth of a second for some hundred MB. */
export function collectGarbage(): void {
  if (collect === undefined) {
    // Node has no other way to it, unless it was started with --expose-gc.
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
