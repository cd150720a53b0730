/** Two translations, one behind the other. */
import type { Translation } from '../kernel.ts'

/** What `first` made is what `second` gets. */
export function chain(first: Translation, second: Translation): Translation {
  return {
    run: (x, at, bytes) => {
      const between = first.run(x, at, bytes)
      return between < 0 ? between : second.run(x, x.translated.value as number, between)
    },
  }
}
