/**
 * The text of an attribute whose value is no string, as the Collector's `AsString` renders it: for the rare guid source
 * that holds a number, bytes, a list. Cold; reads only what the kernel has checked.
 *
 * opentelemetry-proto common/v1: KeyValue 1 key, 2 value (AnyValue). AnyValue, of which the last one set counts: 1 string,
 * 2 bool, 3 int64, 4 double, 5 ArrayValue, 6 KeyValueList, 7 bytes, 8 an index that only profiles have. ArrayValue and
 * KeyValueList: 1 values.
 */

/** Renders the value of `keyValue`, a KeyValue message; it borrows nothing. `undefined` when it has none. */
export function anyValueText(keyValue: Buffer): string | undefined {
  const { value } = readKeyValue(keyValue)
  switch (value?.kind) {
    case undefined:
      return undefined
    case 'string':
      return value.text
    case 'json':
      return value.text
    case 'bytes':
      return value.bytes.toString('base64')
    case 'array':
    case 'kvlist':
      return jsonOf(value)
  }
}

type Value =
  | { readonly kind: 'string' | 'json'; readonly text: string }
  | { readonly kind: 'bytes' | 'array' | 'kvlist'; readonly bytes: Buffer }

interface Entry {
  readonly key: string
  readonly value: Value | undefined
}

/** `value` may come in parts; they are read as one message, which is how protobuf merges them. */
function readKeyValue(bytes: Buffer): Entry {
  let key = ''
  const parts: Buffer[] = []
  for (const field of read(bytes)) {
    if (field.number === 1) key = field.bytes.toString()
    if (field.number === 2) parts.push(field.bytes)
  }
  return { key, value: readValue(Buffer.concat(parts)) }
}

function readValue(bytes: Buffer): Value | undefined {
  let value: Value | undefined
  for (const field of read(bytes)) {
    switch (field.number) {
      case 1:
        value = { kind: 'string', text: field.bytes.toString() }
        break
      case 2:
        value = { kind: 'json', text: field.varint === 0n ? 'false' : 'true' }
        break
      case 3:
        value = { kind: 'json', text: String(BigInt.asIntN(64, field.varint)) }
        break
      case 4:
        value = { kind: 'json', text: String(field.bytes.readDoubleLE()) }
        break
      case 5:
        value = merged('array', value, field.bytes)
        break
      case 6:
        value = merged('kvlist', value, field.bytes)
        break
      case 7:
        value = { kind: 'bytes', bytes: field.bytes }
        break
      case 8:
        value = undefined
        break
    }
  }
  return value
}

function merged(kind: 'array' | 'kvlist', before: Value | undefined, bytes: Buffer): Value {
  return { kind, bytes: before?.kind === kind ? Buffer.concat([before.bytes, bytes]) : bytes }
}

/** As Go's encoding/json writes it: keys sorted, the last of equal ones, `<`, `>` and `&` escaped. */
function jsonOf(value: Value | undefined): string {
  switch (value?.kind) {
    case undefined:
      return 'null'
    case 'json':
      // JSON has no NaN and no infinity.
      return /^(?:NaN|-?Infinity)$/.test(value.text) ? 'null' : value.text
    case 'string':
      return quoted(value.text)
    case 'bytes':
      return quoted(value.bytes.toString('base64'))
    case 'array':
      return `[${listed(value.bytes)
        .map((bytes) => jsonOf(readValue(bytes)))
        .join(',')}]`
    case 'kvlist': {
      const entries = new Map<string, Value | undefined>()
      for (const bytes of listed(value.bytes)) {
        const { key, value: held } = readKeyValue(bytes)
        entries.set(key, held)
      }
      const keys = [...entries.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      return `{${keys.map((key) => `${quoted(key)}:${jsonOf(entries.get(key))}`).join(',')}}`
    }
  }
}

/** The values of an ArrayValue or KeyValueList. */
function listed(list: Buffer): Buffer[] {
  return [...read(list)].filter(({ number }) => number === 1).map(({ bytes }) => bytes)
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[<>&\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** One field of a message; `bytes` is borrowed from the input and empty for a varint, `varint` is 0 for all others. */
export interface WireField {
  readonly number: number
  readonly bytes: Buffer
  readonly varint: bigint
}

/** The fields of a message that the kernel has checked. */
export function* read(message: Buffer): Generator<WireField> {
  const none = Buffer.alloc(0)
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    let shift = 0n
    for (;;) {
      const byte = message[at++] ?? 0
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
      shift += 7n
    }
  }
  while (at < message.length) {
    const tag = Number(varint())
    const number = Math.floor(tag / 8)
    const type = tag & 7
    if (type === 0) {
      yield { number, bytes: none, varint: varint() }
      continue
    }
    const length = type === 2 ? Number(varint()) : type === 1 ? 8 : 4
    const bytes = message.subarray(at, at + length)
    at += length
    yield { number, bytes, varint: 0n }
  }
}
