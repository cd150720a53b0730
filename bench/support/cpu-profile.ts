/** Reads a V8 CPU profile (Chrome DevTools Protocol, Profiler.Profile) and says where the time went. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TimeWindow } from './case.ts'
import { kernelFunctionNames } from './kernel-names.ts'

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

export interface Profile {
  /** Microseconds of the system's monotonic clock. */
  readonly startTime: number
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
}

export interface Share {
  readonly what: string
  /** Of the busy samples, 0 to 1. */
  readonly share: number
}

export interface Hottest {
  /** Of the samples in the time looked at, how many met the main thread busy. */
  readonly busyShare: number
  readonly functions: readonly Share[]
  /** The same by the file or package that the function belongs to. */
  readonly places: readonly Share[]
}

const ROOT = path.resolve(import.meta.dirname, '../..')

export function readProfile(file: string): Profile {
  return JSON.parse(readFileSync(file, 'utf8')) as Profile
}

/** The largest shares of the main thread's busy time within `window`. */
export async function hottest(
  profile: Profile,
  window: TimeWindow | undefined,
  countMax: number,
): Promise<Hottest> {
  const names = await kernelFunctionNames()
  const functions = new Map<string, number>()
  const places = new Map<string, number>()
  const counts = samplesByNode(profile, window)
  let total = 0
  let busy = 0
  for (const { id, callFrame } of profile.nodes) {
    const count = counts.get(id) ?? 0
    const { functionName, url, lineNumber } = callFrame
    total += count
    if (count === 0 || functionName === '(idle)') continue
    busy += count
    const place = placeOf(url)
    const index = /^wasm-function\[(\d+)\]$/.exec(functionName)?.[1]
    const named = index === undefined ? undefined : names[Number(index)]
    const at = url === '' ? '' : named === undefined ? ` ${place}:${lineNumber + 1}` : ' (kernel)'
    add(functions, `${named ?? (functionName === '' ? '(anonymous)' : functionName)}${at}`, count)
    add(places, url === '' ? nativePlace(functionName) : ownerOf(place), count)
  }
  return {
    busyShare: busy / total,
    functions: top(functions, busy, countMax),
    places: top(places, busy, countMax),
  }
}

/**
 * Samples of each node. They are counted and their time differences are not summed: a thread that sleeps or has lost its
 * core is sampled late, and the gap would be charged to a function that had nothing to do with it.
 */
function samplesByNode(profile: Profile, window: TimeWindow | undefined): Map<number, number> {
  const counts = new Map<number, number>()
  let nowUs = profile.startTime
  for (const [i, id] of profile.samples.entries()) {
    nowUs += profile.timeDeltas[i] ?? 0
    if (window !== undefined && (nowUs < window.fromUs || nowUs > window.toUs)) continue
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  return counts
}

function add(sums: Map<string, number>, key: string, count: number): void {
  sums.set(key, (sums.get(key) ?? 0) + count)
}

function top(sums: Map<string, number>, busy: number, count: number): Share[] {
  return [...sums]
    .map(([what, samples]) => ({ what, share: samples / busy }))
    .sort((a, b) => b.share - a.share)
    .slice(0, count)
}

function placeOf(url: string): string {
  if (!url.startsWith('file:')) return url.startsWith('wasm:') ? 'WebAssembly' : url
  return path.relative(ROOT, fileURLToPath(url))
}

/** Our own files one by one, what is installed by package. */
function ownerOf(place: string): string {
  return /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(place)?.[0] ?? place
}

function nativePlace(functionName: string): string {
  return functionName.startsWith('(') ? functionName : '(native functions)'
}
