/** The tables of `messages.ts`, made ready for looking up a key by its bytes and for writing a field at once. */
import type { EnumNumbers, Field, Message, Scalar } from './messages.ts'

export interface CompiledField {
  readonly name: string
  /** Field number and wire type as they stand before the value; of the whole list when it is packed. */
  readonly tag: number
  readonly type: Scalar | 'enum' | 'message'
  readonly isRepeated: boolean
  /** The values of the list follow each other within one field. */
  readonly isPacked: boolean
  /** Of type `message`. */
  readonly message: CompiledMessage | undefined
  /** Of type `enum`. */
  readonly numbers: EnumNumbers | undefined
}

const wireTypes: Readonly<Record<CompiledField['type'], number>> = {
  bool: 0,
  int64: 0,
  uint64: 0,
  int32: 0,
  uint32: 0,
  sint32: 0,
  enum: 0,
  double: 1,
  fixed64: 1,
  sfixed64: 1,
  string: 2,
  hex: 2,
  bytes: 2,
  message: 2,
  fixed32: 5,
}

/** Bytes of the longest key of all messages; longer ones need not be looked up. */
export const keyBytesMax = 32

/** To be folded over the bytes of a key, from 0. */
export function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0
}

/** A message whose fields are found by either of their names. */
export class CompiledMessage {
  /** Open addressing, at most a quarter full. */
  readonly #names: (Buffer | undefined)[]
  readonly #fields: (CompiledField | undefined)[]
  readonly #mask: number

  constructor(message: Message, compiled: Map<Message, CompiledMessage>) {
    compiled.set(message, this)
    let size = 8
    while (size < message.fields.length * 8) size *= 2
    this.#names = Array.from({ length: size })
    this.#fields = Array.from({ length: size })
    this.#mask = size - 1
    for (const field of message.fields) {
      const ready = compileField(field, compiled)
      for (const name of new Set([field.name, field.protoName])) this.#add(Buffer.from(name), ready)
    }
  }

  /** The field whose key stands there; `hash` is the key's. */
  find(bytes: Buffer, from: number, to: number, hash: number): CompiledField | undefined {
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const name = this.#names[slot]
      if (name === undefined) return undefined
      if (isEqual(name, bytes, from, to)) return this.#fields[slot]
    }
  }

  #add(name: Buffer, field: CompiledField): void {
    if (name.length > keyBytesMax) throw new Error(`${name} is longer than keyBytesMax`)
    let slot = name.reduce(hashStep, 0) & this.#mask
    while (this.#names[slot] !== undefined) slot = (slot + 1) & this.#mask
    this.#names[slot] = name
    this.#fields[slot] = field
  }
}

/** The same messages give the same objects as long as `compiled` is the same map. */
export function compile(message: Message, compiled: Map<Message, CompiledMessage>): CompiledMessage {
  return compiled.get(message) ?? new CompiledMessage(message, compiled)
}

function compileField(field: Field, compiled: Map<Message, CompiledMessage>): CompiledField {
  const { name, number, type, isRepeated } = field
  const isMessage = typeof type === 'object' && 'fields' in type
  const numbers = typeof type === 'object' && !isMessage ? type : undefined
  const kind = typeof type === 'string' ? type : isMessage ? 'message' : 'enum'
  const isPacked = isRepeated && wireTypes[kind] !== 2
  return {
    name,
    tag: number * 8 + (isPacked ? 2 : wireTypes[kind]),
    type: kind,
    isRepeated,
    isPacked,
    message: isMessage ? compile(type, compiled) : undefined,
    numbers,
  }
}

function isEqual(name: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (to - from !== name.length) return false
  for (let index = 0; index < name.length; index++) if (name[index] !== bytes[from + index]) return false
  return true
}
