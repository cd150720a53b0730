/**
 * Environment variables: each option with a plain value has one. `GUIDEPOST_` and the path in capitals, without
 * `listeners`, and with `LOG` for `logging`: `GUIDEPOST_HTTP_PORT`, `GUIDEPOST_LOG_LEVEL`,
 * `GUIDEPOST_KAFKA_SASL_PASSWORD`. An empty variable counts as not set.
 */
import { schema } from './schema.ts'
import { isScalar, type Scalar, walk } from './schema-nodes.ts'
import { nearest } from './suggest.ts'

/** An option set from outside the file. `origin` says where, for messages. */
export interface Override {
  readonly path: readonly string[]
  readonly value: unknown
  readonly origin: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Variables that are no option of the file. */
export const otherVariables = {
  GUIDEPOST_CONFIG: 'The configuration file, as `--config`.',
  GUIDEPOST_GUID: 'The guid of everything for which no source yields one, as `--guid`.',
} as const

/** Set by the launcher for itself, and by tests that replay a seed. */
const internal = /^GUIDEPOST_(?:LAUNCHER|SEED)/

/**
 * Kubernetes sets these by itself for Services named guidepost or guidepost-…, and one of them may even bear an
 * option's name (GUIDEPOST_HTTP_PORT=tcp://10.0.0.1:10000).
 */
const serviceLink =
  /_SERVICE_(?:HOST|PORT(?:_.+)?)$|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?$/

export function variableName(path: readonly string[]): string {
  const [first, ...rest] = path
  const words = first === 'listeners' ? rest : first === 'logging' ? ['log', ...rest] : path
  return `GUIDEPOST_${words.map((word) => word.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`
}

function variables(): Map<string, { readonly path: readonly string[]; readonly option: Scalar }> {
  const found = new Map<string, { path: readonly string[]; option: Scalar }>()
  for (const [path, option] of walk(schema)) {
    if (!isScalar(option)) continue
    const name = variableName(path)
    if (found.has(name)) throw new Error(`two options share the variable ${name}`)
    found.set(name, { path, option })
  }
  return found
}

export const optionVariables: ReturnType<typeof variables> = variables()

/** The options set in `env`; `unknown` is called for each variable that looks like ours and is not. */
export function readEnvironment(
  env: Environment,
  unknown: (name: string, suggestion: string | undefined) => void,
): Override[] {
  const overrides: Override[] = []
  for (const [name, text] of Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith('GUIDEPOST_') || text === undefined || text === '') continue
    if (serviceLink.test(name) && (/^(?:tcp|udp|sctp):\/\//.test(text) || !optionVariables.has(name)))
      continue
    const found = optionVariables.get(name)
    if (found !== undefined) {
      overrides.push({ path: found.path, value: fromText(found.option, text), origin: `variable ${name}` })
    } else if (!Object.hasOwn(otherVariables, name) && !internal.test(name)) {
      const near = nearest(name, [...optionVariables.keys(), ...Object.keys(otherVariables)])
      unknown(name, near && `Did you mean ${near}?`)
    }
  }
  return overrides
}

function fromText(option: Scalar, text: string): unknown {
  if (option.type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  if (option.type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}
