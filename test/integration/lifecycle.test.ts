/** Start, reload and end of the program as its operator sees them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import test from 'node:test'
import { readLog, seriesOf } from '../support/bus-read.ts'
import { otlpPorts, portOf } from '../support/otlp-program.ts'
import { closeGrpcClients, sendOtlp } from '../support/otlp-send.ts'
import { Program } from '../support/program.ts'
import { Running, temporaryDirectory } from '../support/running.ts'
import { head, messageV1, post, RawSender, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'

const body = (guid: string, id: string): Buffer => snappy(messageV1(series(guid, id)))

async function idsOf(directory: string): Promise<Set<string>> {
  const labels = (await readLog(directory)).flatMap(seriesOf).flatMap((each) => each.labels)
  return new Set(labels.filter(([name]) => name === 'id').map(([, value]) => value))
}

function said(program: Program, text: RegExp): boolean {
  return program.logs.some((line) => text.test(JSON.stringify(line)))
}

/** Starts the program, which has to end by itself; what it said. */
async function failure(options: Parameters<typeof Program.start>[0]): Promise<string> {
  const startedMs = performance.now()
  try {
    const program = await Program.start(options)
    await program.kill()
  } catch (error) {
    assert.ok(performance.now() - startedMs < 10_000, 'it ended at once')
    return (error as Error).message
  }
  throw new Error('it started')
}

test('SIGTERM under load: what was answered 2xx is in the log, nothing else was promised, exit 0', async (context) => {
  const running = await Running.start(context)
  const acknowledged: string[] = []
  let isEnding = false
  const sender = async (number: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; ; i++) {
      const id = `s${number}-${i}`
      try {
        const reply = await post(running.port, body('team-a', id), { agent })
        if (reply.status === 204) acknowledged.push(id)
        else assert.deepEqual([isEnding, reply.status], [true, 503])
      } catch (error) {
        assert.ok(isEnding, `before the end: ${(error as Error).message}`)
        break
      }
    }
    agent.destroy()
  }
  // Connections that were opened and never used, or lie idle, do not hold up the end.
  const idle = await RawSender.connect(running.port)
  const used = await RawSender.connect(running.port)
  const senders = Promise.all(Array.from({ length: 16 }, (_, i) => sender(i)))
  await until('there is load', 10_000, () => acknowledged.length > 300)
  isEnding = true
  const startedMs = performance.now()
  assert.equal(await running.program.stop('SIGTERM', { inflight: 'left' }), 0)
  assert.ok(performance.now() - startedMs < 3000, 'a drain is short')
  await senders
  for (const socket of [idle, used]) socket.close()
  const stored = await idsOf(running.directory)
  assert.deepEqual(
    acknowledged.filter((id) => !stored.has(id)),
    [],
  )
  assert.ok(said(running.program, /drained; goodbye/))
})

test('while it drains it is not ready, and says why; a second signal hurries', async (context) => {
  const running = await Running.start(context)
  const slow = await RawSender.connect(running.port)
  slow.write(head({ 'content-length': 1000 }), 'begun')
  await until(
    'the request is under way',
    5000,
    async () => (await running.counter('guidepost_inflight_bytes')) > 0,
  )
  const over = running.program.stop('SIGTERM', { inflight: 'left' })
  const readyz = `http://127.0.0.1:${running.program.adminPort}/readyz`
  await until('it is not ready', 5000, async () => (await fetch(readyz)).status === 503)
  assert.match(await (await fetch(readyz)).text(), /draining/)
  assert.equal((await fetch(readyz.replace('readyz', 'healthz'))).status, 200, 'it lives')
  const startedMs = performance.now()
  process.kill(running.program.pid, 'SIGTERM')
  assert.equal(await over, 1, 'it was cut short')
  assert.ok(performance.now() - startedMs < 3000)
  assert.ok(said(running.program, /stopped before everything was drained/))
  slow.close()
})

test('SIGHUP: a good configuration changes the rules, a bad one keeps the old and says so', async (context) => {
  const directory = await temporaryDirectory(context)
  const config = path.join(directory, 'guidepost.yaml')
  await writeFile(config, 'guid:\n  from:\n    - constant: first\n')
  const running = await Running.start(context, { args: ['--config', config] })
  const guidOf = async (id: string): Promise<string | undefined> => {
    assert.equal((await post(running.port, body('label', id))).status, 204)
    return (await running.stored()).find((labels) => labels['id'] === id)?.['guid']
  }
  assert.equal(await guidOf('before'), 'first')
  await writeFile(config, 'guid:\n  from:\n    - constant: second\nlimits:\n  bodyBytes: 2KiB\n')
  process.kill(running.program.pid, 'SIGHUP')
  await until('it says so', 5000, () => said(running.program, /was reloaded/))
  assert.equal(await guidOf('after'), 'second')
  assert.equal((await post(running.port, Buffer.alloc(3000))).status, 413, 'limits too')

  await writeFile(config, 'guid:\n  fromm: 1\n  conflict: never\n')
  process.kill(running.program.pid, 'SIGHUP')
  await until('it says so', 5000, () => said(running.program, /has problems; the old one stays/))
  assert.ok(said(running.program, /guidepost\.yaml:2.*fromm/), 'with the place')
  assert.ok(said(running.program, /guidepost\.yaml:3.*conflict/), 'all of them')
  assert.equal(await guidOf('still'), 'second')

  await writeFile(config, 'guid:\n  from:\n    - constant: third\nmetrics:\n  guidsMax: 5\n')
  process.kill(running.program.pid, 'SIGHUP')
  await until('it says what needs a restart', 5000, () =>
    said(running.program, /keep their old configuration until a restart/),
  )
  assert.equal(await guidOf('last'), 'third')
  assert.equal(await running.program.stop(), 0)
})

test('a port that is taken, by the name of its option, exit 1', async (context) => {
  const directory = await temporaryDirectory(context)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  context.after(() => once(taken.close(), 'close'))
  const port = String((taken.address() as AddressInfo).port)
  for (const [name, option] of [
    ['GUIDEPOST_HTTP_PORT', /listeners\.http\.port/],
    ['GUIDEPOST_ADMIN_PORT', /admin\.port/],
  ] as const) {
    const text = await failure({ bus: `log:${directory}`, env: { [name]: port } })
    assert.match(text, /ended early \(1\)/)
    assert.match(text, /GP_PORT_TAKEN/)
    assert.match(text, option)
    assert.ok(text.includes(port) && !/\bat .*\.ts:/.test(text), text)
  }
})

test('a host that is not of this machine is a problem of the configuration, not a stack trace', async (context) => {
  const directory = await temporaryDirectory(context)
  const text = await failure({ bus: `log:${directory}`, env: { GUIDEPOST_HTTP_HOST: '192.0.2.1' } })
  assert.match(text, /ended early \(1\)/)
  assert.match(text, /GP_CONFIG.*192\.0\.2\.1.*listeners\.http\.host/)
  assert.ok(!/\bat .*\.ts:/.test(text), text)
})

test('a broken configuration: all problems at once, with their places, exit 1', async (context) => {
  const directory = await temporaryDirectory(context)
  const config = path.join(directory, 'guidepost.yaml')
  await writeFile(config, 'guidd: {}\nguid:\n  conflict: never\nlimits:\n  lingerMs: soon\n')
  const text = await failure({ bus: `log:${directory}`, args: ['--config', config] })
  assert.match(text, /ended early \(1\)/)
  for (const [line, what] of [
    [1, 'guidd'],
    [3, 'guid.conflict'],
    [5, 'limits.lingerMs'],
  ]) {
    assert.match(text, new RegExp(`guidepost\\.yaml:${line}:\\d+: ${what}`))
  }
})

test('a log that another gateway writes is refused, and free again when that one is gone', async (context) => {
  const running = await Running.start(context)
  const text = await failure({ bus: `log:${running.directory}` })
  assert.match(text, /ended early \(1\)/)
  assert.match(text, /GP_CONFIG/)
  assert.ok(text.includes(running.directory) && text.includes(String(running.program.pid)), text)
  assert.equal((await post(running.port, body('team-a', 'first'))).status, 204, 'the first goes on')
  assert.equal(await running.program.stop(), 0)
  const next = await Program.start({ bus: `log:${running.directory}` })
  context.after(() => next.end())
  assert.equal((await post(next.httpPort, body('team-a', 'second'))).status, 204)
  assert.deepEqual(await idsOf(running.directory), new Set(['first', 'second']))
  assert.equal(await next.stop(), 0)
})

test('with a bus that is away it does not say that it is ready', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const program = await Program.start({
    bus: `kafka://127.0.0.1:${port}`,
    env: otlpPorts,
    whenListening: true,
  })
  try {
    await until('it says how it stands', 10_000, () => said(program, /not ready: the bus is down/))
    assert.ok(!program.logs.some(({ msg }) => msg === 'ready'))
  } finally {
    await program.end()
  }
})

test('what a gRPC sender drops leaves a line in the log', async (context) => {
  const running = await Running.start(context, { env: { GUIDEPOST_LIMITS_MESSAGE_BYTES: '1024' } })
  try {
    const name = 'n'.repeat(2000)
    const message = { resourceSpans: [{ scopeSpans: [{ spans: [{ name }] }] }] }
    const reply = await sendOtlp(portOf(running.program, 'otlpGrpc'), 'grpc', 'traces', message)
    assert.equal(reply.grpcStatus, 8)
    await until('the log tells of it', 5000, () =>
      running.program.logs.some(
        ({ level, code, receiver, peer, msg }) =>
          level === 'warn' &&
          code === 'GP_BODY_TOO_LARGE' &&
          peer === '127.0.0.1' &&
          receiver === 'otlp_grpc' &&
          msg?.includes('limits.messageBytes') === true,
      ),
    )
  } finally {
    closeGrpcClients()
  }
})

test('a sender that asks for a path that is not served leaves a line in the log, a prober does not', async (context) => {
  const running = await Running.start(context)
  const url = `http://127.0.0.1:${running.port}/v1/logz?token=hush`
  for (const method of ['GET', 'POST']) {
    const reply = await fetch(url, { method })
    assert.equal(reply.status, 404)
    assert.match(await reply.text(), /^GP_PATH: nothing is served at \/v1\/logz; there is /)
  }
  await until('the log tells of it', 5000, () => said(running.program, /GP_PATH.*\/v1\/logz/))
  const lines = running.program.logs.filter(({ code }) => code === 'GP_PATH')
  assert.deepEqual(
    lines.map(({ level, receiver, peer }) => [level, receiver, peer]),
    [['warn', 'http', '127.0.0.1']],
  )
  assert.ok(!said(running.program, /hush/), 'what stands in a query may be a password')
  assert.equal(await running.refused('path'), 2)
})
