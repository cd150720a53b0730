/** Random lists of Zipkin's spans: as JSON, and what they are in its binary forms. */
import { type Random, randomText } from './random.ts'
import { Repeated, type Spelled, type SpelledObject, spelledJson } from './spelled-json.ts'
import type { EndpointV2, SpanV2, ThriftStruct, ThriftValue } from './zipkin-read.ts'

interface Both<Form> {
  readonly json: SpelledObject
  readonly form: Form
}

export interface RandomList<Form> {
  readonly text: string
  readonly spans: readonly Form[]
}

type Mutable<Form> = { -readonly [Key in keyof Form]: Form[Key] }
type Json = Record<string, Spelled>

export function randomListV2(random: Random): RandomList<SpanV2> {
  return listOf(random, randomSpanV2)
}

export function randomListV1(random: Random): RandomList<ThriftStruct> {
  return listOf(random, randomSpanV1)
}

function listOf<Form>(random: Random, spanOf: (random: Random) => Both<Form>): RandomList<Form> {
  const count = random.oneIn(20) ? random.below(200) : random.below(4)
  const spans = Array.from({ length: count }, () => spanOf(random))
  const json = spelledJson(
    random,
    spans.map((span) => span.json),
  )
  const mark = random.oneIn(10) ? '\ufeff' : ''
  return { text: `${mark}${random.oneIn(5) ? ' \n' : ''}${json}`, spans: spans.map(({ form }) => form) }
}

function randomSpanV2(random: Random): Both<SpanV2> {
  const traceId = randomId(random, 32)
  const id = randomId(random, 16)
  const json: Json = { traceId: spelledId(random, traceId), id: spelledId(random, id) }
  const form: Mutable<SpanV2> = { traceId: padded(traceId), id: padded(id) }
  const has = (): boolean => maybe(random, json)
  if (has()) {
    const parentId = random.oneIn(6) ? '000' : randomId(random, 16)
    json['parentId'] = twice(random, 'abc', spelledId(random, parentId))
    if (!/^0+$/.test(parentId)) form.parentId = padded(parentId)
  }
  if (has()) {
    form.kind = random.pick(['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER'])
    json['kind'] = twice(random, 'CLIENT', random.oneIn(5) ? form.kind.toLowerCase() : form.kind)
  }
  if (has()) json['name'] = twice(random, 'other', setText(random, form, 'name'))
  if (has()) json['timestamp'] = twice(random, 7n, set(random, form, 'timestamp', false))
  if (has()) json['duration'] = twice(random, 7n, set(random, form, 'duration', false))
  for (const key of ['localEndpoint', 'remoteEndpoint'] as const) {
    if (!has()) continue
    const endpoint = randomEndpoint(random)
    form[key] = endpoint.form
    json[key] = twice(random, randomEndpoint(random).json, endpoint.json)
  }
  if (has()) {
    const annotations = Array.from({ length: random.below(4) }, () => {
      const made: { timestamp?: string; value?: string } = {}
      return {
        json: { timestamp: set(random, made, 'timestamp', false), value: setText(random, made, 'value') },
        form: made,
      }
    })
    json['annotations'] = cut(
      random,
      annotations.map((annotation) => annotation.json),
    )
    if (annotations.length > 0) form.annotations = annotations.map((annotation) => annotation.form)
  }
  if (has()) {
    const tags = Object.fromEntries(
      Array.from({ length: random.below(5) }, () => [randomKey(random), randomText(random)]),
    )
    const entries = Object.entries(tags)
    json['tags'] = new Map(entries.map(([key, value]) => [key, twice(random, 'other', value)]))
    if (Object.keys(tags).length > 0) form.tags = tags
  }
  for (const key of ['debug', 'shared'] as const) {
    if (!has()) continue
    const value = random.oneIn(2)
    json[key] = twice(random, !value, value)
    if (value) form[key] = true
  }
  return { json, form }
}

function randomEndpoint(random: Random): Both<EndpointV2> {
  const form: Mutable<EndpointV2> = {}
  const json: Json = {}
  const has = (): boolean => maybe(random, json)
  if (has()) json['serviceName'] = twice(random, 'other', setText(random, form, 'serviceName'))
  if (has()) {
    const bytes = randomBytes(random, 4)
    form.ipv4 = bytes.toString('hex')
    json['ipv4'] = twice(random, '9.9.9.9', bytes.join('.'))
  }
  if (has()) {
    const bytes = randomBytes(random, 16)
    if (random.oneIn(2)) bytes.fill(0, random.below(10), 8 + random.below(8))
    form.ipv6 = bytes.toString('hex')
    json['ipv6'] = twice(random, '::9', ipv6Text(random, bytes))
  }
  if (has()) {
    const port = random.pick([1, 80, 65_535, 1 + random.below(65_535)])
    form.port = port
    json['port'] = twice(random, 7n, BigInt(port))
  }
  return { json, form }
}

/** A member that is null now and then, and there in half of the other cases. */
function maybe(random: Random, json: Json): boolean {
  if (random.oneIn(20)) json['nothing'] = null
  return random.oneIn(2)
}

function twice(random: Random, overruled: Spelled, value: Spelled): Spelled {
  return random.oneIn(8) ? new Repeated(overruled, value) : value
}

/** A list in one piece, or in two under the same key. */
function cut(random: Random, list: readonly Spelled[]): Spelled {
  const at = random.below(list.length + 1)
  return random.oneIn(8) ? new Repeated(list.slice(0, at), list.slice(at)) : list
}

function setText<Key extends string>(random: Random, form: { [K in Key]?: string }, key: Key): string {
  const text = randomText(random)
  if (text !== '') form[key] = text
  return text
}

/** Sets it as the binary form has it: unsigned in version 2, where a negative integer is as its bits are. */
function set<Key extends string>(
  random: Random,
  form: { [K in Key]?: string },
  key: Key,
  isSigned: boolean,
): bigint {
  const value = randomInteger(random, isSigned)
  if (value !== 0n) form[key] = String(isSigned ? value : BigInt.asUintN(64, value))
  return value
}

function randomInteger(random: Random, isSigned: boolean): bigint {
  const some = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 1_472_470_996_199_000n]
  const bits = (BigInt(random.next()) << 32n) | BigInt(random.next())
  return random.pick([...some, isSigned ? BigInt.asIntN(64, bits) : bits])
}

function randomBytes(random: Random, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => (random.oneIn(4) ? 0 : random.below(256))))
}

/** Hexadecimal digits that are not all zero. */
function randomId(random: Random, digitsMax: number): string {
  const digits = random.pick([digitsMax, 16, 1 + random.below(digitsMax)])
  const text = Array.from({ length: digits }, () => random.below(16).toString(16)).join('')
  return /^0+$/.test(text) ? '1' : text
}

function spelledId(random: Random, id: string): string {
  return random.oneIn(4) ? id.toUpperCase() : id
}

function padded(id: string): string {
  return id.padStart(id.length > 16 ? 32 : 16, '0')
}

/** Written out, as the URL parser shortens it, or with its end as IPv4 has it. */
function ipv6Text(random: Random, bytes: Buffer): string {
  const groups = (end: number): string =>
    Array.from({ length: end / 2 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':')
  const long = groups(16)
  return random.pick([
    long,
    long.toUpperCase(),
    new URL(`http://[${long}]/`).hostname.slice(1, -1),
    `${groups(12)}:${bytes.subarray(12).join('.')}`,
  ])
}

function randomKey(random: Random): string {
  return random.pick(['http.path', 'guid', 'error', randomText(random)])
}

function randomSpanV1(random: Random): Both<ThriftStruct> {
  const traceId = randomId(random, 32)
  const id = randomId(random, 16)
  const json: Json = { traceId: spelledId(random, traceId), id: spelledId(random, id) }
  const form: Record<number, ThriftValue> = {
    1: signed(traceId.slice(-16)),
    12: signed(traceId.slice(0, -16)),
    4: signed(id),
  }
  const has = (): boolean => maybe(random, json)
  if (has()) {
    const parentId = random.oneIn(6) ? '000' : randomId(random, 16)
    form[5] = signed(parentId)
    json['parentId'] = twice(random, 'abc', spelledId(random, parentId))
  }
  if (has()) json['name'] = twice(random, 'other', thriftText(random, form, 3))
  if (has()) json['timestamp'] = twice(random, 7n, thriftInteger(random, form, 10))
  if (has()) json['duration'] = twice(random, 7n, thriftInteger(random, form, 11))
  if (has()) {
    form[9] = random.oneIn(2)
    json['debug'] = form[9]
  }
  const lists: readonly [string, number, (random: Random) => Both<ThriftStruct>][] = [
    ['annotations', 6, randomAnnotation],
    ['binaryAnnotations', 8, randomBinaryAnnotation],
  ]
  for (const [key, number, elementOf] of lists) {
    if (!has()) continue
    const elements = Array.from({ length: random.below(4) }, () => elementOf(random))
    form[number] = elements.map((element) => element.form)
    json[key] = cut(
      random,
      elements.map((element) => element.json),
    )
  }
  return { json, form }
}

function randomAnnotation(random: Random): Both<ThriftStruct> {
  const form: Record<number, ThriftValue> = {}
  const json: Json = { timestamp: thriftInteger(random, form, 1), value: thriftText(random, form, 2) }
  if (maybe(random, json)) json['endpoint'] = thriftEndpoint(random, form, 3)
  return { json, form }
}

function randomBinaryAnnotation(random: Random): Both<ThriftStruct> {
  const form: Record<number, ThriftValue> = {}
  const json: Json = { key: thriftText(random, form, 1) }
  const kind = random.below(3)
  if (kind === 0) json['value'] = thriftText(random, form, 2)
  else if (kind === 1) {
    json['value'] = random.oneIn(2)
    form[2] = Buffer.of(json['value'] ? 1 : 0)
  } else {
    const value = random.below(2 ** 31) - 2 ** 30 + random.pick([0, 0.5])
    const bytes = Buffer.alloc(8)
    if (Number.isInteger(value)) bytes.writeBigInt64BE(BigInt(value))
    else bytes.writeDoubleBE(value)
    form[2] = bytes
    json['value'] = value
  }
  form[3] = typeOf(json['value'])
  if (maybe(random, json)) json['endpoint'] = thriftEndpoint(random, form, 4)
  return { json, form }
}

/** Of AnnotationType. */
function typeOf(value: Spelled | undefined): number {
  if (typeof value === 'boolean') return 0
  if (typeof value === 'string') return 6
  return Number.isInteger(value) ? 4 : 5
}

function thriftEndpoint(random: Random, parent: Record<number, ThriftValue>, number: number): SpelledObject {
  const { json, form } = randomEndpoint(random)
  const struct: Record<number, ThriftValue> = {}
  if (form.ipv4 !== undefined) struct[1] = Buffer.from(form.ipv4, 'hex').readInt32BE()
  if (form.port !== undefined) struct[2] = (form.port << 16) >> 16
  if ('serviceName' in json) struct[3] = Buffer.from(form.serviceName ?? '')
  if (form.ipv6 !== undefined) struct[4] = Buffer.from(form.ipv6, 'hex')
  parent[number] = struct
  return json
}

function thriftText(random: Random, form: Record<number, ThriftValue>, number: number): string {
  const text = randomText(random)
  form[number] = Buffer.from(text)
  return text
}

function thriftInteger(random: Random, form: Record<number, ThriftValue>, number: number): bigint {
  const value = BigInt.asIntN(64, randomInteger(random, true))
  form[number] = String(value)
  return value
}

function signed(hex: string): string {
  return String(BigInt.asIntN(64, BigInt(`0x${hex === '' ? '0' : hex}`)))
}
