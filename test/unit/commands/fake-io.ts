/** A command's world for tests: what it wrote, and a hand on Ctrl-C. */
import { Writable } from 'node:stream'
import type { Io, Stream } from '../../../src/commands/io.ts'

export class Collected extends Writable {
  text = ''
  isTTY = false

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }

  get lines(): string[] {
    return this.text.split('\n').filter((line) => line !== '')
  }
}

export interface FakeIo extends Io {
  readonly stdout: Collected & Stream
  readonly stderr: Collected & Stream
  readonly stop: () => void
}

export function fakeIo(options: { env?: Record<string, string>; cwd?: string } = {}): FakeIo {
  const controller = new AbortController()
  return {
    stdout: new Collected(),
    stderr: new Collected(),
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    interrupt: () => controller.signal,
    stop: () => controller.abort(),
  }
}
