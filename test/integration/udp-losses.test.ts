/** Datagrams that are lost before anybody reads them leave a line in the log, since no sender can be told. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Program } from '../support/program.ts'
import { spanPort } from '../support/span-program.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 10_000

/** Many times of what a socket's buffer takes. */
const BURST = 1_000
const isLinux = process.platform === 'linux'

test('a burst that the system drops is told of, an empty datagram is not', {
  skip: !isLinux && 'only Linux tells',
}, async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'guidepost-losses-'))
  const program = await Program.start({ bus: `log:${folder}` })
  const socket = createSocket('udp4')
  try {
    const port = spanPort({ program }, 'jaegerCompact')
    const send = (bytes: number): Promise<void> =>
      new Promise((resolve, reject) => {
        socket.send(Buffer.alloc(bytes), port, '127.0.0.1', (error) => (error ? reject(error) : resolve()))
      })
    const refused = async (reason: string): Promise<number> =>
      (await program.metrics())
        .filter(
          ({ name, labels }) => name === 'guidepost_refused_requests_total' && labels['reason'] === reason,
        )
        .reduce((sum, { value }) => sum + value, 0)
    await send(0)
    await until('the empty one is counted', WAIT_MS, async () => (await refused('empty')) === 1)
    process.kill(program.pid, 'SIGSTOP')
    for (let i = 0; i < BURST; i++) await send(60_000)
    process.kill(program.pid, 'SIGCONT')
    await until('the others are counted', WAIT_MS, async () => (await refused('kernel')) > 0)
    const told = () => program.logs.filter(({ msg }) => msg?.startsWith('datagrams were lost'))
    await until('it is told', WAIT_MS, () => told().length > 0)
    assert.deepEqual([...new Set(told().map(({ reason }) => reason))], ['kernel'])
    const { level, listener, datagrams, msg } = told()[0]!
    assert.deepEqual({ level, listener }, { level: 'warn', listener: 'jaeger_compact' })
    assert.ok(Number(datagrams) > 0)
    assert.match(String(msg), /net\.core\.rmem_max/)
  } finally {
    socket.close()
    await program.stop()
    await rm(folder, { recursive: true })
  }
})
