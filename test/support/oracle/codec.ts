/**
 * Remote write messages decoded and encoded by protobufjs, from the schemas beside this file: the independent reader
 * against which the spliced output is compared. Nothing here is shared with `src/wire`.
 */
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import type { V1Model, V2Model } from './model.ts'

const V1 = typeFrom('v1.proto', 'oracle.v1.WriteRequest')
const V2 = typeFrom('v2.proto', 'oracle.v2.Request')

/** Decodes an uncompressed 1.0 message. Throws when it is no protobuf. */
export function decodeV1(bytes: Uint8Array): V1Model {
  return decode(V1, bytes) as V1Model
}

/** Encodes a 1.0 message plainly: fields in the order of their numbers, shortest varints. */
export function encodeV1(model: V1Model): Buffer {
  return encode(V1, model)
}

/** Decodes an uncompressed 2.0 message. Throws when it is no protobuf. */
export function decodeV2(bytes: Uint8Array): V2Model {
  return decode(V2, bytes) as V2Model
}

/** Encodes a 2.0 message plainly: symbols first, references packed, shortest varints. */
export function encodeV2(model: V2Model): Buffer {
  return encode(V2, model)
}

type Tree = Record<string, unknown>

function typeFrom(file: string, name: string): protobuf.Type {
  const source = readFileSync(new URL(file, import.meta.url), 'utf8')
  return protobuf.parse(source).root.resolveAll().lookupType(name)
}

function decode(type: protobuf.Type, bytes: Uint8Array): Tree {
  const tree = type.toObject(type.decode(bytes), { longs: String })
  return convert(type, tree, (value) => Buffer.from(value as Uint8Array).toString('latin1'))
}

function encode(type: protobuf.Type, model: object): Buffer {
  const tree = convert(type, model as Tree, (value) => Buffer.from(value as string, 'latin1'))
  return Buffer.from(type.encode(type.fromObject(tree)).finish())
}

/** A copy of `tree` in which `change` was applied to every `bytes` field. */
function convert(type: protobuf.Type, tree: Tree, change: (value: unknown) => unknown): Tree {
  const result: Tree = {}
  for (const [key, value] of Object.entries(tree)) {
    const field = type.fields[key]
    if (field === undefined) throw new Error(`${type.fullName} has no field ${key}`)
    const { resolvedType } = field
    const one = (element: unknown): unknown => {
      if (resolvedType instanceof protobuf.Type) return convert(resolvedType, element as Tree, change)
      return field.type === 'bytes' ? change(element) : element
    }
    result[key] = Array.isArray(value) ? value.map(one) : one(value)
  }
  return result
}
