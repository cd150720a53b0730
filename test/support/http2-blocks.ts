/**
 * An HTTP/2 server that knows next to nothing: it gathers the header blocks of its clients as they come, and answers each
 * request with a block that the test makes.
 *
 * Source: RFC 9113, 4.1 (frames), 6.2 (HEADERS), 6.5 (SETTINGS), 6.10 (CONTINUATION).
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { END_HEADERS, END_STREAM, Frame, frame } from './grpc-raw.ts'

const PREFACE_BYTES = 24
const FRAME_HEAD_BYTES = 9
/** What everybody takes in one frame. */
const FRAME_BYTES_MAX = 16_384
const ACK = 1
const PADDED = 8
const PRIORITY = 0x20
const HEADER_TABLE_SIZE = 1

export class BlockServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  /**
   * `tableBytes`: what it announces as SETTINGS_HEADER_TABLE_SIZE. `answer` gets each header block in the order in which
   * they come, and makes the block of the answer, which is without a body.
   */
  constructor(tableBytes: number, answer: (block: Buffer) => Buffer) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      const settings = Buffer.alloc(6)
      settings.writeUInt16BE(HEADER_TABLE_SIZE, 0)
      settings.writeUInt32BE(tableBytes, 2)
      socket.write(frame(Frame.SETTINGS, 0, 0, settings))
      const read = frameReader(socket, answer)
      socket.on('data', read)
    })
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

function frameReader(socket: Socket, answer: (block: Buffer) => Buffer): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  let hasPreface = false
  let block: Buffer = Buffer.alloc(0)
  const take = (type: number, flags: number, stream: number, payload: Buffer): void => {
    if (type === Frame.SETTINGS && (flags & ACK) === 0) socket.write(frame(Frame.SETTINGS, ACK, 0))
    if (type === Frame.HEADERS) block = fragment(flags, payload)
    if (type === Frame.CONTINUATION) block = Buffer.concat([block, payload])
    if ((type === Frame.HEADERS || type === Frame.CONTINUATION) && (flags & END_HEADERS) !== 0) {
      socket.write(headerFrames(stream, answer(block)))
    }
  }
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    if (!hasPreface && rest.length >= PREFACE_BYTES) {
      hasPreface = true
      rest = rest.subarray(PREFACE_BYTES)
    }
    while (hasPreface && rest.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + rest.readUIntBE(0, 3)
      if (rest.length < end) return
      take(rest[3]!, rest[4]!, rest.readUInt32BE(5), rest.subarray(FRAME_HEAD_BYTES, end))
      rest = rest.subarray(end)
    }
  }
}

/** A HEADERS frame without what may stand around its part of the block. */
function fragment(flags: number, payload: Buffer): Buffer {
  const padding = (flags & PADDED) === 0 ? 0 : payload[0]!
  const from = ((flags & PADDED) === 0 ? 0 : 1) + ((flags & PRIORITY) === 0 ? 0 : 5)
  return payload.subarray(from, payload.length - padding)
}

/** The whole answer to a request, a header block and nothing behind it, in as many frames as it needs. */
function headerFrames(stream: number, block: Buffer): Buffer {
  const frames: Buffer[] = []
  for (let from = 0; from === 0 || from < block.length; from += FRAME_BYTES_MAX) {
    const part = block.subarray(from, from + FRAME_BYTES_MAX)
    const isLast = from + part.length === block.length
    const flags = (from === 0 ? END_STREAM : 0) | (isLast ? END_HEADERS : 0)
    frames.push(frame(from === 0 ? Frame.HEADERS : Frame.CONTINUATION, flags, stream, part))
  }
  return Buffer.concat(frames)
}
