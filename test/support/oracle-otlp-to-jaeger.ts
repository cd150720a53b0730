/**
 * What spans of OTLP are in Jaeger's model: the reference for the translation, over plain objects. The mapping is the
 * Collector's (pkg/translator/jaeger, traces_to_jaegerproto.go), with one rule on top: nothing that Jaeger can hold gets
 * lost. So, unlike there,
 * - dropped counts are tags, by the names of OpenTelemetry's specification;
 * - a link of which a reference cannot say everything is in a tag `otlp.link.N`, too;
 * - only one link to the parent, of the type of its reference, is that reference;
 * - the name of an event is a field beside an attribute `event` with another value;
 * - a resource without a service has an empty name, whether it has other attributes or not;
 * - the version of a scope without a name has an empty name beside it;
 * - lists and maps are JSON with keys in their order.
 */
import { listOf, type Model, type Value } from './oracle-otlp/index.ts'
import type { PlainJaegerSpan, PlainReference } from './plain-jaeger.ts'

/** A text that has numbers in several spellings: its pieces, of which a number is a double. */
export class JsonText {
  readonly pieces: readonly (string | number)[]

  constructor(pieces: readonly (string | number)[]) {
    this.pieces = pieces
  }

  /** Whether a text is this one, doubles in whichever digits. */
  matches(text: string): boolean {
    let at = 0
    for (const piece of this.pieces) {
      if (typeof piece === 'string') {
        if (!text.startsWith(piece, at)) return false
        at += piece.length
        continue
      }
      const digits = /^-?\d+(?:\.\d+)?(?:e[+-]\d+)?/.exec(text.slice(at, at + 40))?.[0] ?? ''
      if (digits === '' || !Object.is(Number(digits), piece)) return false
      at += digits.length
    }
    return at === text.length
  }
}

export type ExpectedTag = readonly [key: string, value: unknown]

/** As PlainJaegerSpan, but JsonText in the place of some texts. */
export type ExpectedSpan = Omit<PlainJaegerSpan, 'tags' | 'logs' | 'process'> & {
  readonly tags: readonly ExpectedTag[]
  readonly logs: readonly { readonly timeNs: bigint; readonly fields: readonly ExpectedTag[] }[]
  readonly process: { readonly serviceName: string; readonly tags: readonly ExpectedTag[] }
}

/** The spans of a request, whose texts are UTF-8. Lists of warnings (`@jaeger@warnings`) are not among its attributes. */
export function expectedJaeger(request: Model): ExpectedSpan[] {
  return listOf(request, 'resourceSpans').flatMap((resourceSpans) => {
    const process = processOf(modelOf(resourceSpans['resource']))
    return listOf(resourceSpans, 'scopeSpans').flatMap((scopeSpans) => {
      const scope = modelOf(scopeSpans['scope'])
      return listOf(scopeSpans, 'spans').map((span) => spanOf(span, scope, process))
    })
  })
}

/** The expected value with each JsonText replaced by the actual text in its place, when it is that text. */
export function settled(expected: unknown, actual: unknown): unknown {
  if (expected instanceof JsonText) {
    return typeof actual === 'string' && expected.matches(actual) ? actual : expected.pieces.join('')
  }
  if (Array.isArray(expected)) return expected.map((item, i) => settled(item, Object(actual)[i]))
  if (typeof expected !== 'object' || expected === null) return expected
  return Object.fromEntries(
    Object.entries(expected).map(([key, value]) => [key, settled(value, Object(actual)[key])]),
  )
}

function processOf(resource: Model): ExpectedSpan['process'] {
  const pairs = listOf(resource, 'attributes')
  const service = pairs.find((pair) => keyOf(pair) === 'service.name' && textIn(pair) !== undefined)
  const tags = pairs.filter((pair) => pair !== service).map(tagOf)
  return {
    serviceName: service === undefined ? '' : textIn(service)!,
    tags: [...tags, ...droppedTag(resource, 'Attributes')],
  }
}

const kinds = ['', 'internal', 'server', 'client', 'producer', 'consumer']
const DURATION_MAX = 2n ** 63n - 1n

function spanOf(span: Model, scope: Model, process: ExpectedSpan['process']): ExpectedSpan {
  const startNs = longOf(span['startTimeUnixNano'])
  const endNs = longOf(span['endTimeUnixNano'])
  const duration = endNs - startNs
  const pairs = listOf(span, 'attributes')
  const flags = pairs.findLast((pair) => keyOf(pair) === 'jaeger.flags' && isFlags(pair))
  const processId = pairs.findLast((pair) => keyOf(pair) === 'jaeger.process_id' && Boolean(textIn(pair)))
  const status = modelOf(span['status'])
  const isError = status['code'] === 2
  const isScoped = textOf(scope['name']) !== '' || textOf(scope['version']) !== ''
  const isClamped = duration > DURATION_MAX || duration < -DURATION_MAX
  const tags: ExpectedTag[] = [
    ...(isScoped ? [['otel.scope.name', textOf(scope['name'])] as const] : []),
    ...textTag('otel.scope.version', scope['version']),
    ...(isError ? [['error', true] as const] : []),
    ...pairs.filter((pair) => pair !== flags && pair !== processId).map(tagOf),
    ...textTag('span.kind', kinds[Number(span['kind'] ?? 0)]),
    ...textTag('otel.status_code', isError ? 'ERROR' : status['code'] === 1 ? 'OK' : ''),
    ...textTag('otel.status_description', status['message']),
    ...textTag('w3c.tracestate', span['traceState']),
    ...droppedTag(span, 'Attributes'),
    ...droppedTag(span, 'Events'),
    ...droppedTag(span, 'Links'),
    ...textTag('otlp.end_time_unix_nano', isClamped ? String(endNs) : ''),
    ...listOf(span, 'links').flatMap(linkTag),
  ]
  return {
    traceId: idOf(span['traceId'], 16),
    spanId: idOf(span['spanId'], 8),
    operationName: textOf(span['name']),
    references: referencesOf(span),
    flags: flags === undefined ? 0 : Number(modelOf(flags['value'])['intValue']),
    startNs,
    durationNs: !isClamped ? duration : duration < 0n ? -DURATION_MAX : DURATION_MAX,
    tags,
    logs: listOf(span, 'events').map((event) => ({
      timeNs: longOf(event['timeUnixNano']),
      fields: fieldsOf(event),
    })),
    process,
    processId: processId === undefined ? '' : textIn(processId)!,
    warnings: [],
  }
}

function isFlags(pair: Model): boolean {
  const value = modelOf(pair['value'])['intValue']
  return value !== undefined && BigInt(value as string) > 0n && BigInt(value as string) < 2n ** 32n
}

function fieldsOf(event: Model): ExpectedTag[] {
  const name = textOf(event['name'])
  const pairs = listOf(event, 'attributes')
  const isSaid = pairs.some((pair) => keyOf(pair) === 'event' && textIn(pair) === name)
  return [
    ...(isSaid ? [] : textTag('event', event['name'])),
    ...pairs.map(tagOf),
    ...droppedTag(event, 'Attributes'),
  ]
}

function referencesOf(span: Model): PlainReference[] {
  const traceId = idOf(span['traceId'], 16)
  const parentId = idOf(span['parentSpanId'], 8)
  const links = listOf(span, 'links').map(
    (link): PlainReference => ({
      type: typesOf(link).includes('child_of') ? 'child_of' : 'follows_from',
      traceId: idOf(link['traceId'], 16),
      spanId: idOf(link['spanId'], 8),
    }),
  )
  if (/^0*$/.test(parentId)) return links
  const near = links.filter((link) => link.traceId === traceId)
  const isFollowed = near.some(({ spanId }) => spanId === parentId)
  const type = isFollowed && near.every((link) => link.type === 'follows_from') ? 'follows_from' : 'child_of'
  const said = near.find((link) => link.spanId === parentId && link.type === type)
  return [{ type, traceId, spanId: parentId }, ...links.filter((link) => link !== said)]
}

/** Types of a reference that a link's attributes name, up to the first that is one. */
function typesOf(link: Model): string[] {
  const texts = listOf(link, 'attributes')
    .filter((pair) => keyOf(pair) === 'opentracing.ref_type')
    .map((pair) => textIn(pair) ?? '')
  return texts.filter((text) => text === 'child_of' || text === 'follows_from').slice(0, 1)
}

function linkTag(link: Model, number: number): ExpectedTag[] {
  const pairs = listOf(link, 'attributes')
  const state = textOf(link['traceState'])
  const dropped = Number(link['droppedAttributesCount'] ?? 0)
  if (state === '' && dropped === 0 && pairs.length === typesOf(link).length) return []
  const ids = `${idOf(link['traceId'], 16)}|${idOf(link['spanId'], 8)}`
  const text = new JsonText([`${ids}|${state}|`, ...objectPieces(pairs), `|${dropped}`])
  return [[`otlp.link.${number}`, text]]
}

function tagOf(pair: Model): ExpectedTag {
  const value = modelOf(pair['value'])
  return [keyOf(pair), plainValue(value)]
}

function plainValue(value: Model): unknown {
  if (value['stringValue'] !== undefined) return textOf(value['stringValue'])
  if (value['boolValue'] !== undefined) return value['boolValue']
  if (value['intValue'] !== undefined) return BigInt(value['intValue'] as string)
  if (value['doubleValue'] !== undefined) return doubleOf(value['doubleValue'])
  if (value['bytesValue'] !== undefined) return { bytes: bytesOf(value['bytesValue']).toString('hex') }
  if (value['arrayValue'] !== undefined || value['kvlistValue'] !== undefined)
    return new JsonText(jsonPieces(value))
  return ''
}

function jsonPieces(value: Model): (string | number)[] {
  if (value['arrayValue'] !== undefined) {
    const members = listOf(modelOf(value['arrayValue']), 'values').map(jsonPieces)
    return ['[', ...joined(members), ']']
  }
  if (value['kvlistValue'] !== undefined) return objectPieces(listOf(modelOf(value['kvlistValue']), 'values'))
  if (value['bytesValue'] !== undefined) return [`"${bytesOf(value['bytesValue']).toString('base64')}"`]
  const plain = plainValue(value)
  if (typeof plain === 'string') return [value['stringValue'] === undefined ? 'null' : quoted(plain)]
  if (typeof plain !== 'number') return [String(plain)]
  return [Number.isFinite(plain) ? plain : `"${plain}"`]
}

function objectPieces(pairs: readonly Model[]): (string | number)[] {
  const members = pairs.map((pair) => [`${quoted(keyOf(pair))}:`, ...jsonPieces(modelOf(pair['value']))])
  return ['{', ...joined(members), '}']
}

function joined(members: readonly (string | number)[][]): (string | number)[] {
  return members.flatMap((member, i) => (i === 0 ? member : [',', ...member]))
}

function quoted(text: string): string {
  const escaped = (one: string): string => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(text).replaceAll(/[<>&\u2028\u2029]/g, escaped)
}

function textTag(key: string, value: Value | undefined): ExpectedTag[] {
  const text = textOf(value)
  return text === '' ? [] : [[key, text]]
}

function droppedTag(having: Model, what: string): ExpectedTag[] {
  const count = Number(having[`dropped${what}Count`] ?? 0)
  return count === 0 ? [] : [[`otel.dropped_${what.toLowerCase()}_count`, BigInt(count)]]
}

function keyOf(pair: Model): string {
  return textOf(pair['key'])
}

function textIn(pair: Model): string | undefined {
  const value = modelOf(pair['value'])['stringValue']
  return value === undefined ? undefined : textOf(value)
}

function textOf(value: Value | undefined): string {
  return bytesOf(value).toString()
}

function idOf(value: Value | undefined, bytes: number): string {
  const id = bytesOf(value)
  return (id.length === 0 ? Buffer.alloc(bytes) : id).toString('hex')
}

function bytesOf(value: Value | undefined): Buffer {
  return Buffer.from(typeof value === 'string' ? value : '', 'latin1')
}

function longOf(value: Value | undefined): bigint {
  return BigInt((value as string | undefined) ?? 0)
}

function doubleOf(value: Value): number {
  const bits = Buffer.alloc(8)
  bits.writeBigUInt64LE(BigInt(value as string))
  return bits.readDoubleLE()
}

function modelOf(value: Value | undefined): Model {
  return typeof value === 'object' && !Array.isArray(value) ? value : {}
}
