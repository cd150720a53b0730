import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { type Field, type Message, requests } from '../../../../src/wire/otlp-json/messages.ts'
import { otlpSignals } from '../../../support/proto.ts'
import { isHex, requestTypes } from '../../../support/random-otlp-json.ts'

for (const signal of otlpSignals) {
  test(`${signal}: the tables are those of the proto files`, () => {
    const seen = new Set<Message>()
    compare(requests[signal], requestTypes[signal], seen)
    assert.ok(seen.size > 8)
  })
}

function compare(message: Message, type: protobuf.Type, seen: Set<Message>): void {
  if (seen.has(message)) return
  seen.add(message)
  assert.equal(message.name, type.name)
  const numbers = (fields: readonly { readonly number: number }[]) =>
    fields.map(({ number }) => number).sort()
  assert.deepEqual(
    numbers(message.fields),
    numbers(type.fieldsArray.map(({ id }) => ({ number: id }))),
    message.name,
  )
  for (const field of message.fields) {
    const published = type.fieldsById[field.number]
    assert.ok(published, `${message.name}.${field.name}`)
    compareField(field, published, seen)
  }
}

function compareField(field: Field, published: protobuf.Field, seen: Set<Message>): void {
  const { type } = field
  const { resolvedType } = published
  assert.equal(field.protoName, published.name)
  assert.equal(field.name, protobuf.util.camelCase(published.name))
  assert.equal(field.isRepeated, published.repeated, field.name)
  if (typeof type === 'string') assert.equal(type, isHex(published) ? 'hex' : published.type, field.name)
  else if (resolvedType instanceof protobuf.Type && 'fields' in type) compare(type, resolvedType, seen)
  else if (resolvedType instanceof protobuf.Enum && !('fields' in type)) {
    assert.deepEqual(Object.fromEntries(type), { ...resolvedType.values })
  } else assert.fail(`${field.name} is of another kind`)
}
