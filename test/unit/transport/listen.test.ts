import assert from 'node:assert/strict'
import dns from 'node:dns/promises'
import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import { type AddressInfo, createServer, type Server } from 'node:net'
import test, { type TestContext } from 'node:test'
import { listenOn } from '../../../src/transport/listen.ts'

/** Of TEST-NET-1 (RFC 5737): no machine has it. */
const NOBODYS = '192.0.2.1'

/** `localhost` has these addresses for as long as the test runs. */
function nameLocalhost(t: TestContext, addresses: readonly string[]): void {
  const found = addresses.map((address) => ({ address, family: 4 }))
  const { mock } = t.mock.method(dns, 'lookup', () => Promise.resolve(found))
  syncBuiltinESMExports()
  t.after(() => {
    mock.restore()
    syncBuiltinESMExports()
  })
}

/** Listens on `localhost`; the addresses that are open, and what it came to. */
async function listen(t: TestContext, port = 0): Promise<{ open: string[]; port: number; code: unknown }> {
  const servers: Server[] = []
  t.after(() => {
    for (const server of servers) server.close()
  })
  const place = { host: 'localhost', port, block: 'admin' }
  const outcome = await listenOn(place, createServer, (server) => servers.push(server)).then(
    (got) => ({ port: got, code: undefined }),
    (error: { code: unknown }) => ({ port: 0, code: error.code }),
  )
  const open = servers.flatMap((server) => (server.address() as AddressInfo | null)?.address ?? [])
  return { open, ...outcome }
}

test('each address of localhost is listened on, with one port', async (t) => {
  nameLocalhost(t, ['127.0.0.1', '127.0.0.2'])
  const { open, port } = await listen(t)
  assert.deepEqual(open, ['127.0.0.1', '127.0.0.2'])
  assert.ok(port > 0)
})

test('an address that the machine does not have is passed over, wherever it stands', async (t) => {
  for (const addresses of [
    ['127.0.0.1', NOBODYS],
    [NOBODYS, '127.0.0.1'],
  ]) {
    nameLocalhost(t, addresses)
    const { open, port } = await listen(t)
    assert.deepEqual(open, ['127.0.0.1'])
    assert.ok(port > 0)
  }
})

test('without any address, or with a port that is taken on one of them, it fails', async (t) => {
  nameLocalhost(t, [NOBODYS])
  assert.equal((await listen(t)).code, 'GP_CONFIG')
  const other = createServer().listen(0, '127.0.0.2')
  t.after(() => other.close())
  await once(other, 'listening')
  nameLocalhost(t, ['127.0.0.1', '127.0.0.2'])
  const { code } = await listen(t, (other.address() as AddressInfo).port)
  assert.equal(code, 'GP_PORT_TAKEN')
})
