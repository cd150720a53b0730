/**
 * How many processes share the ports, and what each of them has of the bounds that an operator gives for all together.
 */
import { totalmem } from 'node:os'
import { limits } from '../limits.ts'
import type { Config } from './config.ts'
import { reachOf } from './reach.ts'
import type { Written } from './schema.ts'

/** Which of the processes that share the ports this is, from 1. */
export interface WorkerPlace {
  readonly number: number
  readonly count: number
}

/** The only one. */
export const alone: WorkerPlace = { number: 1, count: 1 }

type LargestRequest = 'bodyBytes' | 'inflatedBytes' | 'messageBytes'

/** The bounds of a whole request that hold for what is on. */
export function largestRequests(written: Written): readonly LargestRequest[] {
  const { listeners } = reachOf(written)
  const isGrpcOn = listeners.has('otlpGrpc') || listeners.has('jaegerGrpc')
  return ['bodyBytes', 'inflatedBytes', ...(isGrpcOn ? (['messageBytes'] as const) : [])]
}

/** Bytes in flight with which the largest request and its records fit together. */
function inflightBytesMin(written: Written): number {
  return 2 * Math.max(...largestRequests(written).map((name) => written.limits[name]))
}

/** What the program finds: the cores that it may use, and the bytes of memory that the machine or the container has. */
export interface Machine {
  readonly cores: number
  readonly bytes: number
}

/**
 * The processes to start; by themselves no more than the memory has room for. `isBounded`: the operator has set
 * `limits.inflightBytes`, and then no more than that has room for either.
 */
export function workersOf(
  written: Written,
  busKind: 'log' | 'kafka',
  isBounded: boolean,
  { cores, bytes }: Machine,
): number {
  if (busKind === 'log') return 1
  if (written.workers !== undefined) return written.workers
  const { inflightBytes, memoryBytes = bytes * limits.memoryMachineShare } = written.limits
  const inMemory = Math.floor(memoryBytes / limits.workerMemoryBytes)
  const inFlight = isBounded ? Math.floor(inflightBytes / inflightBytesMin(written)) : inMemory
  return Math.max(1, Math.min(cores, limits.workersDefaultMax, inMemory, inFlight))
}

/** Bytes in flight of all workers together. */
export function inflightBytesOf(written: Written, workers: number, isBounded: boolean): number {
  const { inflightBytes } = written.limits
  return isBounded ? inflightBytes : Math.max(inflightBytes, workers * inflightBytesMin(written))
}

/** What all workers together may occupy. `machineBytes`: what the machine or the container has. */
export function memoryBytesOf({ limits: written }: Written, workers: number, machineBytes: number): number {
  if (written.memoryBytes !== undefined) return written.memoryBytes
  return Math.min(workers * limits.memoryBytesMax, Math.floor(machineBytes * limits.memoryMachineShare))
}

/** What the machine has, or the container when that has less. */
export function machineBytes(): number {
  const container = process.constrainedMemory()
  return container > 0 ? Math.min(container, totalmem()) : totalmem()
}

/** The configuration of one of `count` workers: of each bound that is a total it has an equal share. */
export function shareOf(config: Config, count: number): Config {
  const { limits: whole, spool } = config
  const share = (total: number): number => Math.floor(total / count)
  return {
    ...config,
    limits: {
      ...whole,
      inflightBytes: share(whole.inflightBytes),
      memoryBytes: share(whole.memoryBytes),
      connections: Math.ceil(whole.connections / count),
    },
    spool: spool && {
      ...spool,
      bytesMax: share(spool.bytesMax),
      drainBytesPerSecond: share(spool.drainBytesPerSecond),
    },
  }
}
