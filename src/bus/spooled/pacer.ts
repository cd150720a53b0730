/** How fast a spool is delivered. Several drains may share one. */
import { limits } from '../../limits.ts'

const MS_PER_SECOND = 1e3

export interface Pacer {
  /** When to go on after a delivery of so many bytes, begun at `startMs`, of which the bus took some or nothing. */
  next(bytes: number, isFruitful: boolean, startMs: number): number
}

/** So many bytes in a second, over all who share it. */
export function sharedPacer(bytesPerSecond: number): Pacer {
  let nextAtMs = 0
  return {
    next(bytes) {
      nextAtMs = Math.max(performance.now(), nextAtMs) + (bytes / bytesPerSecond) * MS_PER_SECOND
      return nextAtMs
    },
  }
}

/**
 * For what is parked: as `shared` while the bus takes some of it. What it does not take is only moved, which is done at a
 * fraction of that; and trying it costs the bus as much time as it is left alone.
 */
export function parkedPacer(shared: Pacer, bytesPerSecond: number): Pacer {
  return {
    next(bytes, isFruitful, startMs) {
      if (isFruitful) return shared.next(bytes, isFruitful, startMs)
      const nowMs = performance.now()
      const moveMs = (bytes / (bytesPerSecond * limits.spoolParkedShare)) * MS_PER_SECOND
      return nowMs + Math.max(moveMs, nowMs - startMs)
    },
  }
}
