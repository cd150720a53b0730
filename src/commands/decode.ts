/**
 * Record values as JSON for people, decoded by protobufjs from the messages in `proto/`. Off the hot path: `tail` only.
 *
 * What JSON cannot hold is a text: 64-bit integers in decimal, `NaN`, `+Inf`, `-Inf`, and `stale` for Prometheus'
 * staleness marker. Labels become one object, unless a name occurs twice: then a list of pairs, so that nothing hides.
 */
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

const protoFolder = new URL('../../proto/', import.meta.url)

/** A decoded value, or why there is none. */
export type Decoded = { readonly payload: Json } | { readonly reason: string }

/** Never throws. `encoding` is that of the record's header. */
export function decodeValue(encoding: string, value: Uint8Array): Decoded {
  try {
    if (encoding === 'prometheus_remote_write_1') return { payload: remoteWriteV1(v1().decode(value)) }
    if (encoding === 'prometheus_remote_write_2') return { payload: remoteWriteV2(v2().decode(value)) }
  } catch (error) {
    return {
      reason: `cannot be decoded as ${encoding}: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
  return { reason: encoding === '' ? 'has no header encoding' : `is ${encoding}, which is not decoded here` }
}

/** A message type that keeps the bits of its doubles. */
class Decoder {
  readonly #type: protobuf.Type
  readonly #doubles = new Set<protobuf.Field>()

  constructor(file: string, name: string) {
    const { root } = protobuf.parse(readFileSync(new URL(file, protoFolder), 'utf8'), { keepCase: true })
    this.#type = root.lookupType(name)
    this.#keepBits(root)
    root.resolveAll()
  }

  decode(value: Uint8Array): JsonObject {
    return this.#toJson(this.#type, this.#type.decode(value))
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
  #toJson(type: protobuf.Type, message: object): JsonObject {
    const result: JsonObject = {}
    for (const field of type.fieldsArray) {
      if (!Object.hasOwn(message, field.name)) continue
      const value: unknown = Reflect.get(message, field.name)
      if (!Array.isArray(value)) result[field.name] = this.#fieldToJson(field, value)
      else if (value.length > 0) result[field.name] = value.map((each) => this.#fieldToJson(field, each))
    }
    return result
  }

  #fieldToJson(field: protobuf.Field, value: unknown): Json {
    if (this.#doubles.has(field)) return doubleToJson(value)
    const { resolvedType } = field
    if (resolvedType instanceof protobuf.Type && typeof value === 'object' && value !== null) {
      return this.#toJson(resolvedType, value)
    }
    if (resolvedType instanceof protobuf.Enum && typeof value === 'number') {
      return resolvedType.valuesById[value]?.toLowerCase() ?? value
    }
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

const v1 = once(() => new Decoder('prometheus/write/v1.proto', 'prometheus.WriteRequest'))
const v2 = once(() => new Decoder('prometheus/write/v2.proto', 'io.prometheus.write.v2.Request'))

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

function remoteWriteV1({ timeseries, metadata }: JsonObject): JsonObject {
  const pairs = (labels: Json | undefined) =>
    list(labels).map((label) => [String(label['name'] ?? ''), String(label['value'] ?? '')] as const)
  return omitEmpty({
    timeseries: list(timeseries).map(({ labels, exemplars, ...rest }) =>
      series(labelsToJson(pairs(labels)), rest, list(exemplars), (exemplar) => pairs(exemplar['labels'])),
    ),
    metadata: list(metadata),
  })
}

function remoteWriteV2({ symbols, timeseries }: JsonObject): JsonObject {
  const table = Array.isArray(symbols) ? symbols : []
  const text = (ref: Json | undefined) => String(table[Number(ref ?? 0)] ?? `(no symbol ${ref})`)
  const pairs = (refs: Json | undefined) => {
    const indices = Array.isArray(refs) ? refs : []
    return Array.from({ length: Math.ceil(indices.length / 2) }, (_, index) => {
      const value = indices[2 * index + 1]
      return [text(indices[2 * index]), value === undefined ? '(no reference)' : text(value)] as const
    })
  }
  return omitEmpty({
    timeseries: list(timeseries).map(({ labels_refs, exemplars, metadata, ...rest }) => {
      const described = isObject(metadata)
        ? {
            type: metadata['type'] ?? 'unspecified',
            help: text(metadata['help_ref']),
            unit: text(metadata['unit_ref']),
          }
        : undefined
      const own = described === undefined ? rest : { ...rest, metadata: described }
      return series(labelsToJson(pairs(labels_refs)), own, list(exemplars), (each) =>
        pairs(each['labels_refs']),
      )
    }),
  })
}

function series(
  labels: Json,
  rest: JsonObject,
  exemplars: readonly JsonObject[],
  labelsOf: (exemplar: JsonObject) => readonly (readonly [string, string])[],
): JsonObject {
  const { samples, ...others } = rest
  return omitEmpty({
    labels,
    samples: list(samples).map((sample) => ({ value: 0, timestamp: '0', ...sample })),
    exemplars: exemplars.map((exemplar) => ({
      labels: labelsToJson(labelsOf(exemplar)),
      value: exemplar['value'] ?? 0,
      timestamp: exemplar['timestamp'] ?? '0',
    })),
    ...others,
  })
}

function labelsToJson(pairs: readonly (readonly [string, string])[]): Json {
  const isRepeated = new Set(pairs.map(([name]) => name)).size < pairs.length
  if (isRepeated) return pairs.map(([name, value]) => ({ name, value }))
  return Object.fromEntries(pairs)
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function omitEmpty(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  )
}
