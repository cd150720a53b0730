/**
 * The file of sampling strategies, as Jaeger's collector reads it (`--sampling.strategies-file`):
 *
 *     { "default_strategy": STRATEGY, "service_strategies": [ { "service": "NAME", ...STRATEGY } ] }
 *     STRATEGY: "type": "probabilistic" | "ratelimiting", "param": number, "operation_strategies": [OPERATION]
 *     OPERATION: { "operation": "NAME", "type": "probabilistic", "param": number }
 *
 * `param` is a share of traces, 0 to 1, or whole traces per second. Keys may be written in any case, as Go reads JSON. A
 * service without a type, or with one that is not known, samples 0.001 of its traces, and so does everything where there
 * is no default_strategy. What the default says of operations holds for services too, unless they say otherwise
 * themselves. A rate limit for an operation has no form in the answers, and is left out.
 *
 * Source: jaegertracing/jaeger v1.62.0, plugin/sampling/strategyprovider/static/provider.go, with the inheritance that is
 * the default since v1.65 and v2.2 (issue 5270).
 */
import { show } from '../config/read.ts'
import { nearest } from '../config/suggest.ts'
import { limits } from '../limits.ts'
import { jsonProblem } from '../wire/json/problem.ts'

/** What Jaeger samples where nothing is said. */
const DEFAULT_RATE = 0.001

/** What one service is told. */
export interface Strategy {
  readonly type: 'probabilistic' | 'ratelimiting'
  /** A share of traces, 0 to 1; or traces per second, a whole number below 2^31. */
  readonly param: number
  readonly operations: Operations | undefined
}

export interface Operations {
  /** The share of traces of the operations that are not listed. */
  readonly rate: number
  /** Shares of traces by operation, in the order in which clients are told. */
  readonly rates: ReadonlyMap<string, number>
}

export interface StrategySet {
  /** For services that are not listed. */
  readonly fallback: Strategy
  readonly services: ReadonlyMap<string, Strategy>
}

/** Texts such as `service_strategies.3.param must be from 0 to 1, not 5`. */
export interface StrategiesRead {
  /** Undefined when there are problems. */
  readonly strategies: StrategySet | undefined
  readonly problems: readonly string[]
  /** What Jaeger takes as well, though hardly as it was meant. */
  readonly warnings: readonly string[]
}

/** What holds without a file. */
export const defaultStrategies: StrategySet = {
  fallback: { type: 'probabilistic', param: DEFAULT_RATE, operations: undefined },
  services: new Map(),
}

/** Reads the whole text; all problems are found at once, of which `limits.strategiesProblemsNamed` are named. Never throws. */
export function readStrategies(text: string): StrategiesRead {
  return new Reading().read(text)
}

/** The texts that are named, and the number of the others. */
class Notes {
  readonly texts: string[] = []
  #more = 0

  add(path: string, message: string): void {
    if (this.texts.length >= limits.strategiesProblemsNamed) this.#more++
    else this.texts.push(path === '' ? message : `${path} ${message}`)
  }

  all(): readonly string[] {
    return this.#more === 0 ? this.texts : [...this.texts, `and ${this.#more} more`]
  }
}

type Block = ReadonlyMap<string, unknown>

const topKeys = ['default_strategy', 'service_strategies']
const operationKeys = ['operation', 'type', 'param']
const serviceKeys = ['service', 'type', 'param', 'operation_strategies']

class Reading {
  readonly #problems = new Notes()
  readonly #warnings = new Notes()

  read(text: string): StrategiesRead {
    const value = this.#parse(text)
    const strategies = value === undefined ? undefined : this.#top(value)
    const problems = this.#problems.all()
    const warnings = this.#warnings.all()
    return { strategies: problems.length === 0 ? strategies : undefined, problems, warnings }
  }

  /** Undefined, with a problem, when it is no JSON. */
  #parse(text: string): unknown {
    const problem = jsonProblem(Buffer.from(text), limits.strategiesNestingMax)
    if (problem !== undefined) {
      this.#problems.add('', `is no JSON in line ${problem.line}: ${problem.message}`)
      return undefined
    }
    // A byte order mark, as editors on Windows write it, is no JSON.
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  }

  #top(value: unknown): StrategySet {
    if (value === null) return defaultStrategies
    const block = this.#block(value, '', topKeys)
    const written = block.get('default_strategy') ?? undefined
    const fallback =
      written === undefined ? defaultStrategies.fallback : this.#service(written, 'default_strategy')
    const services = new Map<string, Strategy>()
    const list = this.#list(block.get('service_strategies'), 'service_strategies')
    this.#bound(list.length, limits.strategiesServicesMax, 'service_strategies', 'services')
    for (const [index, each] of list.slice(0, limits.strategiesServicesMax).entries()) {
      const path = `service_strategies.${index}`
      const name = this.#name(each, path, 'service')
      const own = this.#service(each, path)
      if (name === undefined) continue
      if (services.has(name)) this.#warnings.add(path, `is for ${show(name)} again, and the last one holds`)
      services.set(name, inherit(own, fallback.operations))
    }
    return { fallback, services }
  }

  #service(value: unknown, path: string): Strategy {
    const block = this.#block(value, path, serviceKeys)
    const { type, param } = this.#strategy(block, path)
    const list = this.#list(block.get('operation_strategies'), join(path, 'operation_strategies'))
    if (list.length === 0) return { type, param, operations: undefined }
    this.#bound(list.length, limits.strategiesOperationsMax, join(path, 'operation_strategies'), 'operations')
    const rates = new Map<string, number>()
    for (const [index, each] of list.slice(0, limits.strategiesOperationsMax).entries()) {
      this.#operation(each, join(path, `operation_strategies.${index}`), rates)
    }
    return { type, param, operations: { rate: type === 'probabilistic' ? param : DEFAULT_RATE, rates } }
  }

  #operation(value: unknown, path: string, rates: Map<string, number>): void {
    const name = this.#name(value, path, 'operation')
    const { type, param } = this.#strategy(this.#block(value, path, operationKeys), path)
    if (name === undefined) return
    if (type === 'ratelimiting') {
      this.#warnings.add(path, `is left out: an operation (${show(name)}) cannot be ratelimiting`)
      return
    }
    if (rates.has(name)) this.#warnings.add(path, `is for ${show(name)} again, and the last one holds`)
    rates.set(name, param)
  }

  #strategy(block: Block, path: string): Pick<Strategy, 'type' | 'param'> {
    const type = block.get('type') ?? ''
    const param = block.get('param') ?? undefined
    if (type !== 'probabilistic' && type !== 'ratelimiting') {
      const counts = `and counts as probabilistic with ${DEFAULT_RATE}`
      const near = typeof type === 'string' && nearest(type, ['probabilistic', 'ratelimiting'])
      const hint = near ? `; did you mean ${near}?` : ''
      if (typeof type !== 'string')
        this.#problems.add(join(path, 'type'), `must be a text, not ${show(type)}`)
      else if (type === '') this.#warnings.add(path, `has no type, ${counts}`)
      else this.#warnings.add(join(path, 'type'), `is ${show(type)}, ${counts}${hint}`)
      if (param !== undefined && typeof param !== 'number') this.#notNumber(param, path)
      return { type: 'probabilistic', param: DEFAULT_RATE }
    }
    if (param === undefined) {
      this.#warnings.add(path, `has no param, which counts as 0: nothing is sampled`)
      return { type, param: 0 }
    }
    return { type, param: this.#param(param, type, join(path, 'param')) }
  }

  #param(param: unknown, type: Strategy['type'], path: string): number {
    if (typeof param !== 'number') return this.#notNumber(param, path)
    const max = type === 'probabilistic' ? 1 : limits.samplingTracesMax
    if (param < 0 || param > max) {
      this.#problems.add(path, `must be from 0 to ${max} for ${type}, not ${param}`)
      return 0
    }
    if (type === 'probabilistic' || Number.isInteger(param)) return param
    const whole = Math.floor(param)
    this.#warnings.add(path, `is ${param}, and clients can be told whole traces per second only: ${whole}`)
    return whole
  }

  #notNumber(param: unknown, path: string): number {
    this.#problems.add(path, `must be a number, not ${show(param)}`)
    return 0
  }

  /** Undefined, with a warning, when there is none. */
  #name(value: unknown, path: string, key: 'service' | 'operation'): string | undefined {
    const name = isBlock(value) ? (entriesOf(value).get(key) ?? '') : undefined
    if (typeof name === 'string' && name !== '') return name
    if (name === '') this.#warnings.add(path, `names no ${key}, and has no effect`)
    else if (name !== undefined) this.#problems.add(join(path, key), `must be a text, not ${show(name)}`)
    return undefined
  }

  #list(value: unknown, path: string): readonly unknown[] {
    if (Array.isArray(value)) return value
    if (value !== undefined && value !== null) {
      this.#problems.add(path, `must be a list, not ${show(value)}`)
    }
    return []
  }

  #bound(length: number, max: number, path: string, what: string): void {
    if (length > max) this.#problems.add(path, `has ${length} ${what}; at most ${max}`)
  }

  #block(value: unknown, path: string, known: readonly string[]): Block {
    if (!isBlock(value)) {
      this.#problems.add(path, `must be an object, not ${show(value)}`)
      return new Map()
    }
    const block = entriesOf(value)
    for (const key of block.keys()) {
      if (known.includes(key)) continue
      const near = nearest(key, known)
      const hint = near === undefined ? '' : `; did you mean ${near}?`
      this.#warnings.add(join(path, key), `is not known, and has no effect${hint}`)
    }
    return block
  }
}

/** A service that says nothing of an operation does as the default says. */
function inherit(own: Strategy, inherited: Operations | undefined): Strategy {
  if (inherited === undefined) return own
  const { type, param, operations } = own
  if (operations === undefined) {
    const rate = type === 'probabilistic' ? param : inherited.rate
    return { type, param, operations: { rate, rates: inherited.rates } }
  }
  const rates = new Map(operations.rates)
  for (const [name, rate] of inherited.rates) if (!rates.has(name)) rates.set(name, rate)
  return { type, param, operations: { rate: operations.rate, rates } }
}

function isBlock(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function entriesOf(block: object): Block {
  return new Map(Object.entries(block).map(([key, value]) => [key.toLowerCase(), value]))
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}
