/** The tables of `messages.ts`, made ready for looking up a key by its bytes and for writing a field at once. */
import { KeyTable } from '../json/keys.ts'
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

/** A message whose fields are found by either of their names. */
export class CompiledMessage {
  readonly keys: KeyTable<CompiledField>

  constructor(message: Message, compiled: Map<Message, CompiledMessage>) {
    compiled.set(message, this)
    this.keys = new KeyTable(
      message.fields.flatMap((field) => {
        const ready = compileField(field, compiled)
        return [...new Set([field.name, field.protoName])].map((name) => [name, ready] as const)
      }),
    )
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
