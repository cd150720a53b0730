/**
 * Thrift written value by value, so that a test may lie at any place: a count, a length, a type. Both protocols, after
 * apache/thrift doc/specs/thrift-binary-protocol.md and thrift-compact-protocol.md; nothing here is shared with `src/`.
 */

export type Protocol = 'binary' | 'compact'
export const protocols: readonly Protocol[] = ['binary', 'compact']

/** Codes of the types in the binary and in the compact protocol. */
export const codes = {
  bool: [2, 1],
  i8: [3, 3],
  double: [4, 7],
  i16: [6, 4],
  i32: [8, 5],
  i64: [10, 6],
  text: [11, 8],
  struct: [12, 12],
  map: [13, 11],
  set: [14, 10],
  list: [15, 9],
} as const
export type ThriftType = keyof typeof codes
export const thriftTypes = Object.keys(codes) as readonly ThriftType[]

export type Bytes = string | Uint8Array

function joined(parts: readonly Bytes[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)))
}

/** A varint of at least `bytesMin` bytes, which may be more than it needs. */
export function varint64(value: bigint, bytesMin = 1): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  while (rest > 127n || bytes.length < bytesMin - 1) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  return Buffer.from([...bytes, Number(rest)])
}

const zigzag = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))

export class ThriftBytes {
  readonly protocol: Protocol
  readonly #isCompact: boolean

  constructor(protocol: Protocol) {
    this.protocol = protocol
    this.#isCompact = protocol === 'compact'
  }

  code(type: ThriftType): number {
    return codes[type][this.#isCompact ? 1 : 0]
  }

  integer(bits: 16 | 32 | 64, value: bigint | number): Buffer {
    const signed = BigInt.asIntN(bits, BigInt(value))
    if (this.#isCompact) return varint64(zigzag(signed))
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(signed)
    return bytes.subarray(8 - bits / 8)
  }

  double(value: number): Buffer {
    const bytes = Buffer.alloc(8)
    if (this.#isCompact) bytes.writeDoubleLE(value)
    else bytes.writeDoubleBE(value)
    return bytes
  }

  /** `length` may lie. */
  text(value: Bytes, length: number = Buffer.byteLength(value)): Buffer {
    return joined([this.#size(length), value])
  }

  /** `count` and `type` may lie. */
  list(type: ThriftType | number, elements: readonly Bytes[], count: number = elements.length): Buffer {
    const code = typeof type === 'number' ? type : this.code(type)
    if (!this.#isCompact) return joined([Buffer.of(code), this.#size(count), ...elements])
    if (count >= 0 && count < 15) return joined([Buffer.of((count << 4) | code), ...elements])
    return joined([Buffer.of(0xf0 | code), this.#size(count), ...elements])
  }

  /** Keys and values take turns in `entries`. */
  map(key: ThriftType, value: ThriftType, entries: readonly Bytes[], count = entries.length / 2): Buffer {
    const [first, second] = [this.code(key), this.code(value)]
    if (!this.#isCompact) return joined([Buffer.of(first, second), this.#size(count), ...entries])
    if (count === 0) return Buffer.of(0)
    return joined([this.#size(count), Buffer.of((first << 4) | second), ...entries])
  }

  struct(...fields: readonly Bytes[]): Buffer {
    return joined([...fields, Buffer.of(0)])
  }

  /** In the compact protocol with its whole id, so that fields may stand in any order. Not for a bool there. */
  field(id: number, type: ThriftType | number, value: Bytes): Buffer {
    const code = typeof type === 'number' ? type : this.code(type)
    if (this.#isCompact) return joined([Buffer.of(code), varint64(zigzag(BigInt(id))), value])
    const head = Buffer.alloc(3)
    head[0] = code
    head.writeInt16BE(id, 1)
    return joined([head, value])
  }

  boolField(id: number, value: boolean): Buffer {
    if (this.#isCompact) return this.field(id, value ? 1 : 2, '')
    return this.field(id, 'bool', Buffer.of(value ? 1 : 0))
  }

  /** A field of that type with a value that is right in itself. */
  fieldOf(id: number, type: ThriftType): Buffer {
    return type === 'bool' ? this.boolField(id, true) : this.field(id, type, this.valueOf(type))
  }

  /** Such a value, as it stands in a list. */
  valueOf(type: ThriftType): Buffer {
    switch (type) {
      case 'bool':
      case 'i8':
        return Buffer.of(1)
      case 'double':
        return this.double(1.5)
      case 'i16':
        return this.integer(16, -3)
      case 'i32':
        return this.integer(32, 70_000)
      case 'i64':
        return this.integer(64, -(2n ** 40n))
      case 'text':
        return this.text('text')
      case 'struct':
        return this.struct(this.boolField(1, false), this.field(9, 'list', this.list('bool', [Buffer.of(1)])))
      case 'map':
        return this.map('text', 'i32', [this.text('key'), this.integer(32, 7)])
      case 'set':
      case 'list':
        return this.list('i16', [this.integer(16, 1), this.integer(16, 2)])
    }
  }

  /** A value that holds itself so many levels deep, and the type of the outermost. */
  nested(type: 'struct' | 'list' | 'set' | 'map', levels: number): Buffer {
    const innermost = this.valueOf(type)
    const [front, back] = this.#around(type)
    return joined([Buffer.alloc(front.length * levels, front), innermost, Buffer.alloc(back * levels)])
  }

  /** What stands before and how many zeros behind a value of the type within another one. */
  #around(type: 'struct' | 'list' | 'set' | 'map'): readonly [Buffer, number] {
    if (type === 'struct') return [this.field(1, 'struct', ''), 1]
    if (type !== 'map') return [this.list(type, [], 1), 0]
    return [this.map('bool', 'map', [Buffer.of(1)], 1), 0]
  }

  /** A message's envelope: strict or old (binary only), call (1) or oneway (4). */
  message(
    name: Bytes,
    args: Bytes,
    { isStrict = true, type = 4, nameBytes = Buffer.byteLength(name) } = {},
  ): Buffer {
    if (this.#isCompact) {
      return joined([Buffer.of(0x82, (type << 5) | 1), varint64(7n), this.#size(nameBytes), name, args])
    }
    const text = joined([this.#size(nameBytes), name])
    const number = Buffer.of(0, 0, 0, 7)
    if (isStrict) return joined([Buffer.of(0x80, 1, 0, type), text, number, args])
    return joined([text, Buffer.of(type), number, args])
  }

  #size(value: number): Buffer {
    if (this.#isCompact) return varint64(BigInt.asUintN(32, BigInt(value)))
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value | 0)
    return bytes
  }
}

// ---- Jaeger ------------------------------------------------------------------------------------------------------------------

/** The attribute by which a test knows its spans. */
const idKey = 'test.id'

/** A Tag of type string; `more` fields follow. */
export function thriftTag(w: ThriftBytes, key: Bytes, value: Bytes, ...more: readonly Bytes[]): Buffer {
  return w.struct(
    w.field(1, 'text', w.text(key)),
    w.field(2, 'i32', w.integer(32, 0)),
    w.field(3, 'text', w.text(value)),
    ...more,
  )
}

/** Fields of a Span, known by `id`, each of which a test may replace or leave out. */
export function spanFields(w: ThriftBytes, id: string, ...tags: readonly Bytes[]): Map<number, Buffer> {
  return new Map([
    [1, w.field(1, 'i64', w.integer(64, 77))],
    [2, w.field(2, 'i64', w.integer(64, 76))],
    [3, w.field(3, 'i64', w.integer(64, 78))],
    [4, w.field(4, 'i64', w.integer(64, 0))],
    [5, w.field(5, 'text', w.text('work'))],
    [7, w.field(7, 'i32', w.integer(32, 1))],
    [8, w.field(8, 'i64', w.integer(64, 1_700_000_000_000_005n))],
    [9, w.field(9, 'i64', w.integer(64, 1_000_000))],
    [10, w.field(10, 'list', w.list('struct', [thriftTag(w, idKey, id), ...tags]))],
  ])
}

export interface BatchParts {
  readonly id: string
  /** Fields of the process behind its name. */
  readonly processFields?: readonly Bytes[]
  /** Fields of the span behind its own, or in their place if they have the same key. */
  readonly span?: ReadonlyMap<number, Bytes>
  readonly spanTags?: readonly Bytes[]
  /** Fields of the batch before and behind its own. */
  readonly before?: readonly Bytes[]
  readonly behind?: readonly Bytes[]
}

/** A Batch of one span. */
export function thriftBatchOf(w: ThriftBytes, parts: BatchParts): Buffer {
  const { id, processFields = [], span = new Map(), spanTags = [], before = [], behind = [] } = parts
  const fields = new Map<number, Bytes>([...spanFields(w, id, ...spanTags), ...span])
  const process = w.struct(w.field(1, 'text', w.text('cart')), ...processFields)
  return w.struct(
    ...before,
    w.field(1, 'struct', process),
    w.field(2, 'list', w.list('struct', [w.struct(...fields.values())])),
    ...behind,
  )
}

/** Process.tags. */
export function processTags(w: ThriftBytes, ...tags: readonly Bytes[]): Buffer {
  return w.field(2, 'list', w.list('struct', tags))
}

/** A datagram of the agent with a Batch. */
export function emitBatch(w: ThriftBytes, batch: Bytes): Buffer {
  return w.message('emitBatch', w.struct(w.field(1, 'struct', batch)))
}

// ---- Zipkin's Thrift -----------------------------------------------------------------------------------------------------------

/** A BinaryAnnotation of type string. */
export function binaryAnnotation(w: ThriftBytes, key: Bytes, value: Bytes, type = 6): Buffer {
  return w.struct(
    w.field(1, 'text', w.text(key)),
    w.field(2, 'text', w.text(value)),
    w.field(3, 'i32', w.integer(32, type)),
  )
}

/** A list of one zipkincore.Span, known by `id`; `more` fields follow its own. */
export function coreList(
  w: ThriftBytes,
  id: string,
  annotations: readonly Bytes[] = [],
  ...more: readonly Bytes[]
): Buffer {
  const span = w.struct(
    w.field(1, 'i64', w.integer(64, 77)),
    w.field(3, 'text', w.text('work')),
    w.field(4, 'i64', w.integer(64, 78)),
    w.field(8, 'list', w.list('struct', [binaryAnnotation(w, idKey, id), ...annotations])),
    w.field(10, 'i64', w.integer(64, 1_700_000_000_000_005n)),
    w.field(11, 'i64', w.integer(64, 1_000_000)),
    ...more,
  )
  return w.list('struct', [span])
}

/** A datagram of the agent with a list of Zipkin's. */
export function emitZipkinBatch(w: ThriftBytes, list: Bytes): Buffer {
  return w.message('emitZipkinBatch', w.struct(w.field(1, 'list', list)))
}
