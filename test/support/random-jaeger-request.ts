/**
 * Random PostSpansRequests, made from the schema: any message with any of its fields, and bytes that mean it in some
 * unusual way: fields out of order, varints longer than needed, singular fields repeated (the last counts, parts of a
 * message merge). What Jaeger's reader checks is right: lengths of ids, ranges of times. A seed gives one request.
 */
import type protobuf from 'protobufjs'
import { isText, type Model, nestedType, requestType, type Value } from './oracle-jaeger-records.ts'
import { Random } from './random.ts'
import { VariedFields } from './varied-fields.ts'

export interface JaegerRequestOptions {
  /** Some texts are not UTF-8. */
  readonly flaws: boolean
  /** Encode plainly: fields in their order, each once, shortest varints. */
  readonly plain: boolean
}

export function randomJaegerRequest(
  seed: number,
  options: JaegerRequestOptions,
): { readonly model: Model; readonly bytes: Buffer } {
  const random = new Random(seed)
  const maker = new Maker(random, options)
  const model = maker.message(requestType)
  return { model, bytes: maker.encode(requestType, model) }
}

const KEYS = [
  'guid',
  'guid',
  'namespace',
  'hostname',
  'job',
  'guid_',
  'Guid',
  '',
  'é',
  'x'.repeat(127),
  'x'.repeat(128),
]
const TEXTS = ['team-a', 'team-b', 'A.b_c-9', `x${'y'.repeat(126)}z`, '-no', '', 'evil', 'né', '\u{1F600}']
const LENGTHS = [80, 90, 100, 110, 120, 126, 127, 128, 129, 300, 16_300]
const BAD_TEXTS = ['\xff', 'a\xc0\x80', '\xed\xa0\x80', 'caf\xe9']
const SECONDS = ['-62135596800', '-1', '0', '1', '1795267000', '253402300799']
const DURATIONS = ['-9223372036', '0', '0', '1', '9223372036']
const NANOS = [0, 1, 999_999_999, 123_456_000]

class Maker {
  readonly #random: Random
  readonly #options: JaegerRequestOptions
  readonly #fields: VariedFields

  constructor(random: Random, options: JaegerRequestOptions) {
    this.#random = random
    this.#options = options
    this.#fields = new VariedFields(random, options.plain)
  }

  message(type: protobuf.Type): Model {
    const random = this.#random
    if (type.name === 'Timestamp') return { seconds: random.pick(SECONDS), nanos: random.pick(NANOS) }
    // The largest has 854,775,807 ns; both have one sign.
    if (type.name === 'Duration') {
      const seconds = random.pick(DURATIONS)
      return { seconds, nanos: seconds.startsWith('-') ? -854_775_807 : 854_775_807 }
    }
    const model: Model = {}
    for (const field of type.fieldsArray) {
      const isExtra = field.name.startsWith('extra')
      if (
        isExtra ? !random.oneIn(25) : field.name !== 'batch' && random.oneIn(field.name === 'process' ? 2 : 5)
      )
        continue
      if (!field.repeated) model[field.name] = this.#value(field)
      else {
        const most = field.name === 'spans' ? 6 : 4
        const values = Array.from({ length: random.below(most) }, () => this.#value(field))
        if (values.length > 0) model[field.name] = values
      }
    }
    // A string mostly: that is what guids are sought in.
    if (type.name === 'KeyValue' && random.oneIn(2)) delete model['vType']
    // A tag longer than guid sources may be has no text, whatever its value.
    if (model['vType'] !== undefined && String(model['vStr']).length > 1_000) delete model['vStr']
    return model
  }

  #value(field: protobuf.Field): Value {
    const random = this.#random
    const nested = nestedType(field)
    if (nested !== undefined) return this.message(nested)
    if (isText(field)) return this.#text(field)
    switch (field.type) {
      case 'bytes':
        return this.#bytes(
          field.name === 'traceId' ? random.pick([8, 16]) : field.name === 'spanId' ? 8 : random.below(20),
        )
      case 'bool':
        return random.oneIn(2)
      case 'fixed64':
        return String(random.pick([0n, 0x3ff8000000000000n, 0x7ff0000000000001n]))
      case 'uint64':
        return String((BigInt(random.next()) << 32n) | 1n)
      case 'int64':
        return String(
          BigInt.asIntN(64, random.oneIn(2) ? BigInt(random.below(300)) : BigInt(random.next()) << 32n),
        )
      case 'uint32':
      case 'fixed32':
        return random.next()
      default:
        // Enums, their unknown values too.
        return random.oneIn(9) ? -1 : random.below(6)
    }
  }

  #text(field: protobuf.Field): string {
    const random = this.#random
    if (this.#options.flaws && random.oneIn(60)) return random.pick(BAD_TEXTS)
    if (random.oneIn(20)) return 'v'.repeat(random.pick(LENGTHS))
    return Buffer.from(random.pick(field.name === 'key' ? KEYS : TEXTS)).toString('latin1')
  }

  #bytes(length: number): string {
    return Buffer.from(Array.from({ length }, () => this.#random.below(256))).toString('latin1')
  }

  /** The bytes of a model. */
  encode(type: protobuf.Type, model: Model): Buffer {
    const fields: { name: string; bytes: Buffer }[] = []
    for (const field of type.fieldsArray) {
      const value = model[field.name]
      if (value === undefined) continue
      for (const one of this.#occurrences(field, value))
        fields.push({ name: field.name, bytes: this.#one(field, one) })
    }
    if (this.#options.plain || this.#random.oneIn(2)) return Buffer.concat(fields.map(({ bytes }) => bytes))
    // Another order, in which what has one number keeps its own.
    const queues = new Map<string, Buffer[]>()
    for (const { name, bytes } of fields) queues.set(name, [...(queues.get(name) ?? []), bytes])
    const turns = this.#random.shuffled(fields.map(({ name }) => name))
    return Buffer.concat(turns.map((name) => queues.get(name)!.shift()!))
  }

  #occurrences(field: protobuf.Field, value: Value): Value[] {
    const random = this.#random
    if (Array.isArray(value)) return value
    if (this.#options.plain || !random.oneIn(6)) return [value]
    const nested = nestedType(field)
    // Jaeger's reader does not merge times: the last one counts.
    if (nested?.name === 'Timestamp' || nested?.name === 'Duration') return [value]
    if (nested !== undefined) return this.#parts(value as Model)
    if (field.type === 'bytes' && !isText(field)) return [value, value]
    return [isText(field) ? 'decoy' : field.type === 'bool' ? true : 1, value]
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

  #one(field: protobuf.Field, value: Value): Buffer {
    const nested = nestedType(field)
    if (nested !== undefined) return this.#fields.delimited(field.id, this.encode(nested, value as Model))
    switch (field.type) {
      case 'bytes':
        return this.#fields.delimited(field.id, Buffer.from(value as string, 'latin1'))
      case 'fixed32': {
        const bytes = Buffer.alloc(4)
        bytes.writeUInt32LE(value as number)
        return Buffer.concat([this.#fields.tag(field.id, 5), bytes])
      }
      case 'fixed64': {
        const bytes = Buffer.alloc(8)
        bytes.writeBigUInt64LE(BigInt(value as string))
        return Buffer.concat([this.#fields.tag(field.id, 1), bytes])
      }
      default:
        return Buffer.concat([
          this.#fields.tag(field.id, 0),
          this.#fields.varint(BigInt(value as number | string), 10),
        ])
    }
  }
}
