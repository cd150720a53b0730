import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import { GuidepostError } from '../../../../src/errors.ts'
import { Budget } from '../../../../src/route/budget.ts'
import { framed, MessageReader } from '../../../../src/transport/grpc/frames.ts'
import { claimOf } from '../../../support/claim.ts'

const notLost = (): void => assert.fail('nothing is slow here')

const rules = { bytesMax: 1_000_000, mayBeCompressed: true }

function prefix(flag: number, length: number): Buffer {
  const bytes = Buffer.of(flag, 0, 0, 0, 0)
  bytes.writeUInt32BE(length, 1)
  return bytes
}

test('however the bytes are cut, the messages come out as they went in', () => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
  const messages = fc.array(fc.uint8Array({ maxLength: 20_000 }), { minLength: 1, maxLength: 4 })
  const cuts = fc.array(fc.nat(70_000), { maxLength: 20 })
  const property = fc.property(messages, cuts, (sent, places) => {
    const budget = new Budget(10_000_000)
    const stream = Buffer.concat(sent.map((message) => framed(Buffer.from(message))))
    const edges = [0, ...places.map((at) => at % (stream.length + 1)).sort((a, b) => a - b), stream.length]
    const received: Buffer[] = []
    let reader = new MessageReader(rules, claimOf(budget), notLost)
    for (const [i, from] of edges.slice(0, -1).entries()) {
      const chunk = stream.subarray(from, edges[i + 1])
      for (let at = 0; at < chunk.length; ) {
        const end = reader.read(chunk, at, chunk.length)
        assert.ok(typeof end === 'number' && end > at)
        at = end
        if (!reader.isComplete) continue
        received.push(Buffer.concat(reader.body.chunks))
        reader.body.release()
        reader = new MessageReader(rules, claimOf(budget), notLost)
      }
    }
    assert.ok(reader.isEmpty)
    assert.equal(budget.bytes, 0)
    assert.equal(received.length, sent.length)
    for (const [i, message] of received.entries()) assert.ok(message.equals(sent[i]!))
  })
  fc.assert(property, { seed, numRuns: 200, interruptAfterTimeLimit: 5000 })
})

test('a message is judged by its prefix, before anything of it is kept', () => {
  const judged = (bytes: Buffer, options: Partial<typeof rules> = {}, budgetBytes = 1_000_000): string => {
    const budget = new Budget(budgetBytes)
    const reader = new MessageReader({ ...rules, ...options }, claimOf(budget), notLost)
    const message = Buffer.concat([bytes, randomBytes(100)])
    const result = reader.read(message, 0, message.length)
    if (!(result instanceof GuidepostError)) return 'taken'
    assert.equal(budget.bytes, 0)
    return `${result.code} ${result.canRetry ? 'retry' : ''}`.trim()
  }
  assert.equal(judged(prefix(0, 1_000_000)), 'taken')
  assert.equal(judged(prefix(0, 1_000_001)), 'GP_BODY_TOO_LARGE')
  assert.equal(judged(prefix(0, 0xffffffff)), 'GP_BODY_TOO_LARGE')
  assert.equal(judged(prefix(1, 100)), 'taken')
  assert.equal(judged(prefix(1, 100), { mayBeCompressed: false }), 'GP_BODY_MALFORMED')
  assert.equal(judged(prefix(2, 100)), 'GP_BODY_MALFORMED')
  assert.equal(judged(prefix(0, 100), {}, 99), 'GP_OVERLOADED retry')
})

test('only what arrives is charged, and a small part does not hold the buffer that it came in', () => {
  const budget = new Budget(1_000_000)
  const reader = new MessageReader(rules, claimOf(budget), notLost)
  const received = Buffer.concat([prefix(0, 10), Buffer.alloc(10, 7), Buffer.alloc(60_000)])
  assert.equal(reader.read(received, 0, received.length), 15)
  assert.equal(budget.bytes, 10)
  reader.body.compact()
  assert.equal(reader.body.chunks[0]?.buffer.byteLength, 10)
  assert.deepEqual(reader.body.chunks, [Buffer.alloc(10, 7)])
  const announced = new MessageReader(rules, claimOf(budget), notLost)
  announced.read(prefix(0, 900_000), 0, 5)
  assert.equal(budget.bytes, 10)
})
