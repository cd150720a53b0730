/**
 * Writes a parsed .proto file as a google.protobuf.FileDescriptorProto, as a client of reflection wants it: type names
 * with their package and a leading dot, map entries as nested messages, the oneof of an `optional` field last.
 *
 * Source: protocolbuffers/protobuf, src/google/protobuf/descriptor.proto:
 *   FileDescriptorProto     1 name, 2 package, 3 dependency, 4 message_type, 5 enum_type, 6 service, 12 syntax
 *   DescriptorProto         1 name, 2 field, 3 nested_type, 4 enum_type, 7 options { 7 map_entry }, 8 oneof_decl { 1 name },
 *                           9 reserved_range { 1 start, 2 end, exclusive }, 10 reserved_name
 *   FieldDescriptorProto    1 name, 3 number, 4 label, 5 type, 6 type_name, 9 oneof_index, 10 json_name, 17 proto3_optional
 *   EnumDescriptorProto     1 name, 2 value { 1 name, 2 number }
 *   ServiceDescriptorProto  1 name, 2 method { 1 name, 2 input_type, 3 output_type, 5 client_, 6 server_streaming }
 */
import protobuf from 'protobufjs'
import { lengthDelimited, varintField } from '../../wire/protobuf.ts'

export type TopLevel = protobuf.Type | protobuf.Enum | protobuf.Service

export interface ParsedFile {
  readonly name: string
  readonly package: string
  readonly imports: readonly string[]
  /** What stands at the top of the file, resolved. */
  readonly objects: readonly TopLevel[]
}

/** Only proto3 is written here. */
export function encodeFile(file: ParsedFile): Buffer {
  const parts = [text(1, file.name), text(2, file.package), ...file.imports.map((name) => text(3, name))]
  for (const object of file.objects) {
    if (object instanceof protobuf.Type) parts.push(lengthDelimited(4, messageBytes(object)))
    else if (object instanceof protobuf.Enum) parts.push(lengthDelimited(5, enumBytes(object)))
    else parts.push(lengthDelimited(6, serviceBytes(object)))
  }
  return Buffer.concat([...parts, text(12, 'proto3')])
}

function messageBytes(type: protobuf.Type): Buffer {
  const oneofs = type.oneofsArray.toSorted((a, b) => Number(isSynthetic(a)) - Number(isSynthetic(b)))
  const parts = [text(1, type.name)]
  for (const field of type.fieldsArray) {
    parts.push(lengthDelimited(2, fieldBytes(field, oneofs)))
    if (field instanceof protobuf.MapField) parts.push(lengthDelimited(3, mapEntryBytes(field)))
  }
  for (const nested of type.nestedArray) {
    if (nested instanceof protobuf.Type) parts.push(lengthDelimited(3, messageBytes(nested)))
    else if (nested instanceof protobuf.Enum) parts.push(lengthDelimited(4, enumBytes(nested)))
  }
  for (const oneof of oneofs) parts.push(lengthDelimited(8, text(1, oneof.name)))
  for (const reserved of type.reserved ?? []) {
    if (typeof reserved === 'string') parts.push(text(10, reserved))
    else {
      const [first, last] = reserved as [number, number]
      parts.push(lengthDelimited(9, Buffer.concat([varintField(1, first), varintField(2, last + 1)])))
    }
  }
  return Buffer.concat(parts)
}

const LABEL_OPTIONAL = 1
const LABEL_REPEATED = 3
const TYPE_MESSAGE = 11
const TYPE_ENUM = 14
const scalars: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
}

function fieldBytes(field: protobuf.Field, oneofs: readonly protobuf.OneOf[]): Buffer {
  const isMap = field instanceof protobuf.MapField
  const label = field.repeated || isMap ? LABEL_REPEATED : LABEL_OPTIONAL
  const parts = [text(1, field.name), varintField(3, field.id), varintField(4, label)]
  if (isMap) {
    const entry = `${field.parent?.fullName}.${entryName(field)}`
    parts.push(varintField(5, TYPE_MESSAGE), text(6, entry))
  } else parts.push(typeBytes(field))
  const oneof = field.partOf
  if (oneof !== null) parts.push(varintField(9, oneofs.indexOf(oneof)))
  parts.push(text(10, protobuf.util.camelCase(field.name)))
  if (oneof !== null && isSynthetic(oneof)) parts.push(varintField(17, 1))
  return Buffer.concat(parts)
}

/** `type`, and `type_name` when it is a message or an enumeration. */
function typeBytes(field: Pick<protobuf.Field, 'type' | 'resolvedType'>): Buffer {
  const resolved = field.resolvedType
  if (resolved === null) return varintField(5, scalars[field.type]!)
  const type = resolved instanceof protobuf.Enum ? TYPE_ENUM : TYPE_MESSAGE
  return Buffer.concat([varintField(5, type), text(6, resolved.fullName)])
}

function mapEntryBytes(field: protobuf.MapField): Buffer {
  const entryField = (name: string, number: number, type: Buffer): Buffer =>
    Buffer.concat([
      text(1, name),
      varintField(3, number),
      varintField(4, LABEL_OPTIONAL),
      type,
      text(10, name),
    ])
  return Buffer.concat([
    text(1, entryName(field)),
    lengthDelimited(2, entryField('key', 1, varintField(5, scalars[field.keyType]!))),
    lengthDelimited(2, entryField('value', 2, typeBytes(field))),
    lengthDelimited(7, varintField(7, 1)),
  ])
}

function entryName(field: protobuf.MapField): string {
  const camel = protobuf.util.camelCase(field.name)
  return `${camel.slice(0, 1).toUpperCase()}${camel.slice(1)}Entry`
}

/** The oneof that stands for `optional`. */
function isSynthetic(oneof: protobuf.OneOf): boolean {
  return oneof.fieldsArray.some((field) => field.options?.['proto3_optional'] === true)
}

function enumBytes(type: protobuf.Enum): Buffer {
  const values = Object.entries(type.values).map(([name, number]) =>
    lengthDelimited(2, Buffer.concat([text(1, name), varintField(2, number)])),
  )
  return Buffer.concat([text(1, type.name), ...values])
}

function serviceBytes(service: protobuf.Service): Buffer {
  const methods = service.methodsArray.map((method) =>
    lengthDelimited(
      2,
      Buffer.concat([
        text(1, method.name),
        text(2, method.resolvedRequestType?.fullName ?? ''),
        text(3, method.resolvedResponseType?.fullName ?? ''),
        ...(method.requestStream ? [varintField(5, 1)] : []),
        ...(method.responseStream ? [varintField(6, 1)] : []),
      ]),
    ),
  )
  return Buffer.concat([text(1, service.name), ...methods])
}

function text(field: number, value: string): Buffer {
  return lengthDelimited(field, Buffer.from(value))
}
