/** Events and links as the Collector's Zipkin exporter writes them into texts: the reference, by JSON.parse. */
import type { PlainAttribute, PlainValue } from './plain-spans.ts'

export interface Form {
  readonly attributes: readonly PlainAttribute[]
  readonly dropped: number
}

/** `name|{…}|dropped` */
export function eventForm(text: string): (Form & { readonly name: string }) | undefined {
  const match = /^([^|]*)\|(\{.*\})\|([0-9]{1,10})$/s.exec(text)
  if (match === null) return undefined
  const form = formOf(match[2]!, match[3]!)
  return form === undefined ? undefined : { ...form, name: match[1]! }
}

/** `trace id|span id|trace state|{…}|dropped` */
export function linkForm(
  text: string,
): (Form & { readonly ids: { traceId: string; spanId: string; traceState: string } }) | undefined {
  const match = /^([0-9a-fA-F]{32}|)\|([0-9a-fA-F]{16}|)\|([^|]*)\|(\{.*\})\|([0-9]{1,10})$/s.exec(text)
  if (match === null) return undefined
  const form = formOf(match[4]!, match[5]!)
  const ids = { traceId: match[1]!.toLowerCase(), spanId: match[2]!.toLowerCase(), traceState: match[3]! }
  return form === undefined ? undefined : { ...form, ids }
}

function formOf(json: string, digits: string): Form | undefined {
  const dropped = Number(digits)
  if (dropped > 2 ** 32 - 1) return undefined
  const attributes: PlainAttribute[] = []
  try {
    // A reviver is called for each key, but knows only the last of equal ones; these tests repeat no more than "a".
    for (const [, key, source] of json.matchAll(
      /[{,]("(?:[^"\\]|\\.)*"):((?:"(?:[^"\\]|\\.)*"|[^,}"]+))(?=[,}])/g,
    )) {
      const value = plainOf(JSON.parse(source!))
      if (value === undefined) return undefined
      attributes.push([JSON.parse(key!), value])
    }
    const size = Object.keys(JSON.parse(json)).length
    if (size !== new Set(attributes.map(([key]) => key)).size) return undefined
  } catch {
    return undefined
  }
  return { attributes, dropped }
}

function plainOf(value: unknown): PlainValue | undefined {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  return undefined
}
