/**
 * Random OTLP requests and their JSON, in all the spellings that senders use. Both are made from proto/opentelemetry by
 * protobufjs; nothing here is shared with `src/`.
 */
import protobuf from 'protobufjs'
import { type OtlpSignal, otlpFile, otlpMessage, otlpSignals, protoRoot } from './proto.ts'
import { type Random, randomText } from './random.ts'
import { space, textJson } from './spelled-json.ts'

/** 64-bit integers are decimal texts, enums numbers. */
export type Plain = { [field: string]: PlainValue }
type PlainValue = string | number | boolean | Buffer | Plain | PlainValue[]

const root = protoRoot(otlpSignals.map(otlpFile), { keepCase: true }).resolveAll()

/** Names of fields are those of the proto files. */
export const requestTypes: Readonly<Record<OtlpSignal, protobuf.Type>> = {
  traces: root.lookupType(otlpMessage('traces')),
  metrics: root.lookupType(otlpMessage('metrics')),
  logs: root.lookupType(otlpMessage('logs')),
}

export const isHex = (field: protobuf.Field): boolean => /^(trace|span|parent_span)_id$/.test(field.name)

/** The message with its defaults, for comparing. */
export function decoded(type: protobuf.Type, bytes: Uint8Array): object {
  return type.toObject(type.decode(bytes), { longs: String, enums: Number, bytes: String, defaults: true })
}

export function encoded(type: protobuf.Type, plain: Plain): Uint8Array {
  return type.encode(type.fromObject(plain)).finish()
}

/** A random message; messages within have one level fewer, and the fewer the levels, the fewer the messages. */
export function randomMessage(random: Random, type: protobuf.Type, levels = 12): Plain {
  const plain: Plain = {}
  for (const field of type.fieldsArray) {
    // One member of a oneof at most; an optional field is alone in its own.
    if (field.partOf?.fieldsArray.some((other) => other.name in plain)) continue
    const isInner = field.resolvedType instanceof protobuf.Type
    if (random.below(12) >= (isInner ? levels : 8)) continue
    if (!field.repeated) plain[field.name] = randomValue(random, field, levels)
    else {
      const count = random.pick([0, 1, 1, 2, 3])
      plain[field.name] = Array.from({ length: count }, () => randomValue(random, field, levels))
    }
  }
  return plain
}

function randomValue(random: Random, field: protobuf.Field, levels: number): PlainValue {
  const { resolvedType, type } = field
  if (resolvedType instanceof protobuf.Type) return randomMessage(random, resolvedType, levels - 1)
  if (resolvedType instanceof protobuf.Enum) {
    return random.oneIn(20)
      ? random.pick([-1, 77, 2 ** 31 - 1])
      : random.pick(Object.values(resolvedType.values))
  }
  if (type === 'string') return randomText(random)
  if (type === 'bool') return random.oneIn(2)
  if (type === 'double') return randomDouble(random)
  if (type === 'bytes') {
    const size = isHex(field) ? random.pick([0, 8, 16, 16]) : random.below(40)
    return Buffer.from(Array.from({ length: size }, () => random.below(256)))
  }
  const bits = type.endsWith('64') ? 64 : 32
  const whole = random.pick([
    0n,
    1n,
    2n ** BigInt(bits) - 1n,
    2n ** BigInt(bits - 1),
    randomBits(random, bits),
  ])
  const value = /^s?int|^sfixed/.test(type) ? BigInt.asIntN(bits, whole) : whole
  return bits === 64 ? String(value) : Number(value)
}

function randomBits(random: Random, bits: number): bigint {
  const whole = (BigInt(random.next()) << 32n) | BigInt(random.next())
  return BigInt.asUintN(bits, whole) >> BigInt(random.below(bits))
}

function randomDouble(random: Random): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, randomBits(random, 64))
  const some = [0, -0, 0.1, 1e21, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  return random.pick([view.getFloat64(0), random.below(1_000_000) / 1_000, ...some])
}

/** The JSON of a message, spelled by chance: keys may occur twice where that merges to the same message. */
export function randomJson(random: Random, type: protobuf.Type, plain: Plain): string {
  const members: string[] = []
  for (const [name, value] of random.shuffled(Object.entries(plain))) {
    const field = type.fields[name]
    if (field === undefined) throw new Error(`${type.name} has no field ${name}`)
    const write = (text: string) => members.push(`${randomKey(random, field)}${text}`)
    const isTwice = random.oneIn(8)
    if (Array.isArray(value)) {
      const cut = isTwice ? random.below(value.length + 1) : value.length
      write(listJson(random, field, value.slice(0, cut)))
      if (isTwice) write(listJson(random, field, value.slice(cut)))
    } else {
      if (isTwice) write(overruled(random, field))
      write(valueJson(random, field, value))
    }
    if (random.oneIn(15)) {
      members.push(random.pick(['"unknown":[{"a":[1,-0.5e-3,null]},true]', '"":{}', '"é":"\\u00e9"']))
    }
  }
  const absent = type.fieldsArray.filter(({ name }) => !(name in plain))
  if (absent.length > 0 && random.oneIn(10)) members.push(`${randomKey(random, random.pick(absent))}null`)
  return `{${members.map((member) => space(random) + member + space(random)).join(',')}${space(random)}}`
}

/** A value that a second occurrence of the same key replaces, or merges with without a trace. */
function overruled(random: Random, field: protobuf.Field): string {
  const isMessage = field.resolvedType instanceof protobuf.Type
  return isMessage ? '{}' : valueJson(random, field, randomValue(random, field, 0))
}

function randomKey(random: Random, { name }: protobuf.Field): string {
  const key = random.oneIn(2) ? name : protobuf.util.camelCase(name)
  const at = random.below(key.length)
  const letter = `\\u${key.charCodeAt(at).toString(16).padStart(4, '0')}`
  const written = random.oneIn(10) ? key.slice(0, at) + letter + key.slice(at + 1) : key
  return `"${written}"${space(random)}:${space(random)}`
}

function listJson(random: Random, field: protobuf.Field, values: readonly PlainValue[]): string {
  const written = values.map((value) => valueJson(random, field, value) + space(random))
  return `[${written.join(`,${space(random)}`)}]`
}

function valueJson(random: Random, field: protobuf.Field, value: PlainValue): string {
  const { resolvedType, type } = field
  if (resolvedType instanceof protobuf.Type) return randomJson(random, resolvedType, value as Plain)
  if (resolvedType instanceof protobuf.Enum) {
    const name = resolvedType.valuesById[value as number]
    return name === undefined || random.oneIn(2) ? integerJson(random, String(value)) : `"${name}"`
  }
  if (typeof value === 'boolean') return String(value)
  if (Buffer.isBuffer(value)) {
    return textJson(random, isHex(field) ? hexText(random, value) : base64Text(random, value))
  }
  if (type === 'string') return textJson(random, String(value))
  if (type === 'double') return doubleJson(random, value as number)
  return integerJson(random, String(value))
}

function integerJson(random: Random, decimal: string): string {
  const zeros = /^-?[1-9]\d*?(0+)$/.exec(decimal)?.[1]?.length ?? 0
  const forms = [decimal, decimal, decimal, `${decimal}.0`, `${decimal}e0`]
  if (decimal !== '0') forms.push(`${decimal}0E-1`)
  if (zeros > 0) forms.push(`${decimal.slice(0, -zeros)}e+${zeros}`)
  const form = random.pick(forms)
  return random.oneIn(2) ? textJson(random, form) : form
}

function doubleJson(random: Random, value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`
  const form = Object.is(value, -0) ? '-0.0' : random.pick([String(value), value.toExponential()])
  return random.oneIn(4) ? `"${form}"` : form
}

function hexText(random: Random, bytes: Buffer): string {
  const text = bytes.toString('hex')
  return random.oneIn(3) ? text.toUpperCase() : text
}

function base64Text(random: Random, bytes: Buffer): string {
  const padded = bytes.toString('base64')
  return random.pick([padded, padded.replace(/=+$/, ''), bytes.toString('base64url')])
}
