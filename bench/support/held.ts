/**
 * The time of a piece of work as a multiple of the time in which as many bytes are copied: a figure that survives a change
 * of the clock's rate, and mostly that of the machine, where microseconds do not.
 *
 * Work and copy take turns in slices of a millisecond, and the fastest slice of each counts. That one was neither
 * interrupted nor shared its core, however busy the machine was around it; a median would measure the neighbours.
 * The copy is of 64 KiB within one block. It stays in the second cache, and its two ends lie a whole number of pages
 * and a half apart: a copy between buffers of the allocator's choice takes up to twice as long for where they
 * happen to lie (stores that alias loads at 4 KiB). The work is prepared anew several times, since its own memory
 * lies well or badly too.
 */
import type { Held } from './case.ts'

const copyBytes = 64 * 1024
const copyToAt = copyBytes + 8 * 1024 + 2 * 1024
const sliceMs = 1
const preparations = 4
const slicesEach = 25
/** Until V8 has compiled it; the preparations after the first need less. */
const warmUpMs = [200, 20] as const

/** Times `prepare`'s work takes of the time in which a copy moves as many bytes. */
export function timesCopy(prepare: () => Held): number {
  const copy = copyWork()
  let [workMs, copyMs] = [Infinity, Infinity]
  for (let preparation = 0; preparation < preparations; preparation++) {
    const { bytes, work } = prepare()
    repeat(work, warmUpMs[preparation === 0 ? 0 : 1])
    repeat(copy, warmUpMs[1])
    const [workCalls, copyCalls] = [callsOf(work), callsOf(copy)]
    for (let slice = 0; slice < slicesEach; slice++) {
      workMs = Math.min(workMs, timed(work, workCalls) / bytes)
      copyMs = Math.min(copyMs, timed(copy, copyCalls) / copyBytes)
    }
  }
  return workMs / copyMs
}

function copyWork(): () => void {
  const block = new Uint8Array(copyToAt + copyBytes).fill(1)
  return () => {
    block.copyWithin(copyToAt, 0, copyBytes)
  }
}

/** Calls that make a slice. */
function callsOf(work: () => void): number {
  for (let calls = 1; ; calls *= 2) {
    const eachMs = timed(work, calls)
    if (eachMs * calls >= sliceMs) return Math.max(1, Math.round(sliceMs / eachMs))
  }
}

function repeat(work: () => void, ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs) work()
}

/** Milliseconds of one call. */
function timed(work: () => void, calls: number): number {
  const beganMs = performance.now()
  for (let call = 0; call < calls; call++) work()
  return (performance.now() - beganMs) / calls
}
