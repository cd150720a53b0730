import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import { compressNow, compressSoon, type Reach } from '../../../src/bus/zstd.ts'
import { KiB } from '../../../src/limits.ts'

const reaches: readonly Reach[] = ['near', 'far']
const sizes = [1, 2, 100, 32 * KiB, 64 * KiB - 64, 128 * KiB, 128 * KiB + 1, 256 * KiB + 1, 900 * KiB]

function texts(bytes: number): Buffer {
  let text = ''
  for (let n = 0; text.length < bytes; n++) text += `http.route=/cart/${n * 7919};service=checkout-${n % 10};`
  return Buffer.from(text.slice(0, bytes))
}

for (const reach of reaches) {
  test(`${reach}: what was given comes out again, in one piece whatever it holds`, async () => {
    for (const bytes of sizes) {
      for (const data of [randomBytes(bytes), texts(bytes), Buffer.alloc(bytes)]) {
        const before = Buffer.from(data)
        for (const result of [compressNow(data, reach), await compressSoon(data, reach)]) {
          assert.ok(zstdDecompressSync(result).equals(before), `${bytes} bytes`)
          assert.ok(data.equals(before))
        }
      }
    }
  })

  test(`${reach}: a result holds no memory but its own`, async () => {
    const data = texts(900 * KiB)
    for (const result of [compressNow(data, reach), await compressSoon(data, reach)]) {
      assert.ok(result.length < data.length / 4)
      assert.equal(result.buffer.byteLength, result.length)
    }
  })
}

test('a result is not written to by the next call', () => {
  for (const bytes of [100, 900 * KiB]) {
    const first = texts(bytes)
    const result = compressNow(first, 'near')
    for (let n = 0; n < 5; n++) compressNow(randomBytes(bytes), 'near')
    assert.ok(zstdDecompressSync(result).equals(first))
  }
})

test('far finds again what lies more than 256 KiB back, near does not', () => {
  const block = randomBytes(64 * KiB)
  const data = Buffer.concat([block, texts(300 * KiB), block])
  const [near, far] = reaches.map((reach) => compressNow(data, reach).length)
  assert.ok(far! < near! - 32 * KiB, `${far} and ${near}`)
})
