/**
 * h2spec against our HTTP/2: it passes all its cases but those that are named here. It knows RFC 7540; where RFC 9113
 * says otherwise, RFC 9113 is followed.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { limits } from '../../src/limits.ts'
import { h2specAvailable, runH2spec } from '../support/h2spec.ts'
import { Http2TestServer } from '../support/http2-server.ts'
import { requireReal } from '../support/real.ts'

const skip = await requireReal('h2spec', h2specAvailable)

/** Of one header value. Huffman's code makes 7 bits of each of its characters, and five of them go into one frame. */
const HEADER_BYTES = 15_500
assert.ok((5 * HEADER_BYTES * 7) / 8 > limits.grpcFrameBytesMax && HEADER_BYTES < limits.headerBytesMax - 500)

/** The cases that fail, with the reason. */
const DELIBERATE: Readonly<Record<string, string>> = {
  'http2/5.3.1: Sends HEADERS frame that depend on itself': 'priorities are deprecated (RFC 9113, 5.3.2)',
  'http2/5.3.1: Sends PRIORITY frame that depend on itself': 'priorities are deprecated (RFC 9113, 5.3.2)',
}
/** So that a report that cannot be read is not taken for success. */
const CASES = 145

test('h2spec finds what is deliberate and nothing else', { skip, timeout: 220_000 }, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'guidepost-h2spec-'))
  const server = new Http2TestServer()
  try {
    const result = await runH2spec(await server.listen(), folder, HEADER_BYTES)
    assert.deepEqual(result, { cases: CASES, skipped: 0, failed: Object.keys(DELIBERATE) })
    assert.deepEqual(server.seen.failed, [])
  } finally {
    server.close()
    await rm(folder, { recursive: true })
  }
})
