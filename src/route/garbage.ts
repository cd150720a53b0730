/** The garbage collector, to be called when memory is short. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/** Collects all garbage now; takes a tenth of a second for some hundred MB. */
export function collectGarbage(): void {
  if (collect === undefined) {
    // Node has no other way to it, unless it was started with --expose-gc.
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
