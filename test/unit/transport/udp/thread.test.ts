/** What several ports have of one thread. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test, { type TestContext } from 'node:test'
import type { Worker } from 'node:worker_threads'
import type { UdpListenerOptions } from '../../../../src/transport/udp/listener.ts'
import { startThread } from '../../../../src/transport/udp/thread.ts'
import { listenUdp, sendEach } from '../../../support/udp.ts'
import { until } from '../../../support/until.ts'

const WAIT_MS = 10_000

/** The readers' threads that are started from now on, and which of them have ended. */
function noteThreads(t: TestContext): { readonly started: Worker[]; readonly ended: Worker[] } {
  const [started, ended]: [Worker[], Worker[]] = [[], []]
  const note = (thread: Worker): void => {
    // A test file has a thread of its own that watches over its time.
    if (thread.threadName !== 'udp reader') return
    started.push(thread)
    thread.once('exit', () => ended.push(thread))
  }
  process.on('worker', note)
  t.after(() => process.off('worker', note))
  return { started, ended }
}

interface Port extends Awaited<ReturnType<typeof listenUdp>> {
  readonly seen: string[]
}

async function open(t: TestContext, options: Partial<UdpListenerOptions> = {}): Promise<Port> {
  const seen: string[] = []
  const port = await listenUdp(({ bytes }) => seen.push(bytes.toString()), options)
  t.after(() => port.listener.destroy())
  return { ...port, seen }
}

async function comes({ port, seen }: Port, text: string): Promise<void> {
  await until(`${text} came`, WAIT_MS, async () => {
    if (!seen.includes(text)) await sendEach(port, [Buffer.from(text)])
    return seen.includes(text)
  })
}

test('all ports are read by one thread, which ends with the last of them', async (t) => {
  const { started, ended } = noteThreads(t)
  const ports = await Promise.all([open(t), open(t), open(t)])
  assert.equal(new Set(ports.map(({ port }) => port)).size, 3)
  for (const [i, port] of ports.entries()) await comes(port, `to ${i}`)
  assert.deepEqual(
    ports.map(({ seen }) => new Set(seen)),
    [0, 1, 2].map((i) => new Set([`to ${i}`])),
    'each has its own',
  )
  await ports[0]!.listener.drain()
  ports[1]!.listener.destroy()
  await comes(ports[2]!, 'the others are closed')
  const fourth = await open(t)
  await comes(fourth, 'a later one')
  assert.equal(started.length, 1)
  assert.equal(ended.length, 0)
  await ports[2]!.listener.drain()
  fourth.listener.destroy()
  await until('it ended', WAIT_MS, () => ended.length === 1)

  const next = await open(t)
  await comes(next, 'by another thread')
  assert.equal(started.length, 2)
  await next.listener.drain()
  assert.deepEqual(
    [...ports, fourth, next].flatMap(({ failed }) => failed),
    [],
  )
})

test('a port that is taken is not opened, and the others are', async (t) => {
  const { started } = noteThreads(t)
  const first = await open(t)
  const [taken, free] = await Promise.allSettled([open(t, { port: first.port }), open(t)])
  assert.ok(taken.status === 'rejected' && taken.reason.code === 'GP_PORT_TAKEN')
  assert.ok(free.status === 'fulfilled')
  await comes(first, 'to the first')
  await comes(free.value, 'to the other')
  assert.equal(started.length, 1)
  await Promise.all([first.listener.drain(), free.value.listener.drain()])
})

test('when the thread dies each port is told, and another thread reads all of them', async (t) => {
  const { started, ended } = noteThreads(t)
  const ports = await Promise.all([open(t), open(t)])
  await started[0]!.terminate()
  await Promise.all(ports.map((port) => comes(port, 'after')))
  for (const { port, failed } of ports) {
    assert.equal(failed.length, 1)
    assert.match(String(failed[0]), new RegExp(`reads UDP port ${port} ended`))
  }
  assert.equal(started.length, 2)
  await Promise.all(ports.map(({ listener }) => listener.drain()))
  await until('it ended', WAIT_MS, () => ended.length === 2)
})

test('a drain ends when the thread dies in it, and what it had read is handed on', async (t) => {
  const { started } = noteThreads(t)
  let isOpen = false
  const { listener, port, seen, dropped, failed } = await open(t, { admits: () => isOpen })
  const other = await open(t)
  await sendEach(port, [Buffer.from('one'), Buffer.from('two')])
  await comes(other, 'this came later')
  const draining = listener.drain()
  const dying = started[0]!.terminate()
  other.listener.destroy()
  isOpen = true
  await Promise.all([draining, dying])
  assert.deepEqual(seen, ['one', 'two'])
  assert.equal(dropped.size, 0)
  assert.ok(failed.length <= 1)
})

test('a thread that is started ahead reads the first port, and ends with it', async (t) => {
  const { started, ended } = noteThreads(t)
  startThread()
  startThread()
  await until('it is started', WAIT_MS, () => started.length > 0)
  const port = await open(t)
  await comes(port, 'read')
  port.listener.destroy()
  await until('it ended', WAIT_MS, () => ended.length === 1)
  assert.equal(started.length, 1)
})

test('a thread that never gets a port keeps no process alive', () => {
  const url = new URL('../../../../src/transport/udp/thread.ts', import.meta.url).href
  const text = `import { startThread } from '${url}'; startThread()`
  const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    timeout: 60_000,
  })
  assert.deepEqual([status, signal], [0, null])
})
