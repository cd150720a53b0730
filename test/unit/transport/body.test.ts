import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import test from 'node:test'
import { GuidepostError } from '../../../src/errors.ts'
import { KiB } from '../../../src/limits.ts'
import { Budget } from '../../../src/route/budget.ts'
import { admit, type Body, readBody } from '../../../src/transport/body.ts'
import { claimOf } from '../../support/claim.ts'

function incoming(headers: Record<string, string> = {}): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  Object.assign(request.headers, headers)
  return request
}

function codeOf(result: Body | Buffer | GuidepostError | undefined): string | undefined {
  return result instanceof GuidepostError ? result.code : undefined
}

test('what is announced is judged, and costs nothing', () => {
  const budget = new Budget(100)
  assert.equal(admit(incoming({ 'content-length': '60' }), 60, claimOf(budget)), undefined)
  assert.equal(admit(incoming(), 60, claimOf(budget)), undefined)
  assert.equal(codeOf(admit(incoming({ 'content-length': '61' }), 60, claimOf(budget))), 'GP_BODY_TOO_LARGE')
  budget.take(50)
  assert.equal(codeOf(admit(incoming({ 'content-length': '60' }), 60, claimOf(budget))), 'GP_OVERLOADED')
  assert.equal(budget.bytes, 50)
})

test('each chunk is charged when it comes, and given back once', async () => {
  const budget = new Budget(100 * KiB)
  const request = incoming()
  const reading = readBody(request, 60 * KiB, claimOf(budget))
  request.push(Buffer.alloc(20 * KiB))
  request.push(Buffer.alloc(10 * KiB))
  request.push(null)
  const body = (await reading) as Body
  assert.deepEqual([body.bytes, body.chunks.length, budget.bytes], [30 * KiB, 2, 30 * KiB])
  body.release()
  body.release()
  assert.equal(body.chunks.length, 0, 'whoever still holds the body holds no bytes')
  request.emit('error', new Error('late'))
  assert.equal(budget.bytes, 0)
})

test('a body in crumbs takes little more memory than its bytes, in their order', async () => {
  const budget = new Budget(2 ** 20)
  const request = incoming()
  const reading = readBody(request, 2 ** 20, claimOf(budget))
  const whole = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 251))
  let peak = 0
  for (let i = 0; i < whole.length; i++) {
    request.push(whole.subarray(i, i + 1))
    if (i === 30_000) request.push(Buffer.alloc(8 * KiB, 7))
    if (i % 1000 === 0) await new Promise(setImmediate)
    peak = Math.max(peak, budget.bytes)
  }
  request.push(null)
  const body = (await reading) as Body
  const expected = Buffer.concat([
    whole.subarray(0, 30_001),
    Buffer.alloc(8 * KiB, 7),
    whole.subarray(30_001),
  ])
  assert.ok(Buffer.concat(body.chunks).equals(expected))
  assert.ok(body.chunks.length < 10, `${body.chunks.length} chunks`)
  assert.ok(peak < 1.5 * expected.length, `${peak} bytes were charged`)
  body.release()
  assert.equal(budget.bytes, 0)
})

for (const [name, code, bytesMax, budgetBytes] of [
  ['too long', 'GP_BODY_TOO_LARGE', 25 * KiB, 100 * KiB],
  ['beyond the budget', 'GP_OVERLOADED', 60 * KiB, 25 * KiB],
] as const) {
  test(`a body that becomes ${name} is refused, and nothing stays charged`, async () => {
    const budget = new Budget(budgetBytes)
    const request = incoming()
    const reading = readBody(request, bytesMax, claimOf(budget))
    request.push(Buffer.alloc(20 * KiB))
    request.push(Buffer.alloc(20 * KiB))
    assert.equal(codeOf(await reading), code)
    request.push(Buffer.alloc(20 * KiB))
    assert.equal(budget.bytes, 0)
  })
}

test('a connection that ends in the body, or before it is read, is a reason to try again', async () => {
  const budget = new Budget(100 * KiB)
  const request = incoming()
  const reading = readBody(request, 60 * KiB, claimOf(budget))
  request.push(Buffer.alloc(20 * KiB))
  request.destroy()
  const refusal = await reading
  assert.equal(codeOf(refusal), 'GP_BODY_INCOMPLETE')
  assert.ok(refusal instanceof GuidepostError && refusal.canRetry)
  assert.equal(codeOf(await readBody(request, 60 * KiB, claimOf(budget))), 'GP_BODY_INCOMPLETE')
  assert.equal(budget.bytes, 0)
})
