/**
 * Which listener serves which receiver, and what contradicts that: ports that two share, a listener or a receiver that
 * was asked for and can take nothing, rules that do not fit what reaches them. What nobody asked for is left off.
 */
import type { GuidConfig, GuidSource } from './config.ts'
import { isMap } from './guid-rules.ts'
import type { Path, Report } from './report.ts'
import type { Written } from './schema.ts'

export type ListenerName = keyof Written['listeners']
export type ReceiverName = keyof Written['receivers']

export const receiversOf: Readonly<Record<ListenerName, readonly ReceiverName[]>> = {
  http: ['remoteWrite', 'otlp', 'jaeger', 'zipkin'],
  otlpGrpc: ['otlp'],
  otlpHttp: ['otlp'],
  jaegerGrpc: ['jaeger'],
  jaegerHttp: ['jaeger'],
  jaegerCompact: ['jaeger'],
  jaegerBinary: ['jaeger'],
  zipkinCompact: ['jaeger'],
  jaegerSampling: ['jaeger'],
  zipkin: ['zipkin'],
}
/** Those that are not TCP: a port of theirs and one of TCP may have the same number. */
const udpListeners: ReadonlySet<ListenerName> = new Set(['jaegerCompact', 'jaegerBinary', 'zipkinCompact'])
const listenerNames = Object.keys(receiversOf) as readonly ListenerName[]

/** What the items of a receiver carry, and what they do not. */
const itemsOf = {
  remoteWrite: { title: 'remote write', has: 'label', lacks: 'attribute' },
  otlp: { title: 'OTLP', has: 'attribute', lacks: 'label' },
  jaeger: { title: 'Jaeger', has: 'attribute', lacks: 'label' },
  zipkin: { title: 'Zipkin', has: 'attribute', lacks: 'label' },
} as const satisfies Record<ReceiverName, unknown>
export const receiverNames = Object.keys(itemsOf) as readonly ReceiverName[]

export interface Reach {
  /** Those that are on and serve a receiver that is on. */
  readonly listeners: ReadonlySet<ListenerName>
  /** Those that are on and served by a listener that is on. */
  readonly receivers: ReadonlySet<ReceiverName>
}

export function reachOf({ listeners, receivers }: Written): Reach {
  const pairs = listenerNames
    .filter((name) => listeners[name] !== undefined)
    .flatMap((name) => receiversOf[name].map((receiver) => ({ name, receiver })))
    .filter(({ receiver }) => receivers[receiver].enabled)
  return {
    listeners: new Set(pairs.map(({ name }) => name)),
    receivers: new Set(pairs.map(({ receiver }) => receiver)),
  }
}

/** `isSet`: whether an option, or one inside a block, is set by the user in any way. */
export function checkReach(written: Written, isSet: (...path: string[]) => boolean, problem: Report): void {
  const on = reachOf(written)
  const enabled = receiverNames.filter((name) => written.receivers[name].enabled)
  if (enabled.length === 0) {
    problem(['receivers'], 'are all off, so nothing is taken', 'Enable one of them.')
    return
  }
  const unreached = enabled.filter((name) => !on.receivers.has(name) && isSet('receivers', name))
  for (const name of unreached) {
    problem(['receivers', name], `cannot be reached, since ${areOff([name])}`, portFor([name]))
  }
  if (on.receivers.size === 0 && unreached.length === 0) {
    problem(['listeners'], `take nothing, since ${areOff(enabled)}`, portFor(enabled))
  }
  for (const name of listenerNames) {
    if (written.listeners[name] === undefined || on.listeners.has(name)) continue
    if (!isSet('listeners', name)) continue
    const off = conjunction(receiversOf[name].map((receiver) => `receivers.${receiver}.enabled`))
    problem(['listeners', name], `serves nothing, since ${off} is false`, 'Enable it, or set this to off.')
  }
  checkPorts(written, on, isSet, problem)
  checkCors(written, problem)
}

function listenersOf(names: readonly ReceiverName[]): string[] {
  return listenerNames
    .filter((listener) => receiversOf[listener].some((name) => names.includes(name)))
    .map((listener) => `listeners.${listener}`)
}

function areOff(names: readonly ReceiverName[]): string {
  const listeners = listenersOf(names)
  return `${conjunction(listeners)} ${listeners.length === 1 ? 'is' : 'are'} off`
}

function portFor(names: readonly ReceiverName[]): string {
  const [first, ...more] = listenersOf(names)
  return `Give ${more.length === 0 ? first : 'one of them'} a port.`
}

function conjunction(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

function checkPorts(
  { host, listeners, admin }: Written,
  on: Reach,
  isSet: (...path: string[]) => boolean,
  problem: Report,
): void {
  const blocks = listenerNames
    .filter((name) => on.listeners.has(name))
    .map((name) => ({
      ...{ path: ['listeners', name, 'port'], block: listeners[name], isUdp: udpListeners.has(name) },
    }))
  const opened = [...blocks, { path: ['admin', 'port'], block: admin, isUdp: false }].flatMap(
    ({ path, block, isUdp }) =>
      block === undefined || block.port === 0
        ? []
        : [{ path, isUdp, port: block.port, host: block.host ?? host }],
  )
  for (const [index, b] of opened.entries()) {
    for (const a of opened.slice(0, index)) {
      if (a.port !== b.port || a.isUdp !== b.isUdp || !overlap(a.host, b.host)) continue
      const [at, other] = isSet(...b.path) ? [b, a] : [a, b]
      const message = `is ${at.port}, as is ${other.path.join('.')}`
      problem(at.path, message, 'Give each a port of its own.')
    }
  }
}

function overlap(a: string, b: string): boolean {
  return a === b || [a, b].some((host) => host === '0.0.0.0' || host === '::')
}

function checkCors({ listeners, receivers }: Written, problem: Report): void {
  const { cors } = receivers.otlp
  if (cors === undefined) return
  const path = ['receivers', 'otlp', 'cors']
  if (cors.origins === undefined) problem(path, 'has no origins', 'Set receivers.otlp.cors.origins.')
  if (listeners.http === undefined && listeners.otlpHttp === undefined) {
    const message = 'has no effect, since listeners.http and listeners.otlpHttp are off'
    problem(path, message, 'Give one of them a port.')
  }
}

/** The complete rules of one receiver. */
export interface ReceiverRules {
  readonly name: ReceiverName
  readonly guid: GuidConfig
  /** What stands in the receiver's own block, as the file has it and as it was read. */
  readonly ownFrom: { readonly written: unknown; readonly read: readonly GuidSource[] | undefined }
  /** Where one of their keys is set, or would be: in the receiver's own block or in the global one. */
  readonly at: (key: 'from' | 'missing' | 'allow') => Path
}

interface ListenerGuid {
  readonly name: ListenerName
  readonly guid: string
}

/** Checks the rules of every receiver that takes something; rules that no receiver has contradict nothing. */
export function checkGuids(written: Written, rules: readonly ReceiverRules[], problem: Report): void {
  const on = reachOf(written)
  const receivers = rules.filter(({ name }) => on.receivers.has(name))
  const listeners = [...on.listeners].flatMap((name): ListenerGuid[] => {
    const block = written.listeners[name]
    const guid = block !== undefined && 'guid' in block ? block.guid : undefined
    return guid === undefined ? [] : [{ name, guid }]
  })
  // Receivers that share a rule share what is wrong with it.
  const said = new Set<string>()
  const once: Report = (path, message, suggestion) => {
    const key = `${path.join('.')}: ${message}`
    if (!said.has(key)) problem(path, message, suggestion)
    said.add(key)
  }
  for (const { name, guid } of listeners) {
    const served = receivers.filter((receiver) => receiversOf[name].includes(receiver.name))
    const [first] = served
    if (first === undefined || served.some((receiver) => asksListener(receiver.guid))) continue
    const option = `listeners.${name}.guid`
    const message = `has no source listener, so ${option} (${guid}) has no effect`
    once(first.at('from'), message, `Add listener to it, or remove ${option}.`)
  }
  for (const receiver of receivers) {
    const reaching = listeners.filter(({ name }) => receiversOf[name].includes(receiver.name))
    checkAllow(receiver, reaching, once)
  }
}

function asksListener({ from }: GuidConfig): boolean {
  return from.some((source) => source.kind === 'listener')
}

function checkAllow({ guid, at }: ReceiverRules, listeners: readonly ListenerGuid[], problem: Report): void {
  const { allow, missing } = guid
  if (allow === undefined) return
  const leftOut = (each: string, why: string, otherwise = '') => {
    if (allow.some((pattern) => pattern.test(each))) return
    problem(at('allow'), `leaves out ${each}, which ${why}`, `Add ${each} to it${otherwise}.`)
  }
  if (missing.action === 'stamp') {
    const option = at('missing').join('.')
    leftOut(missing.guid, `${option} stamps`, `, or set ${option}: reject`)
  }
  for (const each of guid.from.flatMap(fixedGuids)) leftOut(each, `${at('from').join('.')} names`)
  if (!asksListener(guid)) return
  for (const listener of listeners) leftOut(listener.guid, `is listeners.${listener.name}.guid`)
}

function fixedGuids(source: GuidSource): string[] {
  if (source.kind === 'constant') return [source.value]
  return source.kind === 'peer' ? [...new Set(source.table.map((entry) => entry.guid))] : []
}

/**
 * What a receiver's own block says in vain: labels in OTLP, attributes and a scope in remote write. In the global block
 * these are meant for the other receiver.
 */
export function checkOwnRules(
  { receivers }: Written,
  rules: readonly ReceiverRules[],
  problem: Report,
  warn: Report,
): void {
  if (receivers.remoteWrite.guid.scope !== undefined) {
    const path = ['receivers', 'remoteWrite', 'guid', 'scope']
    warn(path, 'has no effect: remote write has labels in one place alone')
  }
  for (const { name, ownFrom } of rules) {
    const { title, has, lacks } = itemsOf[name]
    const { written, read } = ownFrom
    if (!Array.isArray(written) || read === undefined) continue
    const path = ['receivers', name, 'guid', 'from']
    const suggestion = `Write ${has}: NAME instead.`
    if (read.length > 0 && read.every((source) => source.kind === lacks)) {
      problem(path, `names ${lacks}s alone, and ${title} has ${has}s`, suggestion)
      continue
    }
    for (const [index, entry] of written.entries()) {
      if (!isMap(entry) || !Object.hasOwn(entry, lacks)) continue
      warn([...path, index, lacks], `yields nothing: ${title} has ${has}s, and no ${lacks}s`, suggestion)
    }
  }
}
