import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import test from 'node:test'
import { type CorsPolicy, corsPolicy } from '../../../src/transport/cors.ts'

const settings = { headers: ['content-type', 'x-guid'], maxAgeSeconds: 600 }

function policy(...origins: string[]): CorsPolicy {
  return corsPolicy({ ...settings, origins })
}

/** `named`, `every` or `no`, as a browser would take the answer. */
function verdict(cors: CorsPolicy, origin: string | undefined): string {
  const headers = cors.headers(origin === undefined ? {} : { origin })
  assert.equal(headers['vary'], 'Origin')
  const allowed = headers['access-control-allow-origin']
  if (allowed === undefined) {
    assert.deepEqual(Object.keys(headers), ['vary'])
    return 'no'
  }
  assert.equal(allowed, origin)
  return headers['access-control-allow-credentials'] === 'true' ? 'named' : 'every'
}

test('an origin is allowed by its name, by a name below which it is, or by the star alone', () => {
  const cors = policy('https://app.example.com', 'https://*.example.org', 'http://*.dev.test:8080')
  const expected: readonly (readonly [string | undefined, string])[] = [
    ['https://app.example.com', 'named'],
    ['http://app.example.com', 'no'],
    ['https://app.example.com:8443', 'no'],
    ['https://app.example.com.evil.test', 'no'],
    ['https://a.example.org', 'named'],
    ['https://a.b.example.org', 'named'],
    ['https://example.org', 'no'],
    ['https://.example.org', 'no'],
    ['https://evil.test/.example.org', 'no'],
    ['https://evil.test:443.example.org', 'no'],
    ['https://user@x.example.org', 'no'],
    ['https://aexample.org', 'no'],
    ['https://*.example.org', 'no'],
    ['http://a.dev.test:8080', 'named'],
    ['http://a.dev.test', 'no'],
    ['https://app.example.com, https://app.example.com', 'no'],
    ['null', 'no'],
    ['*', 'no'],
    ['', 'no'],
    [undefined, 'no'],
  ]
  for (const [origin, allowed] of expected)
    assert.deepEqual([origin, verdict(cors, origin)], [origin, allowed])
})

test('the star alone lets no page send with the credentials of its user, unless the page is named too', () => {
  const cors = policy('*', 'https://app.example.com')
  assert.equal(verdict(cors, 'https://any.test'), 'every')
  assert.equal(verdict(cors, 'null'), 'every')
  assert.equal(verdict(cors, 'https://app.example.com'), 'named')
  assert.equal(verdict(cors, undefined), 'no')
})

test('only a preflight of an allowed origin is answered', () => {
  const cors = policy('https://app.example.com')
  const ask = (method: string, headers: Record<string, string>): number | undefined => {
    const request = new IncomingMessage(new Socket())
    Object.assign(request, { method })
    Object.assign(request.headers, headers)
    return cors.preflight(request)?.status
  }
  const origin = 'https://app.example.com'
  const asked = { 'access-control-request-method': 'POST' }
  assert.equal(ask('OPTIONS', { origin, ...asked }), 204)
  assert.equal(ask('POST', { origin, ...asked }), undefined)
  assert.equal(ask('OPTIONS', { origin }), undefined)
  assert.equal(ask('OPTIONS', asked), undefined)
  assert.equal(ask('OPTIONS', { origin: 'https://evil.test', ...asked }), undefined)
})
