/** `guidepost inspect`: what a log or spool folder holds, and everything that is wrong with it. */
import { resolve } from 'node:path'
import { type Found, inspectFolder } from './inspect-folder.ts'
import { isDamage, toDocument, toLines } from './inspect-report.ts'
import { exitCodes, type Io, Output } from './io.ts'

export interface InspectOptions {
  readonly directory: string
  readonly json: boolean
}

export async function inspect({ directory, json }: InspectOptions, io: Io): Promise<number> {
  const output = new Output(io.stdout)
  const stop = AbortSignal.any([io.interrupt(), output.closed])
  const progress = new Progress(io)
  const found: Found[] = []
  try {
    for await (const each of inspectFolder(resolve(io.cwd, directory))) {
      if (stop.aborted) break
      progress.show(each)
      // Segments are many and only needed as JSON; the table has their sums.
      if (json || each.kind !== 'segment') found.push(each)
    }
  } catch (error) {
    progress.clear()
    io.stderr.write(`guidepost inspect: ${whyNotInspected(error, directory)}\n`)
    return exitCodes.failed
  }
  progress.clear()
  // Half an answer would be taken for a whole one.
  if (stop.aborted) return exitCodes.failed
  if (json) await output.line(JSON.stringify(toDocument(directory, found), undefined, 2))
  else for (const line of toLines(directory, found)) await output.line(line)
  return found.some(isDamage) ? exitCodes.failed : exitCodes.ok
}

export function whyNotInspected(error: unknown, directory: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return `there is no folder ${directory}`
  if (code === 'ENOTDIR') return `${directory} is no folder; give the one that holds the log or the spool`
  return error instanceof Error ? error.message : String(error)
}

/** One line on a terminal that says how far it is, redrawn a few times a second. */
class Progress {
  readonly #io: Io
  #records = 0
  #bytes = 0
  #shownMs = Number.NEGATIVE_INFINITY

  constructor(io: Io) {
    this.#io = io
  }

  show(each: Found): void {
    if (each.kind !== 'segment' || this.#io.stderr.isTTY !== true) return
    this.#records += each.records
    this.#bytes += each.bytes
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < 200) return
    this.#shownMs = nowMs
    const size = (this.#bytes / 1024 ** 2).toFixed(0)
    this.#io.stderr.write(`\r\u001b[K${each.topic}: ${size} MiB, ${this.#records} records`)
  }

  clear(): void {
    if (this.#shownMs > 0) this.#io.stderr.write('\r\u001b[K')
  }
}
