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
  /** Of the busy time, 0 to 1. */
  readonly share: number
}

export interface Hottest {
  /** Of the time looked at, how much the main thread was busy. */
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
  count: number,
): Promise<Hottest> {
  const names = await kernelFunctionNames()
  const functions = new Map<string, number>()
  const places = new Map<string, number>()
  const self = selfTimes(profile, window)
  let total = 0
  let busy = 0
  for (const { id, callFrame } of profile.nodes) {
    const us = self.get(id) ?? 0
    const { functionName, url, lineNumber } = callFrame
    total += us
    if (us === 0 || functionName === '(idle)') continue
    busy += us
    const place = placeOf(url)
    const index = /^wasm-function\[(\d+)\]$/.exec(functionName)?.[1]
    const named = index === undefined ? undefined : names[Number(index)]
    const at = url === '' ? '' : named === undefined ? ` ${place}:${lineNumber + 1}` : ' (kernel)'
    add(functions, `${named ?? (functionName === '' ? '(anonymous)' : functionName)}${at}`, us)
    add(places, url === '' ? nativePlace(functionName) : ownerOf(place), us)
  }
  return { busyShare: busy / total, functions: top(functions, busy, count), places: top(places, busy, count) }
}

function selfTimes(profile: Profile, window: TimeWindow | undefined): Map<number, number> {
  const self = new Map<number, number>()
  let nowUs = profile.startTime
  for (const [i, delta] of profile.timeDeltas.entries()) {
    nowUs += delta
    // A delta is the time before its sample, so it belongs to the sample before.
    const id = profile.samples[i - 1]
    if (id === undefined || (window !== undefined && (nowUs < window.fromUs || nowUs > window.toUs))) continue
    self.set(id, (self.get(id) ?? 0) + delta)
  }
  return self
}

function add(sums: Map<string, number>, key: string, us: number): void {
  sums.set(key, (sums.get(key) ?? 0) + us)
}

function top(sums: Map<string, number>, busy: number, count: number): Share[] {
  return [...sums]
    .map(([what, us]) => ({ what, share: us / busy }))
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
