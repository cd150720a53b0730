/**
 * Record values as JSON for people. Off the hot path: `tail` only.
 *
 * What JSON cannot hold is a text: 64-bit integers in decimal, `NaN`, `+Inf`, `-Inf`, and `stale` for Prometheus'
 * staleness marker. Labels become one object, unless a name occurs twice: then a list of pairs, so that nothing hides.
 */
import { isObject, type Json, type JsonObject, list, MessageDecoder, once } from './decode-message.ts'
import { decodeOtlp } from './decode-otlp.ts'

/** A decoded value, or why there is none. */
export type Decoded = { readonly payload: Json } | { readonly reason: string }

/** Never throws. `encoding` is that of the record's header; of OTLP it is the topic that tells the message. */
export function decodeValue(encoding: string, value: Uint8Array, topic: string): Decoded {
  try {
    if (encoding === 'otlp_proto') {
      const payload = decodeOtlp(topic, value)
      return payload === undefined
        ? { reason: `is ${encoding} of a signal that the topic does not tell` }
        : { payload }
    }
    if (encoding === 'jaeger_proto') return { payload: jaegerSpan().decode(value) }
    if (encoding === 'prometheus_remote_write_1') return { payload: remoteWriteV1(v1().decode(value)) }
    if (encoding === 'prometheus_remote_write_2') return { payload: remoteWriteV2(v2().decode(value)) }
  } catch (error) {
    return {
      reason: `cannot be decoded as ${encoding}: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
  return { reason: encoding === '' ? 'has no header encoding' : `is ${encoding}, which is not decoded here` }
}

const jaegerSpan = once(
  () => new MessageDecoder('jaeger/api_v2/model.proto', 'jaeger.api_v2.Span', { keepCase: true }),
)
const v1 = once(
  () => new MessageDecoder('prometheus/write/v1.proto', 'prometheus.WriteRequest', { keepCase: true }),
)
const v2 = once(
  () => new MessageDecoder('prometheus/write/v2.proto', 'io.prometheus.write.v2.Request', { keepCase: true }),
)

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

function omitEmpty(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  )
}
