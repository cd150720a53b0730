/** A configuration file as YAML: its values, and where in the file each of them stands. */
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'

export interface Place {
  readonly line: number
  readonly column: number
}

export interface ConfigDocument {
  /** Plain values. */
  readonly values: unknown
  /** Syntax errors; when there are any, `values` is of no use. */
  readonly errors: readonly { readonly place: Place; readonly message: string }[]
  /** Where the value at `path` stands (its key, when it has one), or the nearest place around it. */
  readonly locate: (path: readonly (string | number)[]) => Place
}

export function parseConfig(text: string): ConfigDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const errors = document.errors.map((error) => ({ place: place(error.pos[0]), message: error.message }))
  const locate = (path: readonly (string | number)[]): Place => {
    let node: unknown = document.contents
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
    for (const step of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step))
        if (pair === undefined) break
        if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
        node = pair.value
      } else {
        node = child(node, step)
        if (!isNode(node)) break
        offset = node.range?.[0] ?? offset
      }
    }
    return place(offset)
  }
  return { values: errors.length === 0 ? toPlain(() => document.toJS(), errors) : undefined, errors, locate }
}

function child(node: unknown, step: string | number): unknown {
  return isNode(node) && 'get' in node && typeof node.get === 'function' ? node.get(step, true) : undefined
}

/** Resolving an alias may fail where parsing did not; that is the file's fault as well. */
function toPlain(read: () => unknown, errors: { place: Place; message: string }[]): unknown {
  try {
    return read()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    errors.push({ place: { line: 1, column: 1 }, message })
    return undefined
  }
}
