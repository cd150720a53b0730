/** Waiting for a condition, never for luck. */
import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 50

/**
 * Asks until the answer is true. Throws after `msMax`, naming what was waited for; throws at once what `ask` throws,
 * except that a refused connection counts as "not yet".
 */
export async function until(
  what: string,
  msMax: number,
  ask: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + msMax
  for (;;) {
    if (await answerOf(ask)) return
    if (performance.now() > endMs) throw new Error(`waited ${msMax} ms in vain: ${what}`)
    await sleep(PAUSE_MS)
  }
}

async function answerOf(ask: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof TypeError && error.message === 'fetch failed') return false
    throw error
  }
}
