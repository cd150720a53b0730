/** Where a cursor is in a text, for the sender that is told what is wrong there. */

const charactersMax = 300

export class Path {
  /** For each level the key of the member, undefined when it has none yet, and the index in its list, -1 without one. */
  readonly #keys: (string | undefined)[] = []
  readonly #indices: number[] = []

  /** The level is at the member of that key; at none with undefined, which ends the path there. */
  at(level: number, key: string | undefined): void {
    this.#keys[level] = key
    this.#indices[level] = -1
  }

  /** The level is in the list under its key, -1 when it has left it. */
  index(level: number, index: number): void {
    this.#indices[level] = index
  }

  /** Like `resourceSpans[0].scopeSpans[2].spans[1].traceId`, its middle left out when it is long; empty at the beginning. */
  toString(): string {
    let path = ''
    for (let level = 0; this.#keys[level] !== undefined; level++) {
      const index = this.#indices[level] ?? -1
      path += `${level > 0 ? '.' : ''}${this.#keys[level]}${index >= 0 ? `[${index}]` : ''}`
    }
    const half = charactersMax / 2
    return path.length <= charactersMax ? path : `${path.slice(0, half)}…${path.slice(-half)}`
  }
}
