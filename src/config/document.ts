/** A configuration file as YAML: its values, and where in the file each of them stands. */
import { createRequire } from 'node:module'
import type { ErrorCode } from 'yaml'

export interface Place {
  readonly line: number
  readonly column: number
}

export interface SyntaxProblem {
  readonly place: Place
  readonly message: string
  readonly suggestion: string | undefined
}

export interface ConfigDocument {
  /** Plain values. */
  readonly values: unknown
  /** Syntax errors; when there are any, `values` is of no use. */
  readonly errors: readonly SyntaxProblem[]
  /** Where the value at `path` stands (its key, when it has one), or the nearest place around it. */
  readonly locate: (path: readonly (string | number)[]) => Place
}

/** Only where there is a file: the parser is 72 modules. At once, as all that reads the configuration. */
function loadParser(): typeof import('yaml') {
  return createRequire(import.meta.url)('yaml')
}

export function parseConfig(text: string): ConfigDocument {
  const { isMap, isNode, isScalar, LineCounter, parseDocument } = loadParser()
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const errors = document.errors.map(({ code, message, pos: [offset] }) => ({
    place: place(offset),
    ...explain(code, message, text, offset),
  }))
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
        node =
          isNode(node) && 'get' in node && typeof node.get === 'function' ? node.get(step, true) : undefined
        if (!isNode(node)) break
        offset = node.range?.[0] ?? offset
      }
    }
    return place(offset)
  }
  return { values: errors.length === 0 ? toPlain(() => document.toJS(), errors) : undefined, errors, locate }
}

/** The parser's words speak to programmers; two slips that are easily made are said in ours. */
function explain(
  code: ErrorCode,
  message: string,
  text: string,
  offset: number,
): Pick<SyntaxProblem, 'message' | 'suggestion'> {
  if (code === 'MULTIPLE_DOCS') {
    const suggestion = 'Remove the line --- and what belongs to another file.'
    return { message: 'begins a second document, and one is wanted', suggestion }
  }
  if (code !== 'BLOCK_AS_IMPLICIT_KEY') return { message, suggestion: undefined }
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1
  const [line = ''] = text.slice(lineStart).split('\n')
  const [, key = '', value = ''] = /^\s*(?:- )?([^\s:]+):\s+(.*?)(?:\s+#.*)?\s*$/.exec(line) ?? []
  if (!/^(?:log|kafka):/.test(value))
    return { message, suggestion: 'Write a value that holds a colon in quotes.' }
  const url = value.replace(/\s/g, '')
  const quoted = url.endsWith(':') ? (url === 'log:' ? 'log:./data' : 'kafka://host:9092') : url
  return {
    message: 'is no text to YAML, which takes the colon for that of a key',
    suggestion: `Write ${key}: '${quoted}', in quotes.`,
  }
}

/** Resolving an alias may fail where parsing did not; that is the file's fault as well. */
function toPlain(read: () => unknown, errors: SyntaxProblem[]): unknown {
  try {
    return read()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    errors.push({ place: { line: 1, column: 1 }, message, suggestion: undefined })
    return undefined
  }
}
