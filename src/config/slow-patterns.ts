/**
 * Regular expressions that may take for ever: each sample's value goes through them on the one thread that serves
 * all senders, and JavaScript's matcher tries every way to divide a text (ECMA-262, 22.2.2), which are 2^n ways for
 * `(a+)+`.
 */
import { isMap } from './guid-rules.ts'
import { receiverNames } from './reach.ts'
import type { Path, Report } from './report.ts'

/** Repetitions from this number on count as unbounded: `(a+){20}` is as slow as `(a+)+`. */
const manyRepeats = 10
/** `*` in one entry of `allow`; a guid of 128 characters can be divided among them in millions of ways. */
const starsMax = 3

const remedy =
  'Write it without a repetition inside a repeated group, such as a+ for (a+)+; whoever sends can stop the gateway otherwise.'

/** Warns of each pattern of the guid rules that a hostile value can make slow. `values`: the file as it was written. */
export function warnSlowPatterns(values: unknown, warn: Report): void {
  for (const base of [['guid'], ...receiverNames.map((name) => ['receivers', name, 'guid'])]) {
    const block = base.reduce<unknown>((value, key) => (isMap(value) ? value[key] : undefined), values)
    if (!isMap(block)) continue
    for (const [path, pattern] of patternsOf(block)) {
      if (typeof pattern === 'string' && repeatsRepeated(pattern)) {
        warn([...base, ...path], 'repeats a group that repeats something itself', remedy)
      }
    }
    for (const [index, entry] of listOf(block['allow']).entries()) {
      if (typeof entry !== 'string' || entry.startsWith('/') || entry.split('*').length - 1 <= starsMax)
        continue
      warn([...base, 'allow', index], `has more than ${starsMax} *, which is slow to compare`)
    }
  }
}

function patternsOf(block: Record<string, unknown>): [Path, unknown][] {
  const matches = listOf(block['from']).map((source, index): [Path, unknown] => [
    ['from', index, 'match'],
    isMap(source) ? source['match'] : undefined,
  ])
  const allowed = listOf(block['allow']).map((entry, index): [Path, unknown] => [
    ['allow', index],
    typeof entry === 'string' ? /^\/(.+)\/$/.exec(entry)?.[1] : undefined,
  ])
  return [...matches, ...allowed]
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/**
 * Whether a repeated group repeats something inside: `(a+)+`, `(?:x|a*){2,}`. Some of these are harmless
 * (`(?:a+-)+`), and some slow ones are none of these (`(?:a|a)+`). `source` is a valid regular expression.
 */
export function repeatsRepeated(source: string): boolean {
  // An escape, a class, the begin of a group with its kind, its end, a quantifier, or any one character.
  const token =
    /\\.|\[(?:\\.|[^\]\\])*\]|\((?:\?(?:[:=!]|<[=!]|<[^>]*>|[a-z-]*:))?|\)|[*+?]|\{\d+(?:,\d*)?\}|./gsu
  /** For each open group, and the whole: whether something in it is repeated. */
  const open = [false]
  /** Whether what stands before the token repeats something inside. */
  let inner = false
  for (const [text] of source.matchAll(token)) {
    if (isMany(text)) {
      if (inner) return true
      open[open.length - 1] = true
    } else if (text.startsWith('(')) {
      open.push(false)
    } else if (text === ')') {
      inner = open.pop() ?? false
      if (inner) open[open.length - 1] = true
      continue
    }
    inner = false
  }
  return false
}

function isMany(token: string): boolean {
  if (token === '*' || token === '+') return true
  const bounds = /^\{(\d+)(,?)(\d*)\}$/.exec(token)
  if (bounds === null) return false
  const [, least, comma, most] = bounds
  return comma === ',' && most === '' ? true : Number(most || least) >= manyRepeats
}
