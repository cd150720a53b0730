/** Reads a V8 CPU profile (Chrome DevTools Protocol, Profiler.Profile) and says where the time went. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

export interface Profile {
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

const ROOT = path.resolve(import.meta.dirname, '../..')

export function readProfile(file: string): Profile {
  return JSON.parse(readFileSync(file, 'utf8')) as Profile
}

/** The largest shares of busy time: by function, and by the file or package that it belongs to. */
export function hottest(profile: Profile, count: number): { functions: Share[]; places: Share[] } {
  const self = new Map<number, number>()
  for (const [i, id] of profile.samples.entries())
    self.set(id, (self.get(id) ?? 0) + (profile.timeDeltas[i] ?? 0))
  const functions = new Map<string, number>()
  const places = new Map<string, number>()
  let busy = 0
  for (const { id, callFrame } of profile.nodes) {
    const us = self.get(id) ?? 0
    const { functionName, url, lineNumber } = callFrame
    if (us === 0 || functionName === '(idle)') continue
    busy += us
    const place = placeOf(url)
    const at = url === '' ? '' : ` ${place}:${lineNumber + 1}`
    add(functions, `${functionName === '' ? '(anonymous)' : functionName}${at}`, us)
    add(places, url === '' ? nativePlace(functionName) : ownerOf(place), us)
  }
  return { functions: top(functions, busy, count), places: top(places, busy, count) }
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
  if (!url.startsWith('file:')) return url
  return path.relative(ROOT, fileURLToPath(url))
}

/** Our own files one by one, what is installed by package. */
function ownerOf(place: string): string {
  return /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(place)?.[0] ?? place
}

function nativePlace(functionName: string): string {
  return functionName.startsWith('(') ? functionName : '(native functions)'
}
