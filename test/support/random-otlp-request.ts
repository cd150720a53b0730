/**
 * Random OTLP requests, made from the schema: any message with any of its fields, and bytes that mean it in some unusual
 * way: fields out of order, varints longer than needed, singular fields repeated (the last counts, parts of a message merge,
 * of a oneof the last member), repeated numbers packed, in several runs, or not packed. A seed gives one request.
 */
import type protobuf from 'protobufjs'
import {
  isText,
  type Model,
  nestedType,
  oneofOf,
  requestType,
  type Signal,
  type Value,
} from './oracle-otlp/index.ts'
import { Random } from './random.ts'
import { VariedFields } from './varied-fields.ts'

export interface OtlpOptions {
  /** Some items, scopes and resources get a text or an id at fault. */
  readonly flaws: boolean
  /** Encode plainly: fields in their order, each once, shortest varints. */
  readonly plain: boolean
}

export interface GeneratedOtlp {
  readonly model: Model
  readonly bytes: Buffer
}

export function randomOtlp(signal: Signal, seed: number, options: OtlpOptions): GeneratedOtlp {
  const random = new Random(seed)
  const model = new ModelMaker(random, options.flaws).request(signal)
  return { model, bytes: encodeOtlpModel(signal, model, random.next(), options) }
}

/** The bytes of a model in the manner that `seed` gives. */
export function encodeOtlpModel(signal: Signal, model: Model, seed: number, options: OtlpOptions): Buffer {
  return new VariedEncoder(new Random(seed), options).message(requestType(signal), model)
}

const KEYS = [
  'guid',
  'guid',
  'namespace',
  'host.name',
  'job',
  'guid_',
  'Guid',
  '',
  'é',
  'x'.repeat(127),
  'x'.repeat(128),
]
const TEXTS = [
  'team-a',
  'team-b',
  'A.b_c-9',
  `x${'y'.repeat(126)}z`,
  '-no',
  '',
  'evil',
  'né',
  '\u{1F600}',
  'a/b',
  '<&>',
]
const LENGTHS = [100, 120, 126, 127, 128, 129, 300]
const BAD_TEXTS = ['\xff', 'a\xc0\x80', '\xed\xa0\x80', 'caf\xe9', `${'x'.repeat(90)}\x80`]

class ModelMaker {
  readonly #random: Random
  readonly #flaws: boolean

  constructor(random: Random, flaws: boolean) {
    this.#random = random
    this.#flaws = flaws
  }

  request(signal: Signal): Model {
    return this.#message(requestType(signal), 0)
  }

  #message(type: protobuf.Type, level: number): Model {
    const random = this.#random
    const model: Model = {}
    const skipped = new Set<string>()
    for (const oneof of type.oneofsArray) {
      if (oneof.name.startsWith('_')) continue
      // A string mostly: that is what guids are sought in.
      const first = oneof.oneof[0]!
      const chosen = random.oneIn(12)
        ? ''
        : random.oneIn(2) && type.name === 'AnyValue'
          ? first
          : random.pick(oneof.oneof)
      for (const name of oneof.oneof) if (name !== chosen) skipped.add(name)
    }
    for (const field of type.fieldsArray) {
      if (skipped.has(field.name)) continue
      const isExtra = field.name.startsWith('extra')
      if (isExtra ? !random.oneIn(25) : oneofOf(field) === undefined && random.oneIn(5)) continue
      const value = field.repeated ? this.#list(field, level) : this.#value(field, level)
      if (value !== undefined && !(Array.isArray(value) && value.length === 0)) model[field.name] = value
    }
    return model
  }

  #list(field: protobuf.Field, level: number): Value[] {
    const most = level > 7 ? 1 : field.name === 'attributes' ? 5 : 4
    const values: Value[] = []
    for (let left = this.#random.below(most); left > 0; left--) {
      const value = this.#value(field, level)
      if (value !== undefined) values.push(value)
    }
    return values
  }

  #value(field: protobuf.Field, level: number): Value | undefined {
    const random = this.#random
    const nested = nestedType(field)
    if (nested !== undefined) return level > 12 ? undefined : this.#message(nested, level + 1)
    if (isText(field)) return this.#text(field)
    switch (field.type) {
      case 'bytes':
        return this.#bytes(field)
      case 'bool':
        return random.oneIn(2)
      case 'fixed32':
        return random.next()
      case 'uint32':
        return random.oneIn(2) ? random.below(9) : random.next()
      case 'fixed64':
        return String(
          random.oneIn(9) ? 0x7ff0000000000001n : (BigInt(random.next()) << 32n) | BigInt(random.next()),
        )
      case 'uint64':
        return String(random.oneIn(2) ? random.below(300) : (BigInt(random.next()) << 32n) | 1n)
      case 'int64':
      case 'sfixed64':
        return String(
          BigInt.asIntN(64, random.oneIn(2) ? BigInt(random.below(300)) : BigInt(random.next()) << 32n),
        )
      default:
        // sint32, int32 and enums.
        return random.oneIn(2) ? random.below(5) : random.next() | 0
    }
  }

  #text(field: protobuf.Field): string {
    const random = this.#random
    if (this.#flaws && random.oneIn(60)) return random.pick(BAD_TEXTS)
    if (random.oneIn(20)) return 'v'.repeat(random.pick(LENGTHS))
    return Buffer.from(random.pick(field.name === 'key' ? KEYS : TEXTS)).toString('latin1')
  }

  #bytes(field: protobuf.Field): string {
    const random = this.#random
    const length = field.name === 'traceId' ? 16 : field.name.endsWith('panId') ? 8 : random.below(20)
    const isBad = this.#flaws && random.oneIn(40)
    const bytes = Buffer.alloc(random.oneIn(5) ? 0 : isBad ? random.pick([1, 7, 9, 15, 17, 128]) : length)
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256)
    return bytes.toString('latin1')
  }
}

const PACKED: Readonly<Record<string, number>> = { fixed64: 1, uint64: 0 }

class VariedEncoder {
  readonly #random: Random
  readonly #options: OtlpOptions
  readonly #fields: VariedFields

  constructor(random: Random, options: OtlpOptions) {
    this.#random = random
    this.#options = options
    this.#fields = new VariedFields(random, options.plain)
  }

  message(type: protobuf.Type, model: Model): Buffer {
    const fields: { group: string; bytes: Buffer }[] = []
    for (const field of type.fieldsArray) {
      const value = model[field.name]
      if (value === undefined) continue
      const group = oneofOf(field)?.name ?? field.name
      for (const bytes of this.#field(type, field, value)) fields.push({ group, bytes })
    }
    if (this.#options.plain || this.#random.oneIn(2)) return Buffer.concat(fields.map(({ bytes }) => bytes))
    // Another order, in which what has one number, or is of one oneof, keeps its own.
    const queues = new Map<string, Buffer[]>()
    for (const { group, bytes } of fields) queues.set(group, [...(queues.get(group) ?? []), bytes])
    const turns = this.#random.shuffled(fields.map(({ group }) => group))
    return Buffer.concat(turns.map((group) => queues.get(group)!.shift()!))
  }

  #field(type: protobuf.Type, field: protobuf.Field, value: Value): Buffer[] {
    const nested = nestedType(field)
    if (Array.isArray(value)) {
      if (field.type in PACKED && !field.name.startsWith('extra'))
        return this.#packed(field, value as string[])
      return value.map((one) => this.#one(field, nested, one))
    }
    const oneof = oneofOf(field)
    const isData = oneof?.name === 'data'
    // With flaws it is told apart which data point is at fault, which a Metric with two sets of data does not allow.
    if (this.#options.plain || (isData && this.#options.flaws)) return [this.#one(field, nested, value)]
    const decoys: Buffer[] = []
    if (oneof !== undefined && this.#random.oneIn(12)) {
      const other = type.fields[this.#random.pick(oneof.oneof)]!
      // Two sets of data of one kind would merge.
      if (nestedType(other) === undefined || other !== field) decoys.push(this.#decoy(other))
    }
    if (nested === undefined) {
      if (this.#random.oneIn(12)) decoys.push(this.#decoy(field))
      return [...decoys, this.#one(field, nested, value)]
    }
    if (!this.#random.oneIn(6)) return [...decoys, this.#one(field, nested, value)]
    return [...decoys, ...this.#parts(value as Model).map((part) => this.#one(field, nested, part))]
  }

  /** Two messages that merge into the one. */
  #parts(model: Model): Model[] {
    const first: Model = {}
    const second: Model = {}
    for (const [name, value] of Object.entries(model)) {
      if (Array.isArray(value)) {
        const at = this.#random.below(value.length + 1)
        if (at > 0) first[name] = value.slice(0, at)
        if (at < value.length) second[name] = value.slice(at)
      } else if (this.#random.oneIn(2)) first[name] = value
      else second[name] = value
    }
    return [first, second]
  }

  #decoy(field: protobuf.Field): Buffer {
    const nested = nestedType(field)
    if (nested !== undefined) return this.#one(field, nested, {})
    if (isText(field)) return this.#one(field, undefined, 'decoy')
    return this.#one(field, undefined, field.type === 'bytes' ? '' : field.type === 'bool' ? true : 1)
  }

  #one(field: protobuf.Field, nested: protobuf.Type | undefined, value: Value): Buffer {
    if (nested !== undefined) return this.#fields.delimited(field.id, this.message(nested, value as Model))
    switch (field.type) {
      case 'bytes':
        return this.#fields.delimited(field.id, Buffer.from(value as string, 'latin1'))
      case 'fixed32': {
        const bytes = Buffer.alloc(4)
        bytes.writeUInt32LE(value as number)
        return Buffer.concat([this.#fields.tag(field.id, 5), bytes])
      }
      case 'fixed64':
      case 'sfixed64':
        return Buffer.concat([this.#fields.tag(field.id, 1), fixed64(value as string)])
      case 'sint32':
        return Buffer.concat([
          this.#fields.tag(field.id, 0),
          this.#fields.varint(zigzag(BigInt(value as number)), 10),
        ])
      default:
        return Buffer.concat([
          this.#fields.tag(field.id, 0),
          this.#fields.varint(BigInt(value as number | string), 10),
        ])
    }
  }

  /** Repeated numbers: in one run, in several, singly, or in a mixture. */
  #packed(field: protobuf.Field, values: readonly string[]): Buffer[] {
    const type = PACKED[field.type]!
    const element = (value: string): Buffer =>
      type === 1 ? fixed64(value) : this.#fields.varint(BigInt(value), 10)
    if (this.#options.plain || this.#random.oneIn(2)) {
      return [this.#fields.delimited(field.id, Buffer.concat(values.map(element)))]
    }
    const runs: Buffer[] = []
    for (let at = 0; at < values.length; ) {
      if (this.#random.oneIn(2)) {
        runs.push(Buffer.concat([this.#fields.tag(field.id, type), element(values[at++]!)]))
      } else {
        const count = this.#random.below(4)
        runs.push(this.#fields.delimited(field.id, Buffer.concat(values.slice(at, at + count).map(element))))
        at += count
      }
    }
    return runs
  }
}

function fixed64(value: string): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes
}

function zigzag(value: bigint): bigint {
  return value < 0n ? -2n * value - 1n : 2n * value
}
