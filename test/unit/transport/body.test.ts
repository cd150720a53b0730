import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import test from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { GuidepostError } from '../../../src/errors.ts'
import { Budget } from '../../../src/route/budget.ts'
import { admit, type Body, inflateZstd, readBody } from '../../../src/transport/body.ts'

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
  assert.equal(admit(incoming({ 'content-length': '60' }), 60, budget), undefined)
  assert.equal(admit(incoming(), 60, budget), undefined)
  assert.equal(codeOf(admit(incoming({ 'content-length': '61' }), 60, budget)), 'GP_BODY_TOO_LARGE')
  budget.take(50)
  assert.equal(codeOf(admit(incoming({ 'content-length': '60' }), 60, budget)), 'GP_OVERLOADED')
  assert.equal(budget.bytes, 50)
})

test('each chunk is charged when it comes, and given back once', async () => {
  const budget = new Budget(100)
  const request = incoming()
  const reading = readBody(request, 60, budget)
  request.push(Buffer.alloc(20))
  request.push(Buffer.alloc(10))
  request.push(null)
  const body = (await reading) as Body
  assert.deepEqual([body.bytes, body.chunks.length, budget.bytes], [30, 2, 30])
  body.release()
  body.release()
  request.emit('error', new Error('late'))
  assert.equal(budget.bytes, 0)
})

for (const [name, code, bytesMax, budgetBytes] of [
  ['too long', 'GP_BODY_TOO_LARGE', 25, 100],
  ['beyond the budget', 'GP_OVERLOADED', 60, 25],
] as const) {
  test(`a body that becomes ${name} is refused, and nothing stays charged`, async () => {
    const budget = new Budget(budgetBytes)
    const request = incoming()
    const reading = readBody(request, bytesMax, budget)
    request.push(Buffer.alloc(20))
    request.push(Buffer.alloc(20))
    assert.equal(codeOf(await reading), code)
    request.push(Buffer.alloc(20))
    assert.equal(budget.bytes, 0)
  })
}

test('a connection that ends in the body, or before it is read, is a reason to try again', async () => {
  const budget = new Budget(100)
  const request = incoming()
  const reading = readBody(request, 60, budget)
  request.push(Buffer.alloc(20))
  request.destroy()
  const refusal = await reading
  assert.equal(codeOf(refusal), 'GP_BODY_INCOMPLETE')
  assert.ok(refusal instanceof GuidepostError && refusal.canRetry)
  assert.equal(codeOf(await readBody(request, 60, budget)), 'GP_BODY_INCOMPLETE')
  assert.equal(budget.bytes, 0)
})

test('zstd is inflated from any chunks up to the bound, one frame and all of it', () => {
  const payload = Buffer.from('payload '.repeat(100))
  const frame = zstdCompressSync(payload)
  const inflated = inflateZstd([frame.subarray(0, 5), frame.subarray(5)], payload.length)
  assert.ok(Buffer.isBuffer(inflated) && inflated.equals(payload))
  assert.equal(codeOf(inflateZstd([frame], payload.length - 1)), 'GP_BODY_TOO_LARGE')
  assert.equal(codeOf(inflateZstd([frame, frame], 10_000)), 'GP_BODY_MALFORMED')
  assert.equal(codeOf(inflateZstd([frame.subarray(0, -1)], 10_000)), 'GP_BODY_MALFORMED')
  assert.equal(codeOf(inflateZstd([Buffer.alloc(0)], 10_000)), 'GP_BODY_MALFORMED')
})
