/**
 * The frames of HTTP/2: RFC 9113, sections 4 (frames), 6 (types), 6.5.2 (settings) and 7 (error codes).
 *
 *   length 24 bits, type 8, flags 8, reserved 1, stream 31, payload
 *
 * Integers have the most significant byte first.
 */

export const frameHeadBytes = 9

/** What a client says first (3.4), before its SETTINGS. */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

/** ACK is of SETTINGS and PING, END_STREAM of DATA and HEADERS. */
export const Flag = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const

export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const

export const Http2Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const
export type Http2Code = (typeof Http2Code)[keyof typeof Http2Code]

/** The window of a connection, and of a stream until SETTINGS say otherwise (6.9.2). */
export const defaultWindowBytes = 65_535
/** The largest window (6.9.1), and with that many bits the largest number of a stream. */
export const windowBytesMax = 2 ** 31 - 1
/** What SETTINGS_MAX_FRAME_SIZE may be (6.5.2); the smaller is its default. */
export const frameBytesMin = 16_384
export const frameBytesMax = 2 ** 24 - 1

/** A frame of `payload.length` bytes, head and payload in one buffer. */
export function makeFrame(type: number, flags: number, stream: number, payload: Uint8Array = empty): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + payload.length)
  frame.set(payload, writeFrameHead(frame, 0, payload.length, type, flags, stream))
  return frame
}

const empty = new Uint8Array(0)

/** Writes a frame's head at `at`; the place behind it. */
export function writeFrameHead(
  target: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): number {
  target[at] = length >>> 16
  target[at + 1] = (length >>> 8) & 0xff
  target[at + 2] = length & 0xff
  target[at + 3] = type
  target[at + 4] = flags
  // Not writeUInt32BE, which looks at its arguments first.
  target[at + 5] = stream >>> 24
  target[at + 6] = (stream >>> 16) & 0xff
  target[at + 7] = (stream >>> 8) & 0xff
  target[at + 8] = stream & 0xff
  return at + frameHeadBytes
}

/** A frame whose payload is one number of 32 bits: RST_STREAM, WINDOW_UPDATE. */
export function makeNumberFrame(type: number, stream: number, number: number): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + 4)
  frame.writeUInt32BE(number, writeFrameHead(frame, 0, 4, type, 0, stream))
  return frame
}

export function makeGoAway(lastStream: number, code: Http2Code, text = ''): Buffer {
  const payload = Buffer.allocUnsafe(8 + text.length)
  payload.writeUInt32BE(lastStream, 0)
  payload.writeUInt32BE(code, 4)
  payload.write(text, 8, 'latin1')
  return makeFrame(FrameType.GOAWAY, 0, 0, payload)
}

/** SETTINGS from numbers and values in turn. */
export function makeSettings(...pairs: readonly (readonly [number: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(pairs.length * 6)
  let at = 0
  for (const [number, value] of pairs) at = payload.writeUInt32BE(value, payload.writeUInt16BE(number, at))
  return makeFrame(FrameType.SETTINGS, 0, 0, payload)
}
