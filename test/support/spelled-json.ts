/** JSON of any value in the many spellings that mean the same: white space, the order of keys, escapes, digits of integers. */
import type { Random } from './random.ts'

export type Spelled =
  | string
  | number
  | bigint
  | boolean
  | null
  | Repeated
  | Map<string, Spelled>
  | readonly Spelled[]
  | SpelledObject
export interface SpelledObject {
  readonly [key: string]: Spelled
}

/** Values of a key that occurs several times, in the order in which they are written. */
export class Repeated {
  readonly values: readonly Spelled[]

  constructor(...values: Spelled[]) {
    this.values = values
  }
}

/**
 * Integers are bigints, which may stand in quotes or have an exponent; numbers are written as JSON.stringify does. Objects may
 * get members that nobody knows; a Map is an object to which every key means something.
 */
export function spelledJson(random: Random, value: Spelled): string {
  if (typeof value === 'string') return textJson(random, value)
  if (typeof value === 'bigint') return integerJson(random, value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (value instanceof Repeated) throw new Error('only a key has values that are repeated')
  if (value instanceof Map) return objectJson(random, [...value], [])
  if (!isList(value)) return objectJson(random, Object.entries(value), unknownMembers)
  const elements = value.map((element) => spelledJson(random, element))
  return joined(random, '[', elements, ']')
}

const unknownMembers = ['"unknown":[{"a":[1,-0.5e-3,null]},true]', '"":{}', '"é":"\\u00e9"', '"Name":null']

function objectJson(
  random: Random,
  entries: readonly (readonly [string, Spelled])[],
  more: readonly string[],
): string {
  const members = random.shuffled(entries).map(([key, inner]) => memberJson(random, key, inner))
  if (more.length > 0 && random.oneIn(15)) members.push(random.pick(more))
  return joined(random, '{', members, '}')
}

function memberJson(random: Random, key: string, value: Spelled): string {
  const values = value instanceof Repeated ? value.values : [value]
  return values
    .map((each) => `${textJson(random, key)}${space(random)}:${space(random)}${spelledJson(random, each)}`)
    .join(',')
}

function isList(value: readonly Spelled[] | SpelledObject): value is readonly Spelled[] {
  return Array.isArray(value)
}

function joined(random: Random, opening: string, parts: readonly string[], closing: string): string {
  return `${opening}${parts.map((part) => space(random) + part + space(random)).join(',')}${space(random)}${closing}`
}

function integerJson(random: Random, value: bigint): string {
  const decimal = String(value)
  const zeros = /^-?[1-9]\d*?(0+)$/.exec(decimal)?.[1]?.length ?? 0
  const forms = [decimal, decimal, decimal, `${decimal}.0`, `${decimal}e0`]
  if (zeros > 0) forms.push(`${decimal.slice(0, -zeros)}e+${zeros}`)
  const form = random.pick(forms)
  return random.oneIn(4) ? `"${form}"` : form
}

/** A text, with characters escaped by chance. */
export function textJson(random: Random, text: string): string {
  if (!random.oneIn(4)) return JSON.stringify(text)
  const written = [...text].map((character) => {
    if (character === '/') return '\\/'
    if (!random.oneIn(4)) return JSON.stringify(character).slice(1, -1)
    const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0').toUpperCase()}`).join('')
  })
  return `"${written.join('')}"`
}

/** White space that may stand between any two tokens. */
export function space(random: Random): string {
  return random.pick(['', '', '', '', '', ' ', '\n\t', '\r\n  '])
}
