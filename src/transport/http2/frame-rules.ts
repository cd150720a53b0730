/**
 * What the head of a frame alone shows to be wrong: RFC 9113, 4.2 (size) and section 6 (which frames are of a stream, and
 * how long they are). Such a frame is refused before a byte of it is kept.
 */
import { limits } from '../../limits.ts'
import { Broken } from './broken.ts'
import { FrameType, Http2Code } from './frames.ts'
import { blockBytesMax } from './head-blocks.ts'

/** `id`: the number of the stream, 0 for the connection. `length`: bytes of the payload. Throws `Broken`. */
export function checkFrameHead(type: number, id: number, length: number): void {
  if (length > limits.grpcFrameBytesMax) throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'a frame is too large')
  switch (type) {
    case FrameType.DATA:
      ofStream(id !== 0, 'DATA')
      break
    case FrameType.HEADERS:
      // Clients open streams with odd numbers (5.1.1).
      ofStream((id & 1) === 1, 'HEADERS')
      ofBlock(length)
      break
    case FrameType.CONTINUATION:
      ofStream(id !== 0, 'CONTINUATION')
      ofBlock(length)
      break
    case FrameType.PRIORITY:
      ofStream(id !== 0, 'PRIORITY')
      break
    case FrameType.RST_STREAM:
      ofStream(id !== 0, 'RST_STREAM')
      ofLength(length === 4, 'RST_STREAM')
      break
    case FrameType.SETTINGS:
      ofConnection(id, 'SETTINGS')
      break
    case FrameType.PUSH_PROMISE:
      throw new Broken(Http2Code.PROTOCOL_ERROR, 'PUSH_PROMISE from a client')
    case FrameType.PING:
      ofConnection(id, 'PING')
      ofLength(length === 8, 'PING')
      break
    case FrameType.GOAWAY:
      ofConnection(id, 'GOAWAY')
      ofLength(length >= 8, 'GOAWAY')
      break
    case FrameType.WINDOW_UPDATE:
      ofLength(length === 4, 'WINDOW_UPDATE')
  }
}

function ofStream(isRight: boolean, name: string): void {
  if (!isRight) throw new Broken(Http2Code.PROTOCOL_ERROR, `${name} for a stream that no client opens`)
}

function ofConnection(id: number, name: string): void {
  if (id !== 0) throw new Broken(Http2Code.PROTOCOL_ERROR, `${name} of a stream`)
}

function ofLength(isRight: boolean, name: string): void {
  if (!isRight) throw new Broken(Http2Code.FRAME_SIZE_ERROR, `${name} of a wrong length`)
}

/** A frame may be that large; what is too much is the block. */
function ofBlock(length: number): void {
  if (length > blockBytesMax)
    throw new Broken(Http2Code.ENHANCE_YOUR_CALM, 'a header block that is too large')
}
