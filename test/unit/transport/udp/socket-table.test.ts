import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { dropsOf, findSocket, inodesOf } from '../../../../src/transport/udp/socket-table.mjs'

/** As Linux 6 prints it, lines padded to 127 characters. */
const table = [
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
  '  302: 0100007F:1AAF 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 26342 2 0000000000000000 17',
  '  302: 0200007F:1AAF 00000000:0000 07 00000000:00021300 00:00000000 00000000  1000        0 26343 2 0000000000000000 4294967295',
  ' 1303: 00000000:1AB0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 0',
  '',
]
  .map((line) => line.padEnd(127))
  .join('\n')

test('a table gives the inodes of a port and the drops of an inode', () => {
  assert.deepEqual(inodesOf(table, 6831), ['26342', '26343'])
  assert.deepEqual(inodesOf(table, 6832), ['99'])
  assert.deepEqual(inodesOf(table, 0x1a), [])
  assert.deepEqual(
    ['26342', '26343', '99', '9', ''].map((inode) => dropsOf(table, inode)),
    [17, 4294967295, 0, undefined, undefined],
  )
  assert.equal(dropsOf('', '99'), undefined)
})

test('a socket of this process is found by its port, when it is the only one there', async () => {
  if (process.platform !== 'linux') {
    assert.equal(findSocket(4, 6831), undefined)
    return
  }
  const first = createSocket('udp4').bind(0, '127.0.0.1')
  await once(first, 'listening')
  const { port } = first.address()
  const found = findSocket(4, port)
  assert.equal(found?.table, '/proc/net/udp')
  assert.equal(dropsOf(readFileSync(found.table, 'latin1'), found.inode), 0)
  assert.equal(findSocket(6, port), undefined)
  const second = createSocket('udp4').bind(port, '127.0.0.2')
  await once(second, 'listening')
  assert.equal(findSocket(4, port), undefined, 'which of the two?')
  first.close()
  second.close()
})
