/**
 * vmagent as the peer of remote write 1.0: it adds a label to each series and hands them on to a sink, over HTTP in one of
 * its two packings. It answers its senders when it has them in memory, before it delivers them: what it is measured at is
 * less than what the gateway does.
 *
 * `VMAGENT` names the program; nothing of the project builds or fetches it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { throughPins } from '../support/pinning.ts'
import { cpuSecondsOf } from '../support/process-usage.ts'
import { canConnect, freePort } from './collector.ts'
import { LoadChild } from './load-child.ts'
import { seriesGuid } from './series-values.ts'
import type { SinkCommand, SinkReport } from './sink-messages.ts'
import type { Subject } from './subjects.ts'

const startMsMax = 20_000
const stopMsMax = 20_000
/** vmagent sends what it has at least once a second. */
const quietMs = 3_000
const quietMsMax = 60_000
const saidMax = 4_096

/** How it packs what it hands on: its own protocol, or that of Prometheus. */
export const packings = {
  zstd: '-remoteWrite.forceVMProto=true',
  snappy: '-remoteWrite.forcePromProto=true',
} as const

export type Packing = keyof typeof packings

/** Throws, with what to do, when there is none. */
export function findVmagent(): string {
  const file = process.env['VMAGENT']
  if (file === undefined || file === '')
    throw new Error('no vmagent: VMAGENT=/path/to/vmagent names one; bench/peers/README.md says more')
  return file
}

export interface Vmagent extends Subject {
  /** From its start until it had delivered everything; only after `stop`. */
  cpuSeconds(): number
}

export async function startVmagent(packing: Packing): Promise<Vmagent> {
  const file = findVmagent()
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-vmagent-'))
  const sink = new LoadChild<SinkCommand, SinkReport>('sink-process.ts')
  let child: ChildProcess | undefined
  const remove = async (): Promise<void> => {
    if (child !== undefined) await end(child, 'SIGKILL')
    sink.kill()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const { port: sinkPort } = await sink.ask({ type: 'start' }, 'listening')
    const port = await freePort()
    const flags = [
      `-httpListenAddr=127.0.0.1:${port}`,
      `-remoteWrite.url=http://127.0.0.1:${sinkPort}/api/v1/write`,
      `-remoteWrite.label=guid=${seriesGuid}`,
      `-remoteWrite.tmpDataPath=${directory}`,
      packings[packing],
      '-loggerLevel=ERROR',
    ]
    const [command = '', ...args] = [...throughPins(), file, ...flags]
    const running = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child = running
    const said = await listening(running, port)
    let cpuSeconds = Number.NaN
    return {
      pid: running.pid ?? 0,
      morePids: [],
      port,
      stop: async () => {
        await quiet(sink)
        const { user, system } = cpuSecondsOf(running.pid ?? 0)
        cpuSeconds = user + system
        const status = await end(running, 'SIGTERM')
        if (status !== 0) throw new Error(`vmagent ended with ${status}: ${said()}`)
      },
      delivered: async () => (await sink.ask({ type: 'count' }, 'counted')).delivered,
      remove,
      cpuSeconds: () => cpuSeconds,
    }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Returns when it takes connections, with what it says on its outputs. */
async function listening(child: ChildProcess, port: number): Promise<() => string> {
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-saidMax)
    })
  }
  let failure: Error | undefined
  child.on('error', (error) => {
    failure = error
  })
  const deadlineMs = performance.now() + startMsMax
  while (!(await canConnect(port))) {
    if (failure !== undefined || isOver(child) || performance.now() > deadlineMs)
      throw new Error(`vmagent did not come up: ${failure?.message ?? said}`)
    await sleep(50)
  }
  return () => said
}

/** Until the sink has had nothing new for a while. */
async function quiet(sink: LoadChild<SinkCommand, SinkReport>): Promise<void> {
  const endMs = performance.now() + quietMsMax
  let before = -1
  for (;;) {
    const { received } = await sink.ask({ type: 'progress' }, 'progress')
    if (received === before) return
    if (performance.now() > endMs) throw new Error('vmagent still delivers')
    before = received
    await sleep(quietMs)
  }
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (!isOver(child)) {
    const exit = once(child, 'exit')
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax)
    await exit
    clearTimeout(timer)
  }
  return child.exitCode
}
