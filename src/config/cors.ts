/** How users write `receivers.otlp.cors`: origins (RFC 6454, 6.2; WHATWG, HTML, 7.1.1) and names of headers. */
import { limits } from '../limits.ts'
import type { CorsConfig, GuidConfig } from './config.ts'
import { show } from './read.ts'
import type { Report } from './report.ts'

/** What pages must always be able to set: each of them makes a browser ask first (WHATWG, Fetch, 2.2.2). */
const alwaysAllowed = ['content-type', 'content-encoding', 'x-guid']

const example = "Such as ['https://app.example.com', 'https://*.example.com'], or ['*'] for every page."

export function readOrigins(value: unknown, report: Report): string[] {
  const entries = listOf(value, report)
  if (entries?.length === 0) report([], 'must be a list that is not empty', example)
  return (entries ?? []).flatMap((entry: unknown, index) => {
    const problem = originProblem(entry)
    if (problem === undefined) return String(entry)
    report([index], `is no origin: ${show(entry)}`, problem)
    return []
  })
}

/** What to write instead of `entry`; undefined when it is an origin as a browser sends it. */
function originProblem(entry: unknown): string | undefined {
  if (entry === '*') return undefined
  if (typeof entry !== 'string') return example
  // A name in place of the star shows whether the rest is an origin.
  const isWide = entry.includes('://*.')
  const text = isWide ? entry.replace('://*.', '://any.') : entry
  if (text.includes('*')) return 'A * stands alone, or for the begin of a host: https://*.example.com.'
  const host = /^[a-z][a-z0-9+.-]*:\/\/([^/?#@]+)/i.exec(text)?.[1]
  if (host === undefined || !URL.canParse(text)) return example
  const { protocol, host: hostRead, origin } = new URL(text)
  // Other schemes than those of the web have no origin there; browsers send scheme and host of an extension.
  const right = origin === 'null' ? `${protocol}//${hostRead}` : origin
  if (right === text) return undefined
  return `Write ${isWide ? right.replace('://any.', '://*.') : right}, as browsers do.`
}

export function readRequestHeaders(value: unknown, report: Report): string[] {
  return (listOf(value, report) ?? []).flatMap((entry: unknown, index) => {
    if (typeof entry === 'string' && /^[!#$%&'+.^_`|~0-9A-Za-z-]+$/.test(entry)) return entry.toLowerCase()
    report([index], `is no header name: ${show(entry)}`, 'Such as x-api-key.')
    return []
  })
}

function listOf(value: unknown, report: Report): readonly unknown[] | undefined {
  if (!Array.isArray(value)) {
    const hint = typeof value === 'string' ? `Write ['${value}'].` : undefined
    report([], `must be a list, not ${show(value)}`, hint)
    return undefined
  }
  if (value.length <= limits.configEntriesMax) return value
  report([], `has ${value.length} entries; at most ${limits.configEntriesMax}`)
  return undefined
}

/** With the headers that pages may always set, and those that the rules of the receiver look for. */
export function completeCors(cors: CorsConfig, { from }: GuidConfig): CorsConfig {
  const asked = from.flatMap((source) => (source.kind === 'header' ? [source.name] : []))
  return { ...cors, headers: [...new Set([...alwaysAllowed, ...asked, ...cors.headers])] }
}
