/**
 * The kinds of option a configuration is made of. `schema.ts` is written in them; validation (`read.ts`), the JSON
 * schema (`json-schema.ts`), the environment variables (`environment.ts`) and the manual all follow from that.
 */
import type { Report } from './report.ts'

interface Common {
  /** What it does, in full sentences, for the manual and for editors. */
  readonly doc: string
  /** The path of the option to look at together with this one. */
  readonly neighbour?: string
}

export interface StringOption extends Common {
  readonly type: 'string'
  readonly default?: string
  /** What a good value looks like, after "must be". */
  readonly expects: string
  readonly pattern?: RegExp
  readonly example: string
  readonly secret?: true
}

export interface IntegerOption extends Common {
  readonly type: 'integer'
  readonly unit: string
  readonly default?: number
  /** How a default is written that depends on other options, for the manual. */
  readonly defaultText?: string
  readonly min: number
  readonly max: number
}

export interface BytesOption extends Common {
  readonly type: 'bytes'
  readonly default?: number
  /** How a default is written that depends on other options, for the manual. */
  readonly defaultText?: string
  readonly min: number
  readonly max: number
}

export interface BooleanOption extends Common {
  readonly type: 'boolean'
  readonly default: boolean
}

export interface ChoiceOption extends Common {
  readonly type: 'choice'
  readonly values: readonly string[]
  readonly default?: string
}

/** A value with a spelling of its own. */
export interface CustomOption extends Common {
  readonly type: 'custom'
  readonly default?: unknown
  /** How the default is written, for the manual. */
  readonly defaultText?: string
  readonly read: (value: unknown, report: Report) => unknown
  readonly json: Readonly<Record<string, unknown>>
  readonly spelling: string
}

/** A place that is kept for later. */
export interface ReservedOption extends Common {
  readonly type: 'reserved'
}

export interface Block extends Common {
  readonly type: 'block'
  readonly keys: Readonly<Record<string, Option>>
  /** `off` may stand in its place, and gives undefined. */
  readonly off?: true
  /** Undefined when it is not written. */
  readonly optional?: true
  /** `true` may stand in its place, and gives the defaults. */
  readonly on?: true
}

export type Scalar = StringOption | IntegerOption | BytesOption | BooleanOption | ChoiceOption
export type Option = Scalar | CustomOption | ReservedOption | Block

type Or<Node, T> = Node extends { readonly default: unknown } ? T : T | undefined

/** What reading an option gives, defaults filled in. */
export type Value<Node> = Node extends { readonly type: 'block'; readonly keys: infer Keys }
  ? Node extends { readonly off: true } | { readonly optional: true }
    ? { readonly [Key in keyof Keys]: Value<Keys[Key]> } | undefined
    : { readonly [Key in keyof Keys]: Value<Keys[Key]> }
  : Node extends { readonly type: 'custom'; readonly read: (...parameters: never[]) => infer T }
    ? Or<Node, T>
    : Node extends { readonly type: 'choice'; readonly values: readonly (infer T)[] }
      ? Or<Node, T>
      : Node extends { readonly type: 'string' }
        ? Or<Node, string>
        : Node extends { readonly type: 'integer' | 'bytes' }
          ? Or<Node, number>
          : Node extends { readonly type: 'boolean' }
            ? boolean
            : undefined

/** Every option with its path, outermost first, in the order of the schema. */
export function* walk(block: Block, path: readonly string[] = []): Generator<[readonly string[], Option]> {
  for (const [key, option] of Object.entries(block.keys)) {
    const inner = [...path, key]
    yield [inner, option]
    if (option.type === 'block') yield* walk(option, inner)
  }
}

export function isScalar(option: Option): option is Scalar {
  return option.type !== 'block' && option.type !== 'custom' && option.type !== 'reserved'
}
