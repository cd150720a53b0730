/**
 * How users write `guid.from`, `guid.missing` and `guid.allow`. Each reader takes plain YAML values and reports what
 * is wrong by its place inside the value; what it returns then is of no use.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { limits } from '../limits.ts'
import type { GuidConfig, GuidSource } from './config.ts'
import type { Report } from './report.ts'
import { nearest } from './suggest.ts'

const guidPattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/

export const guidExpected =
  '1 to 128 characters of A-Z a-z 0-9 . _ -, with a letter or digit first and last, such as team-a'

/** True for a text that is a guid (design: `[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?`). */
export function isGuid(text: string): boolean {
  return guidPattern.test(text)
}

const words = ['credential', 'listener', 'path'] as const
const sources = ['header', 'label', 'attribute', 'label|attribute', 'peer', 'constant'] as const
const example =
  'Write header: x-guid, label: namespace, attribute: k8s.namespace.name, constant: team-a, listener or path'

export function readGuidSources(value: unknown, report: Report): GuidSource[] {
  if (!Array.isArray(value) || value.length === 0) {
    report([], 'must be a list of sources', `${example}, each after a dash.`)
    return []
  }
  const read = value.flatMap((entry: unknown, index) =>
    readGuidSource(entry, (path, message, hint) => report([index, ...path], message, hint)),
  )
  if (read.length > limits.guidSourcesMax)
    report([], `has ${read.length} sources; at most ${limits.guidSourcesMax}`)
  return read
}

function readGuidSource(entry: unknown, report: Report): GuidSource[] {
  if (typeof entry === 'string') return readWord(entry, report)
  if (!isMap(entry)) {
    report([], 'is no guid source', `${example}.`)
    return []
  }
  const keys = Object.keys(entry)
  for (const key of keys) {
    if (key === 'match' || sources.some((each) => each === key)) continue
    const guess = nearest(key, [...sources, 'match', ...words])
    report([key], 'is no guid source', guess === undefined ? `${example}.` : `Did you mean ${guess}?`)
    return []
  }
  const [kind, ...more] = keys.filter((key) => key !== 'match')
  if (kind === undefined || more.length > 0) {
    report([], 'must name exactly one source', 'Give each source a list entry of its own.')
    return []
  }
  const named = entry[kind]
  if (kind === 'peer') return readPeers(named, 'match' in entry, report)
  if (typeof named !== 'string' || named === '') {
    report([kind], 'must be a text', `${example}.`)
    return []
  }
  if (kind === 'constant') {
    if (!isGuid(named)) report([kind], `is no guid: ${JSON.stringify(named)}`, `A guid is ${guidExpected}.`)
    if ('match' in entry) report(['match'], 'has no effect on a constant')
    return [{ kind, value: named }]
  }
  const match = readMatch(entry['match'], report)
  if (kind === 'header') {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(named)) {
      report([kind], `is no header name: ${JSON.stringify(named)}`, 'Such as x-guid.')
    }
    return [{ kind, name: named.toLowerCase(), match }]
  }
  if (Buffer.byteLength(named) > limits.labelNameBytesMax) {
    report([kind], `is longer than ${limits.labelNameBytesMax} bytes`)
    return []
  }
  if (kind === 'label' || kind === 'attribute') return [{ kind, name: named, match }]
  return [
    { kind: 'label', name: named, match },
    { kind: 'attribute', name: named, match },
  ]
}

function readWord(entry: string, report: Report): GuidSource[] {
  if (entry === 'credential') {
    report(
      [],
      'credential is not available yet',
      'Its place is kept; use listener, header or path until then.',
    )
    return []
  }
  if (entry === 'listener' || entry === 'path') return [{ kind: entry }]
  const guess = nearest(entry, [...words, ...sources])
  if (sources.some((each) => each === guess)) {
    report([], `${JSON.stringify(entry)} needs a name`, `Write ${guess}: NAME.`)
  } else {
    report(
      [],
      `${JSON.stringify(entry)} is no guid source`,
      guess === undefined ? `${example}.` : `Did you mean ${guess}?`,
    )
  }
  return []
}

function readMatch(value: unknown, report: Report): RegExp | undefined {
  if (value === undefined) return undefined
  const shape = "Such as match: '^([a-z0-9-]+)/' with one pair of parentheses."
  if (typeof value !== 'string') {
    report(['match'], 'must be a regular expression in quotes', shape)
    return undefined
  }
  const pattern = compile(value, ['match'], report)
  if (pattern === undefined) return undefined
  // With an empty alternative the pattern matches the empty text, and the result has one entry for each group.
  const groups = (new RegExp(`${value}|`, 'u').exec('')?.length ?? 1) - 1
  if (groups !== 1)
    report(
      ['match'],
      `must have exactly one group, but has ${groups}`,
      `${shape} (?:…) groups without counting.`,
    )
  return pattern
}

function compile(
  source: string,
  path: readonly (string | number)[],
  report: Report,
  whole = false,
): RegExp | undefined {
  try {
    return new RegExp(whole ? `^(?:${source})$` : source, 'u')
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : String(error)
    report(path, `is no regular expression: ${reason}`)
    return undefined
  }
}

function readPeers(value: unknown, hasMatch: boolean, report: Report): GuidSource[] {
  if (hasMatch) report(['match'], 'has no effect on peer')
  if (!isMap(value) || Object.keys(value).length === 0) {
    report(['peer'], 'must be a table of networks', 'Write peer: { 10.1.0.0/16: team-a }.')
    return []
  }
  const entries = Object.entries(value)
  if (entries.length > limits.configEntriesMax)
    report(['peer'], `has ${entries.length} entries; at most ${limits.configEntriesMax}`)
  const table = entries.map(([network, guid]) => {
    const cidr = readCidr(network)
    if (cidr === undefined)
      report(['peer', network], 'is no network', 'Write 10.1.0.0/16, fd00::/8 or a single address.')
    if (typeof guid !== 'string' || !isGuid(guid)) {
      report(['peer', network], `is no guid: ${JSON.stringify(guid)}`, `A guid is ${guidExpected}.`)
    }
    return { cidr: cidr ?? network, guid: String(guid) }
  })
  return [{ kind: 'peer', table: table.toSorted((a, b) => prefixBits(b.cidr) - prefixBits(a.cidr)) }]
}

/** Of 128: an IPv4 network is one of `::ffff:0:0/96` (RFC 4291, 2.5.5.2), so that both families have one order. */
function prefixBits(cidr: string): number {
  const [address = '', bits] = cidr.split('/')
  return Number(bits) + (isIPv4(address) ? 96 : 0)
}

function readCidr(text: string): string | undefined {
  const [address = '', prefix, ...more] = text.split('/')
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : undefined
  if (bits === undefined || more.length > 0) return undefined
  if (prefix === undefined) return `${address}/${bits}`
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits ? `${address}/${Number(prefix)}` : undefined
}

export function readGuidMissing(value: unknown, report: Report): GuidConfig['missing'] {
  if (value === 'reject' || value === 'drop') return { action: value }
  const shape = 'Write reject, drop, or { stamp: unassigned }.'
  const keys = isMap(value) ? Object.keys(value) : []
  if (!isMap(value) || keys.length !== 1 || keys[0] !== 'stamp') {
    const isBareGuid =
      typeof value === 'string' && isGuid(value) && nearest(value, ['reject', 'drop']) === undefined
    report([], 'is neither reject, drop nor stamp', isBareGuid ? `Write { stamp: ${value} }.` : shape)
    return { action: 'reject' }
  }
  const guid = value['stamp']
  if (typeof guid !== 'string' || !isGuid(guid)) {
    report(['stamp'], `is no guid: ${JSON.stringify(guid)}`, `A guid is ${guidExpected}.`)
  }
  return { action: 'stamp', guid: String(guid) }
}

/** Entries are guids, guids with `*` for any run of characters, or `/regular expressions/` of the whole guid. */
export function readGuidAllow(value: unknown, report: Report): RegExp[] {
  if (!Array.isArray(value) || value.length === 0) {
    report([], 'must be a list that is not empty', "Such as [team-a, 'team-*', '/t[0-9]+/'].")
    return []
  }
  if (value.length > limits.configEntriesMax) {
    report([], `has ${value.length} entries; at most ${limits.configEntriesMax}`)
    return []
  }
  return value.flatMap((entry: unknown, index) => {
    const inner = typeof entry === 'string' ? /^\/(.+)\/$/.exec(entry)?.[1] : undefined
    if (inner !== undefined) return compile(inner, [index], report, true) ?? []
    if (typeof entry !== 'string' || !isGuid(entry.replaceAll('*', 'x'))) {
      report([index], `is neither a guid, a guid with * nor a /regular expression/: ${JSON.stringify(entry)}`)
      return []
    }
    const source = entry
      .split('*')
      .map((part) => part.replace(/[.]/g, '\\$&'))
      .join('.*')
    return compile(source, [index], report, true) ?? []
  })
}

/** A YAML map as a plain object. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
