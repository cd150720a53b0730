/** What single options cannot know: contradictions between two of them. Each names both. */
import type { GuidConfig, GuidSource } from './config.ts'
import type { Written } from './schema.ts'

export type Path = readonly (string | number)[]
export type Problem = (path: Path, message: string, suggestion?: string) => void

export interface Facts {
  readonly written: Written
  readonly busKind: 'log' | 'kafka' | undefined
  /** True when an option is set in the file itself, by its path. */
  readonly inFile: (...path: string[]) => boolean
  readonly busOrigin: 'file' | 'default' | 'override'
}

export function checkRelations(facts: Facts, problem: Problem, warn: Problem): void {
  checkBus(facts, problem, warn)
  checkSizes(facts, problem)
  checkSasl(facts, problem, warn)
  checkTls(facts, problem)
  checkListeners(facts, problem)
}

function checkBus({ busKind, busOrigin, inFile, written }: Facts, problem: Problem, warn: Problem): void {
  if (busKind === undefined) return
  const unused = busKind === 'log' ? 'kafka' : 'log'
  if (!inFile(unused)) return
  if (busOrigin === 'override') {
    warn([unused], `has no effect, since the bus is ${written.bus}`)
    return
  }
  const shown = busOrigin === 'default' ? `${written.bus} unless set` : written.bus
  const write = busKind === 'log' ? 'bus: kafka://host:9092' : 'bus: log:./data'
  problem([unused], `has no effect, since bus is ${shown}`, `Set ${write}, or remove ${unused}.`)
}

function checkSizes({ busKind, written: { kafka, limits, log } }: Facts, problem: Problem): void {
  const atMost = (path: Path, value: number, other: string, bound: number, why: string) => {
    if (value <= bound) return
    problem(path, `is ${value}, above ${other}, which is ${bound}: ${why}`, `Lower it, or raise ${other}.`)
  }
  if (busKind === 'kafka') {
    const why = 'a full record must fit Kafka'
    atMost(['limits', 'recordBytes'], limits.recordBytes, 'kafka.recordBytesMax', kafka.recordBytesMax, why)
    const connect = 'an append must outlast a connection'
    atMost(['kafka', 'connectMs'], kafka.connectMs, 'limits.appendMs', limits.appendMs, connect)
  } else {
    const why = 'retention deletes whole segments'
    atMost(['log', 'segmentBytes'], log.segmentBytes, 'log.retentionBytes', log.retentionBytes, why)
  }
  const half = `more than half of limits.inflightBytes, which is ${limits.inflightBytes}: a request and its records must fit together`
  for (const name of ['bodyBytes', 'inflatedBytes'] as const) {
    if (limits[name] * 2 <= limits.inflightBytes) continue
    problem(['limits', name], `is ${limits[name]}, ${half}`, 'Lower it, or raise limits.inflightBytes.')
  }
  const drain = 'a drain must outlast one append'
  atMost(['limits', 'appendMs'], limits.appendMs, 'limits.drainMs', limits.drainMs, drain)
}

function checkSasl({ written: { kafka } }: Facts, problem: Problem, warn: Problem): void {
  const { sasl, tls } = kafka
  if (sasl === undefined) return
  const path = ['kafka', 'sasl']
  if (sasl.username === undefined) problem(path, 'has no username', 'Set kafka.sasl.username.')
  if (sasl.password === undefined && sasl.passwordFile === undefined) {
    problem(
      path,
      'has neither password nor passwordFile',
      'Set one of them, or GUIDEPOST_KAFKA_SASL_PASSWORD.',
    )
  }
  if (sasl.password !== undefined && sasl.passwordFile !== undefined) {
    problem([...path, 'passwordFile'], 'contradicts kafka.sasl.password', 'Keep one of them.')
  }
  if (sasl.mechanism === 'PLAIN' && tls === undefined) {
    warn([...path, 'mechanism'], 'is PLAIN without kafka.tls: the password crosses the network readable')
  }
}

function checkTls({ written: { kafka } }: Facts, problem: Problem): void {
  const { tls } = kafka
  if (tls === undefined) return
  const path = ['kafka', 'tls']
  if (tls.cert !== undefined && tls.key === undefined) problem([...path, 'cert'], 'needs kafka.tls.key')
  if (tls.key !== undefined && tls.cert === undefined) problem([...path, 'key'], 'needs kafka.tls.cert')
  if (!tls.verify && tls.ca !== undefined) {
    problem([...path, 'ca'], 'has no effect with kafka.tls.verify: false', 'Remove one of them.')
  }
}

function checkListeners({ written, inFile }: Facts, problem: Problem): void {
  const { http } = written.listeners
  if (http === undefined) {
    const path = inFile('receivers', 'remoteWrite') ? ['receivers', 'remoteWrite'] : ['listeners', 'http']
    const message = inFile('receivers', 'remoteWrite')
      ? 'cannot be reached, since listeners.http is off'
      : 'is off, and no other listener takes anything'
    problem(path, message, 'Give listeners.http a port.')
  } else if (!written.receivers.remoteWrite.enabled) {
    const path = ['receivers', 'remoteWrite', 'enabled']
    problem(path, 'is false, and listeners.http serves nothing else', 'Enable a receiver.')
  }
  const { admin } = written
  if (http === undefined || admin === undefined || http.port !== admin.port || http.port === 0) return
  const [a, b] = [http.host ?? written.host, admin.host ?? written.host]
  const isWildcard = (host: string) => host === '0.0.0.0' || host === '::'
  if (a === b || isWildcard(a) || isWildcard(b)) {
    const [path, other] = inFile('admin', 'port')
      ? [['admin', 'port'], 'listeners.http.port']
      : [['listeners', 'http', 'port'], 'admin.port']
    problem(path, `is ${admin.port}, as is ${other}`, 'Give each a port of its own.')
  }
}

/** The complete rules of one receiver. */
export interface ReceiverRules {
  readonly guid: GuidConfig
  /** Where one of their keys is set, or would be: in the receiver's own block or in the global one. */
  readonly at: (key: 'from' | 'missing' | 'allow') => Path
}

/** Checks the rules of every receiver that is on; rules that no receiver has contradict nothing. */
export function checkGuids(
  receivers: readonly ReceiverRules[],
  listenerGuid: string | undefined,
  problem: Problem,
): void {
  const [first] = receivers
  if (
    listenerGuid !== undefined &&
    first !== undefined &&
    !receivers.some(({ guid }) => asksListener(guid))
  ) {
    const message = `has no source listener, so listeners.http.guid (${listenerGuid}) has no effect`
    problem(first.at('from'), message, 'Add listener to it, or remove listeners.http.guid.')
  }
  for (const receiver of receivers) checkAllow(receiver, listenerGuid, problem)
}

function asksListener({ from }: GuidConfig): boolean {
  return from.some((source) => source.kind === 'listener')
}

function checkAllow({ guid, at }: ReceiverRules, listenerGuid: string | undefined, problem: Problem): void {
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
  if (listenerGuid !== undefined && asksListener(guid)) leftOut(listenerGuid, 'is listeners.http.guid')
}

function fixedGuids(source: GuidSource): string[] {
  if (source.kind === 'constant') return [source.value]
  return source.kind === 'peer' ? [...new Set(source.table.map((entry) => entry.guid))] : []
}
