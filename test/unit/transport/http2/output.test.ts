/** What leaves of what a connection writes: the order, and in how many writes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { KiB, limits } from '../../../../src/limits.ts'
import { Output } from '../../../../src/transport/http2/output.ts'
import { until } from '../../../support/until.ts'

class FakeSocket {
  writable = true
  writableLength = 0
  readonly written: Buffer[] = []
  cork(): void {}
  uncork(): void {}
  write(bytes: Buffer): void {
    this.written.push(bytes)
  }
}

function makeOutput(unread: () => void = () => undefined): { socket: FakeSocket; output: Output } {
  const socket = new FakeSocket()
  return { socket, output: new Output(socket as unknown as Socket, unread) }
}

test('what is pushed in one turn leaves in one write, in its order', async () => {
  const { socket, output } = makeOutput()
  const pieces = Array.from({ length: 300 }, (_, i) => randomBytes(1 + (i % 90)))
  for (const [i, piece] of pieces.entries()) {
    if (i % 2 === 0) output.push(piece)
    else {
      const at = output.reserve(piece.length)
      piece.copy(output.target, at)
    }
  }
  assert.equal(socket.written.length, 0)
  await until('it has left', 5000, () => socket.written.length > 0)
  assert.equal(socket.written.length, 1)
  assert.deepEqual(socket.written[0], Buffer.concat(pieces))
})

test('large frames and much of small ones keep their order, and nothing that left is written over', () => {
  const { socket, output } = makeOutput()
  const pieces: Buffer[] = []
  for (let turn = 0; turn < 3; turn++) {
    for (const bytes of [10, 20_000, 5, 15_000, 15_000, 15_000, 15_000, 15_000, 100 * KiB, 1]) {
      const piece = randomBytes(bytes)
      pieces.push(Buffer.from(piece))
      output.push(piece)
    }
    output.flush()
  }
  assert.deepEqual(Buffer.concat(socket.written), Buffer.concat(pieces))
})

test('nothing goes to a socket that is closed, and one whose client takes nothing is told of', () => {
  let unread = 0
  const { socket, output } = makeOutput(() => unread++)
  output.push(Buffer.from('a'))
  socket.writableLength = limits.grpcUnreadBytesMax + 1
  output.flush()
  assert.equal(unread, 1)
  socket.writable = false
  output.push(Buffer.from('b'))
  output.flush()
  assert.equal(Buffer.concat(socket.written).toString(), 'a')
})
