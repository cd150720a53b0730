/** Protobuf messages as JSON for people, decoded by protobufjs from the files in `proto/`. */
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

const protoFolder = new URL('../../proto/', import.meta.url)

export interface DecoderOptions {
  /** Names of fields as in the proto files; otherwise in lowerCamelCase. */
  readonly keepCase: boolean
  /** What becomes of a message, inner ones before outer ones; itself when there is none. */
  readonly shape?: (type: protobuf.Type, object: JsonObject) => Json
}

export class MessageDecoder {
  readonly #type: protobuf.Type
  readonly #doubles = new Set<protobuf.Field>()
  readonly #shape: NonNullable<DecoderOptions['shape']>

  /** `file` is below `proto/`, and so are those that it imports. */
  constructor(file: string, name: string, { keepCase, shape }: DecoderOptions) {
    const root = new protobuf.Root()
    root.resolvePath = (_origin, target) => fileURLToPath(new URL(target, protoFolder))
    root.loadSync(file, { keepCase })
    this.#shape = shape ?? ((_type, object) => object)
    this.#type = root.lookupType(name)
    this.#keepBits(root)
    root.resolveAll()
  }

  /** @throws Error when the value is no such message, or messages nest deeper than protobufjs follows */
  decode(value: Uint8Array): JsonObject {
    const json = this.#toJson(this.#type, this.#type.decode(value))
    if (!isObject(json)) throw new Error('the outermost message must stay an object')
    return json
  }

  /** A double read into a number may lose the bits of a NaN, so doubles are read as 64-bit integers. */
  #keepBits(namespace: protobuf.NamespaceBase): void {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Namespace) this.#keepBits(nested)
      if (!(nested instanceof protobuf.Type)) continue
      for (const field of nested.fieldsArray) {
        if (field.type !== 'double') continue
        field.type = 'fixed64'
        this.#doubles.add(field)
      }
    }
  }

  /** Only the fields that are on the wire. */
  #toJson(type: protobuf.Type, message: object): Json {
    const result: JsonObject = {}
    for (const field of type.fieldsArray) {
      if (!Object.hasOwn(message, field.name)) continue
      const value: unknown = Reflect.get(message, field.name)
      if (!Array.isArray(value)) result[field.name] = this.#fieldToJson(field, value)
      else if (value.length > 0) result[field.name] = value.map((each) => this.#fieldToJson(field, each))
    }
    return this.#shape(type, result)
  }

  #fieldToJson(field: protobuf.Field, value: unknown): Json {
    if (this.#doubles.has(field)) return doubleToJson(value)
    const { resolvedType } = field
    if (resolvedType instanceof protobuf.Type && typeof value === 'object' && value !== null) {
      return this.#toJson(resolvedType, value)
    }
    if (resolvedType instanceof protobuf.Enum && typeof value === 'number') {
      return enumToJson(resolvedType, value)
    }
    if (value instanceof Uint8Array) return bytesToJson(field, value)
    return typeof value === 'number' || typeof value === 'boolean' ? value : String(value)
  }
}

const staleBits = 0x7ff0000000000002n

function doubleToJson(value: unknown): Json {
  const bits = BigInt.asUintN(64, BigInt(String(value)))
  if (bits === staleBits) return 'stale'
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, bits)
  const number = view.getFloat64(0)
  if (Number.isNaN(number)) return 'NaN'
  if (Number.isFinite(number)) return number
  return number > 0 ? '+Inf' : '-Inf'
}

/** Ids in hexadecimal, as OTLP writes them; other bytes in base64. */
function bytesToJson(field: protobuf.Field, value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return bytes.toString(/_?id$/i.test(field.name) ? 'hex' : 'base64')
}

/** The name without what all names of the enum begin with: `SPAN_KIND_SERVER` is `server`. */
function enumToJson({ valuesById }: protobuf.Enum, value: number): Json {
  const prefix = /^(.*_)(UNSPECIFIED|UNSET)$/.exec(valuesById[0] ?? '')?.[1] ?? ''
  return valuesById[value]?.slice(prefix.length).toLowerCase() ?? value
}

export function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

export function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
