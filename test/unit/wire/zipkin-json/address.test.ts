import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import { putAddress } from '../../../../src/wire/zipkin-json/address.ts'

/** In hexadecimal, empty when the text is no address. It stands between other bytes. */
function address(text: string): string {
  const bytes = Buffer.from(`1${text}2`)
  const target = Buffer.alloc(16, 0xaa)
  const count = putAddress(bytes, 1, bytes.length - 1, target)
  return target.toString('hex', 0, count)
}

test('addresses of both kinds become their bytes', () => {
  const cases: Record<string, string> = {
    '1.2.3.4': '01020304',
    '255.0.0.255': 'ff0000ff',
    '010.001.08.9': '0a010809',
    '::': '00000000000000000000000000000000',
    '::1': '00000000000000000000000000000001',
    '1::': '00010000000000000000000000000000',
    '2001:db8::C001': '20010db800000000000000000000c001',
    '2001:0db8:0000:0:0:0:0:c001': '20010db800000000000000000000c001',
    '1:2:3:4:5:6:7::': '00010002000300040005000600070000',
    '::2:3:4:5:6:7:8': '00000002000300040005000600070008',
    '::ffff:1.2.3.4': '00000000000000000000ffff01020304',
    '1:2:3:4:5:6:1.2.3.4': '00010002000300040005000601020304',
    '64:ff9b::192.0.2.33': '0064ff9b0000000000000000c0000221',
  }
  for (const [text, hex] of Object.entries(cases)) assert.equal(address(text), hex, text)
})

const wrong =
  '1 1.2.3 1.2.3.4.5 1.2.3.256 1.2.3.1000 1..3.4 .1.2.3.4 1.2.3.4. 1.2.3.x localhost : ::: 1: :1 1::2::3 1:2:3:4:5:6:7 ' +
  '1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:8:: ::1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:1.2.3.4 12345::1 g::1 ::1.2.3 ::1.2.3.4:5 fe80::1%eth0 1.2.3.4:80'

test('what is no address has no bytes, and node:net thinks so too', () => {
  for (const text of ['', ...wrong.split(' ')]) {
    assert.equal(address(text), '', text)
    // Node takes a zone.
    if (!text.includes('%')) assert.equal(isIP(text), 0, text)
  }
})
