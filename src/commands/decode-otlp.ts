/**
 * OTLP requests as JSON for people: names of fields and ids as in OTLP's own JSON, but attributes become one object.
 *
 * Attributes are a list of keys and values, as in OTLP, when a key occurs twice. A value stands for itself when its JSON
 * tells what it is: a text, a boolean, a double, a list; null is the empty value. Others keep OTLP's wrapping, like
 * `{"intValue": "5"}`, so that 5 and "5" and 5.0 are told apart.
 */
import type protobuf from 'protobufjs'
import { type Json, type JsonObject, list, MessageDecoder, once } from './decode-message.ts'

const decoders = new Map(
  (
    [
      ['otlp_spans', 'trace', 'Trace'],
      ['otlp_metrics', 'metrics', 'Metrics'],
      ['otlp_logs', 'logs', 'Logs'],
    ] as const
  ).map(([topic, folder, name]) => [
    topic as string,
    once(
      () =>
        new MessageDecoder(
          `opentelemetry/proto/collector/${folder}/v1/${folder}_service.proto`,
          `opentelemetry.proto.collector.${folder}.v1.Export${name}ServiceRequest`,
          { keepCase: false, shape },
        ),
    ),
  ]),
)

/** Undefined when the topic is none of OTLP. @throws Error when the value is not that topic's message */
export function decodeOtlp(topic: string, value: Uint8Array): Json | undefined {
  return decoders.get(topic)?.().decode(value)
}

function shape(type: protobuf.Type, object: JsonObject): Json {
  if (type.name === 'AnyValue') return plainValue(object)
  for (const field of type.fieldsArray) {
    const value = object[field.name]
    if (value === undefined || !field.repeated || field.resolvedType?.name !== 'KeyValue') continue
    object[field.name] = attributesToJson(list(value))
  }
  return object
}

function attributesToJson(attributes: readonly JsonObject[]): Json {
  const pairs = attributes.map(({ key, value }) => [String(key ?? ''), value ?? null] as const)
  const isRepeated = new Set(pairs.map(([key]) => key)).size < pairs.length
  const isPlain = attributes.every(({ keyStrindex }) => keyStrindex === undefined)
  return isPlain && !isRepeated ? Object.fromEntries(pairs) : [...attributes]
}

function plainValue(object: JsonObject): Json {
  const members = Object.keys(object)
  if (members.length === 0) return null
  const { stringValue, boolValue, doubleValue, arrayValue } = object
  if (members.length > 1) return object
  if (typeof stringValue === 'string') return stringValue
  if (typeof boolValue === 'boolean') return boolValue
  if (typeof doubleValue === 'number') return doubleValue
  // Empty lists are not on the wire, so the message of an empty list has no values.
  if (arrayValue !== undefined) return valuesOf(arrayValue) ?? []
  return object
}

function valuesOf(arrayValue: Json): Json | undefined {
  return typeof arrayValue === 'object' && !Array.isArray(arrayValue) ? arrayValue?.['values'] : undefined
}
