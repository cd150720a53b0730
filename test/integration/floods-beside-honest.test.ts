/**
 * Bombs and floods while honest senders go on at a modest pace, over remote write, OTLP gRPC and Jaeger's UDP: nothing of
 * theirs is lost, refused for good or late. Late is measured against what they waited in the same run when all was quiet.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Agent } from 'node:http'
import test, { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seriesOf } from '../support/bus-read.ts'
import type { FloodKey } from '../support/flood.ts'
import { encodeOtlp, itemsOfRecord } from '../support/otlp-items.ts'
import { portOf } from '../support/otlp-program.ts'
import { RawGrpc } from '../support/otlp-raw-grpc.ts'
import { exportRequest, grpcPath } from '../support/otlp-send.ts'
import { Running } from '../support/running.ts'
import { messageV1, peakBytes, post, series, snappy } from '../support/senders.ts'
import { spanPort } from '../support/span-program.ts'
import { agentMessage } from '../support/span-thrift.ts'
import { until } from '../support/until.ts'

const floodMs = 4_000
const pauseMs = 20
/**
 * What counts as quiet at least: below it, a shared machine's scheduler says more than the gateway. The second figure is
 * for floods whose single requests keep the gateway's thread for a tenth of a second.
 */
const quietMsMin = 50
const quietMsMinOfTurns = 150
const memoryBytes = 1024 ** 3

const floods: readonly (readonly [FloodKey, number])[] = [
  ['bombs', quietMsMin],
  ['halfSent', quietMsMin],
  ['longJson', quietMsMinOfTurns],
  ['manyGuids', quietMsMinOfTurns],
  ['deep', quietMsMin],
  ['resets', quietMsMin],
  ['datagrams', quietMsMin],
  ['connections', quietMsMin],
]

const running = await Running.start(
  { after },
  { env: { GUIDEPOST_LIMITS_MEMORY_BYTES: `${memoryBytes}`, GUIDEPOST_LIMITS_REQUEST_MS: '30000' } },
)
const ports = {
  http: running.port,
  otlpGrpc: portOf(running.program, 'otlpGrpc'),
  jaegerBinary: spanPort(running, 'jaegerBinary'),
}
const compactPort = spanPort(running, 'jaegerCompact')

/** What the honest senders saw. */
class Honest {
  readonly ids: string[] = []
  readonly waitsMs: number[] = []
  /** Answers that asked for a repeat, each of which was done. */
  repeats = 0
  readonly #name: string
  readonly #agent = new Agent({ keepAlive: true })
  #isOver = false

  constructor(name: string) {
    this.#name = name
  }

  /** Sends until `work` is done, and returns what was acknowledged. */
  async during(work: Promise<unknown>): Promise<void> {
    const grpc = await RawGrpc.connect(ports.otlpGrpc)
    const senders = [this.#overHttp(), this.#overGrpc(grpc), this.#overUdp()]
    try {
      await work
    } finally {
      this.#isOver = true
      await Promise.all(senders)
      this.#agent.destroy()
      await grpc.close()
    }
  }

  get p99Ms(): number {
    const sorted = this.waitsMs.toSorted((a, b) => a - b)
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0
  }

  /** Sends one item until it is acknowledged; the wait is that of all tries. */
  async #send(id: string, once: () => Promise<'taken' | 'again'>): Promise<void> {
    const startedMs = performance.now()
    while ((await once()) === 'again') {
      this.repeats++
      await sleep(pauseMs)
    }
    this.waitsMs.push(performance.now() - startedMs)
    this.ids.push(id)
  }

  async #overHttp(): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const id = `${this.#name} http ${i}`
      const body = snappy(messageV1(series('honest', id)))
      await this.#send(id, async () => {
        const { status, text } = await post(ports.http, body, { agent: this.#agent })
        assert.ok(status === 204 || status === 503, `${status} ${text}`)
        return status === 204 ? 'taken' : 'again'
      })
      await sleep(pauseMs)
    }
  }

  async #overGrpc(grpc: RawGrpc): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const id = `${this.#name} grpc ${i}`
      const body = encodeOtlp(
        'traces',
        exportRequest('traces', { attributes: { guid: 'honest' }, ids: [id] }),
      )
      await this.#send(id, async () => {
        const { grpcStatus, message } = await grpc.call(grpcPath('traces'), body)
        assert.ok(grpcStatus === 0 || grpcStatus === 14, `${grpcStatus} ${message}`)
        return grpcStatus === 0 ? 'taken' : 'again'
      })
      await sleep(pauseMs)
    }
  }

  /** Nothing is answered, so all that was sent has to be there in the end. */
  async #overUdp(): Promise<void> {
    const socket = createSocket('udp4')
    const process = { serviceName: 'honest', tags: { hostname: 'honest' } }
    for (let i = 0; !this.#isOver; i++) {
      const id = `${this.#name} udp ${i}`
      const datagram = agentMessage('compact', process, [{ operationName: id, tags: {} }])
      await new Promise((resolve) => socket.send(datagram, compactPort, '127.0.0.1', resolve))
      this.ids.push(id)
      await sleep(pauseMs)
    }
    socket.close()
  }

  /** Each id is in the log once. */
  async assertStored(): Promise<void> {
    let missing: string[] = []
    await until('everything honest is stored', 20_000, async () => {
      const stored = new Set(await honestIds())
      missing = this.ids.filter((id) => !stored.has(id))
      return missing.length === 0
    }).catch(() => assert.deepEqual(missing, [], 'nothing of it is lost'))
  }
}

async function honestIds(): Promise<string[]> {
  const records = (await running.records()).filter(({ key }) => key === 'honest')
  return records.flatMap((record) =>
    record.topic === 'prometheus_metrics'
      ? seriesOf(record).flatMap(({ labels }) => labels.filter(([name]) => name === 'id').map(([, id]) => id))
      : itemsOfRecord(record).map(({ id }) => id),
  )
}

/** Floods in a child for a while; how much it was. */
async function flooded(names: readonly FloodKey[], ms: number): Promise<number> {
  const file = new URL('../support/flood.ts', import.meta.url)
  const child = fork(file, [JSON.stringify({ names, ports })], { execArgv: [], stdio: 'inherit' })
  const exited = once(child, 'exit')
  try {
    await once(child, 'message')
    await sleep(ms)
    const said = once(child, 'message')
    child.send('stop')
    const [count] = (await said) as [number]
    return count
  } finally {
    setTimeout(() => child.kill('SIGKILL'), 2_000).unref()
    await exited
  }
}

async function quiet(name: string): Promise<number> {
  const honest = new Honest(name)
  await honest.during(sleep(2_000))
  assert.equal(honest.repeats, 0, 'nobody is told to wait while all is quiet')
  await honest.assertStored()
  return honest.p99Ms
}

for (const [name, floorMs] of floods) {
  test(`${name} beside honest senders: none of theirs is lost, and they wait hardly longer`, async (context) => {
    const before = await quiet(`before ${name}`)
    const honest = new Honest(name)
    let count = 0
    await honest.during(
      flooded([name], floodMs).then((result) => {
        count = result
      }),
    )
    await honest.assertStored()
    await until('the flood is over', 15_000, async () => {
      return (await running.counter('guidepost_inflight_bytes')) === 0
    })
    const later = await quiet(`after ${name}`)
    const boundMs = 2 * Math.max(before, later, floorMs)
    context.diagnostic(
      `${count} bad; honest p99 ${honest.p99Ms.toFixed(1)} ms, quiet ${before.toFixed(1)} and ${later.toFixed(1)} ms, ` +
        `${honest.repeats} repeats of ${honest.ids.length}, ${Math.round((await peakBytes(running.program.pid)) / 1e6)} MB`,
    )
    assert.ok(count > 0)
    assert.ok(honest.p99Ms <= boundMs, `p99 is ${honest.p99Ms} ms, the bound ${boundMs} ms`)
    await running.assertServing(memoryBytes)
  })
}

test('all of it at once: nothing honest is lost, and the memory stays below limits.memoryBytes', async (context) => {
  const honest = new Honest('all')
  const names = floods.map(([name]) => name)
  await honest.during(flooded(names, 2 * floodMs))
  await honest.assertStored()
  const later = await quiet('after all')
  const peak = await peakBytes(running.program.pid)
  context.diagnostic(
    `honest p99 ${honest.p99Ms.toFixed(1)} ms, quiet ${later.toFixed(1)} ms, ${honest.repeats} repeats of ${honest.ids.length}, ${Math.round(peak / 1e6)} MB`,
  )
  await running.assertServing(memoryBytes)
})
