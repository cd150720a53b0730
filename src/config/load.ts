/**
 * From what users write to a `Config`: the file, over it the environment, over it the command line. Reads files and
 * nothing else; never throws for anything that a user wrote.
 */
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { limits } from '../limits.ts'
import { type BusUrl, parseBusUrl } from './bus-url.ts'
import type {
  BusConfig,
  Config,
  GuidConfig,
  ListenerConfig,
  SaslConfig,
  SpoolConfig,
  TlsConfig,
} from './config.ts'
import { coresOf } from './cores.ts'
import { completeCors } from './cors.ts'
import { type ConfigDocument, type Place, parseConfig } from './document.ts'
import { type Environment, type Override, readEnvironment } from './environment.ts'
import { guidExpected, isGuid, isMap } from './guid-rules.ts'
import {
  checkGuids,
  checkOwnRules,
  type ListenerName,
  type ReceiverName,
  type ReceiverRules,
  reachOf,
  receiverNames,
} from './reach.ts'
import { readBlock } from './read.ts'
import { checkRelations } from './relations.ts'
import type { Path, Report } from './report.ts'
import { schema, type Written } from './schema.ts'
import { walk } from './schema-nodes.ts'
import { warnSlowPatterns } from './slow-patterns.ts'
import { inflightBytesOf, machineBytes, memoryBytesOf, workersOf } from './workers.ts'

/** One thing that is wrong. */
export interface Problem {
  /** The file, or where else it was said, such as `variable GUIDEPOST_BUS`. */
  readonly source: string
  readonly place: Place | undefined
  /** The option, as in `guid.from.0.header`. Empty for the file as a whole. */
  readonly path: string
  readonly message: string
  readonly suggestion: string | undefined
}

export interface LoadOptions {
  /** The configuration file; GUIDEPOST_CONFIG, and then none, unless given. */
  readonly file?: string | undefined
  readonly env: Environment
  /** From the command line. */
  readonly overrides?: { readonly bus?: string | undefined; readonly guid?: string | undefined } | undefined
  /** What relative names are taken from; the process's unless given. */
  readonly cwd?: string | undefined
  /** Cores that this process may use, its container's bound included; the machine's unless given. */
  readonly cores?: number | undefined
  /** Bytes of memory of the machine or the container; what it has unless given. */
  readonly machineBytes?: number | undefined
}

export type LoadResult =
  | { readonly config: Config; readonly warnings: readonly Problem[]; readonly file: string | undefined }
  | {
      readonly config: undefined
      readonly problems: readonly Problem[]
      readonly warnings: readonly Problem[]
      readonly file: string | undefined
    }

/** `guidepost.yaml:12:3: guid.conflict: must be …. Did you mean keep?` */
export function formatProblem({ source, place, path, message, suggestion }: Problem): string {
  const where = place === undefined ? source : `${source}:${place.line}:${place.column}`
  const what = path === '' ? message : `${path}: ${message}`
  return `${where}: ${what}${/[.?!]$/.test(message) ? '' : '.'}${suggestion === undefined ? '' : ` ${suggestion}`}`
}

/** Loads and checks everything; all problems are found at once. */
export function loadConfig(options: LoadOptions): LoadResult {
  return new Loading(options).load()
}

const optionPaths = [...walk(schema)].map(([path]) => path.join('.'))

/** The path of the block that an option stands in; for a list's entry, of the block that the list stands in. */
function blockOf(path: string): string {
  const option = optionPaths.findLast((each) => path === each || path.startsWith(`${each}.`)) ?? ''
  const isBlock =
    option !== path && option !== '' && optionPaths.some((each) => each.startsWith(`${option}.`))
  return isBlock ? option : option.slice(0, Math.max(0, option.lastIndexOf('.')))
}

class Loading {
  readonly #options: LoadOptions
  readonly #cwd: string
  readonly #file: string | undefined
  readonly #problems: Problem[] = []
  readonly #warnings: Problem[] = []
  #document: ConfigDocument | undefined
  #overrides: Override[] = []
  #unreadable: ReadonlySet<string> = new Set()

  constructor(options: LoadOptions) {
    this.#options = options
    this.#cwd = options.cwd ?? process.cwd()
    this.#file = options.file ?? (options.env['GUIDEPOST_CONFIG'] || undefined)
  }

  load(): LoadResult {
    if (this.#file !== undefined) this.#readFile(this.#file)
    this.#overrides = readEnvironment(this.#options.env, (name, suggestion) => {
      const message = 'is no variable of guidepost and has no effect'
      this.#warnings.push({ source: 'environment', place: undefined, path: name, message, suggestion })
    })
    const { bus } = this.#options.overrides ?? {}
    if (bus !== undefined) this.#overrides.push({ path: ['bus'], value: bus, origin: 'option --bus' })
    if (this.#problems.length > 0) return this.#failed()

    const values = this.#overrides.reduce(setAt, this.#document?.values)
    // The one place where what was read is taken for what the schema says it is: `readBlock` follows the schema.
    const written = readBlock(schema, values, (path, ...rest) => this.#problem(path, ...rest)) as Written
    this.#unreadable = new Set(this.#problems.map((problem) => blockOf(problem.path)))
    const config = this.#build(written)
    if (config === undefined || this.#problems.length > 0) return this.#failed()
    warnSlowPatterns(this.#document?.values, (path, ...rest) => this.#warn(path, ...rest))
    return { config, warnings: this.#warnings, file: this.#file }
  }

  /**
   * A contradiction between options of which one could not be read may be none, so it is left out until the rest is
   * mended: those whose block, or the block of the other option that they name, has problems of its own.
   */
  #contradiction(path: Path, message: string, suggestion?: string): void {
    const others = optionPaths.filter(
      (each) => each.includes('.') && `${message} ${suggestion}`.includes(each),
    )
    if ([path.join('.'), ...others].some((each) => this.#unreadable.has(blockOf(each)))) return
    this.#problem(path, message, suggestion)
  }

  #build(written: Written): Config | undefined {
    const bus = this.#readBusUrl(written)
    const inFile = (...path: string[]) => getAt(this.#document?.values, path) != null
    const isSet = (...path: string[]) => inFile(...path) || this.#overrideIn(path) !== undefined
    const isOverridden = this.#overrides.some(({ path }) => path[0] === 'bus')
    const busOrigin = isOverridden ? 'override' : inFile('bus') ? 'file' : 'default'
    const rules = receiverNames.map((name) => this.#rules(name, written))
    const contradicts: Report = (path, ...rest) => this.#contradiction(path, ...rest)
    const warn: Report = (path, ...rest) => this.#warn(path, ...rest)
    checkRelations({ written, busKind: bus?.kind, inFile, isSet, busOrigin }, contradicts, warn)
    checkGuids(written, rules, contradicts)
    checkOwnRules(written, rules, contradicts, warn)
    const complete = bus === undefined ? undefined : this.#bus(bus, written)
    if (complete === undefined) return undefined
    const { metrics, logging, admin } = written
    const isBounded = isSet('limits', 'inflightBytes')
    const { cores = coresOf(), machineBytes: bytes = machineBytes() } = this.#options
    const workers = workersOf(written, complete.kind, isBounded, { cores, bytes })
    return {
      bus: complete,
      workers,
      spool: complete.kind === 'kafka' ? this.#spool(written) : undefined,
      spoolDirectory: resolve(this.#cwd, written.spool.directory),
      ...served(written, rules, (name) => this.#inFolder(name)),
      admin: admin && listener(admin, written),
      guid: this.#guid(written.guid),
      limits: {
        ...written.limits,
        inflightBytes: inflightBytesOf(written, workers, isBounded),
        memoryBytes: memoryBytesOf(written, workers, bytes),
      },
      metrics,
      logging,
    }
  }

  /** The rules of one receiver: its own over the global ones. */
  #rules(name: ReceiverName, written: Written): ReceiverRules {
    const own = written.receivers[name].guid
    const ownPath = ['receivers', name, 'guid']
    return {
      name,
      guid: this.#guid(mergeGuid(written.guid, own)),
      ownFrom: { written: getAt(this.#document?.values, [...ownPath, 'from']), read: own.from },
      at: (key) => [...(own[key] === undefined ? ['guid'] : ownPath), key],
    }
  }

  #readBusUrl(written: Written): BusUrl | undefined {
    if (this.#problems.some((problem) => problem.path === 'bus')) return undefined
    const url = parseBusUrl(written.bus, this.#cwd)
    if (typeof url !== 'string') return url
    this.#problem(['bus'], url)
    return undefined
  }

  #bus(url: BusUrl, { log, kafka, limits: bounds }: Written): BusConfig {
    const { appendMs } = bounds
    if (url.kind === 'log') return { ...url, ...log, appendMs }
    return { ...url, ...kafka, appendMs, sasl: this.#sasl(kafka.sasl), tls: this.#tls(kafka.tls) }
  }

  #spool({ spool: { enabled, directory, afterMs, ...bounds }, limits }: Written): SpoolConfig | undefined {
    if (!enabled) return undefined
    // What is set is checked against it; the default gives way.
    const inTime = Math.min(afterMs, Math.floor(limits.appendMs / 2))
    return { directory: resolve(this.#cwd, directory), afterMs: inTime, ...bounds }
  }

  #sasl(sasl: Written['kafka']['sasl']): SaslConfig | undefined {
    if (sasl === undefined) return undefined
    const { mechanism, username = '', passwordFile } = sasl
    const path = ['kafka', 'sasl', 'passwordFile']
    const inFile = passwordFile === undefined ? undefined : this.#readNamed(passwordFile, path)
    return { mechanism, username, password: sasl.password ?? inFile?.replace(/\r?\n$/, '') ?? '' }
  }

  #tls(tls: Written['kafka']['tls']): TlsConfig | undefined {
    if (tls === undefined) return undefined
    const pem = (key: 'ca' | 'cert' | 'key') => {
      const name = tls[key]
      const path = ['kafka', 'tls', key]
      const text = name === undefined ? undefined : this.#readNamed(name, path)
      if (text !== undefined && !text.includes('-----BEGIN ')) this.#problem(path, `${name} is no PEM file`)
      return text
    }
    return {
      ca: pem('ca'),
      cert: pem('cert'),
      key: pem('key'),
      serverName: tls.serverName,
      verify: tls.verify,
    }
  }

  /** The rules as the stamp wants them: with `--guid` as the last source. */
  #guid(rules: GuidConfig): GuidConfig {
    const { overrides, env } = this.#options
    const value = overrides?.guid ?? (env['GUIDEPOST_GUID'] || undefined)
    if (value === undefined) return rules
    const source = overrides?.guid === undefined ? 'variable GUIDEPOST_GUID' : 'option --guid'
    if (!isGuid(value) && !this.#problems.some((each) => each.source === source)) {
      const message = `is no guid: ${JSON.stringify(value)}`
      const suggestion = `A guid is ${guidExpected}.`
      this.#problems.push({ source, place: undefined, path: '', message, suggestion })
    }
    return { ...rules, from: [...rules.from, { kind: 'constant', value }] }
  }

  #readFile(file: string): void {
    const text = this.#readText(resolve(this.#cwd, file), (message) => {
      this.#problems.push({ source: file, place: undefined, path: '', message, suggestion: undefined })
    })
    if (text === undefined) return
    this.#document = parseConfig(text)
    for (const { place, message, suggestion } of this.#document.errors) {
      const last = this.#problems.at(-1)
      if (last?.message === message && last.place?.line === place.line) continue
      this.#problems.push({ source: file, place, path: '', message, suggestion })
    }
  }

  /** A file that the configuration names, from the configuration file's folder. */
  #readNamed(name: string, path: Path): string | undefined {
    return this.#readText(this.#inFolder(name), (message) => this.#problem(path, `${name} ${message}`))
  }

  /** The absolute name of a file that the configuration names. */
  #inFolder(name: string): string {
    return resolve(this.#file === undefined ? this.#cwd : dirname(resolve(this.#cwd, this.#file)), name)
  }

  #readText(file: string, fail: (message: string) => void): string | undefined {
    try {
      const { size } = statSync(file)
      if (size <= limits.configFileBytesMax) return readFileSync(file, 'utf8')
      fail(`has ${size} bytes; at most ${limits.configFileBytesMax}`)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ENOENT') fail('does not exist')
      else fail(`cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    }
    return undefined
  }

  /** The last override of an option, or of one inside a block. */
  #overrideIn(path: Path): Override | undefined {
    return this.#overrides.findLast((each) => path.every((step, index) => each.path[index] === step))
  }

  #at(path: Path): Pick<Problem, 'source' | 'place' | 'path'> {
    const found = this.#overrideIn(path)
    const isWhole = found?.path.length === path.length
    const override = isWhole || getAt(this.#document?.values, path) == null ? found : undefined
    const source = override?.origin ?? this.#file ?? 'configuration'
    const place = override === undefined ? this.#document?.locate(path) : undefined
    return { source, place, path: path.join('.') }
  }

  #problem(path: Path, message: string, suggestion?: string): void {
    this.#problems.push({ ...this.#at(path), message, suggestion })
  }

  #warn(path: Path, message: string, suggestion?: string): void {
    this.#warnings.push({ ...this.#at(path), message, suggestion })
  }

  #failed(): LoadResult {
    const order = (problem: Problem) => (problem.place?.line ?? 0) * 100_000 + (problem.place?.column ?? 0)
    const problems = this.#problems.toSorted((a, b) => order(a) - order(b))
    return { config: undefined, problems, warnings: this.#warnings, file: this.#file }
  }
}

/** The receiver's own rules over the global ones, key by key. */
function mergeGuid(
  base: GuidConfig,
  own: Partial<{ [K in keyof GuidConfig]: GuidConfig[K] | undefined }>,
): GuidConfig {
  return {
    from: own.from ?? base.from,
    name: own.name ?? base.name,
    conflict: own.conflict ?? base.conflict,
    scope: own.scope ?? base.scope,
    missing: own.missing ?? base.missing,
    allow: own.allow ?? base.allow,
  }
}

/** What is on, complete; what nothing reaches, or what reaches nothing, is off. */
function served(
  written: Written,
  rules: readonly ReceiverRules[],
  inFolder: (name: string) => string,
): Pick<Config, 'listeners' | 'receivers'> {
  const on = reachOf(written)
  const open = (name: ListenerName) => {
    const block = written.listeners[name]
    return block !== undefined && on.listeners.has(name) ? listener(block, written) : undefined
  }
  const guidOf = (name: ReceiverName) => rules.find((each) => each.name === name)?.guid ?? written.guid
  const { remoteWrite, otlp, jaeger, zipkin } = written.receivers
  const { cors } = otlp
  return {
    listeners: {
      http: open('http'),
      otlpGrpc: open('otlpGrpc'),
      otlpHttp: open('otlpHttp'),
      jaegerGrpc: open('jaegerGrpc'),
      jaegerHttp: open('jaegerHttp'),
      jaegerCompact: open('jaegerCompact'),
      jaegerBinary: open('jaegerBinary'),
      zipkinCompact: open('zipkinCompact'),
      jaegerSampling: open('jaegerSampling'),
      zipkin: open('zipkin'),
    },
    receivers: {
      remoteWrite: {
        enabled: on.receivers.has('remoteWrite'),
        encoding: remoteWrite.encoding,
        guid: guidOf('remoteWrite'),
      },
      otlp: {
        enabled: on.receivers.has('otlp'),
        cors: cors && completeCors({ ...cors, origins: cors.origins ?? [] }, guidOf('otlp')),
        guid: guidOf('otlp'),
      },
      jaeger: {
        enabled: on.receivers.has('jaeger'),
        encoding: jaeger.encoding,
        strategiesFile: jaeger.strategiesFile === undefined ? undefined : inFolder(jaeger.strategiesFile),
        guid: guidOf('jaeger'),
      },
      zipkin: { enabled: on.receivers.has('zipkin'), encoding: zipkin.encoding, guid: guidOf('zipkin') },
    },
  }
}

function listener(
  block: { readonly port: number; readonly host: string | undefined; readonly guid?: string | undefined },
  { host }: Written,
): ListenerConfig {
  return { host: block.host ?? host, port: block.port, guid: block.guid }
}

function getAt(values: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => (isMap(value) ? value[key] : undefined), values)
}

/** A copy of `values` with one option set; a block that was off or not there comes into being. */
function setAt(values: unknown, { path, value }: Override): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  const isSwitch = values == null || typeof values === 'boolean' || values === 'off' || values === 'on'
  if (!isMap(values) && !isSwitch) return values
  const block = isMap(values) ? values : {}
  return { ...block, [key]: setAt(block[key], { path: rest, value, origin: '' }) }
}
