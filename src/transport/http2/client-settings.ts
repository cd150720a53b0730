/** What a client says of itself: RFC 9113, 6.5. Settings that are of no use here, or not known, are passed over. */
import { Broken } from './broken.ts'
import { frameBytesMax, frameBytesMin, Http2Code, Setting, windowBytesMax } from './frames.ts'

const settingBytes = 6

/** Undefined: not said. */
export interface ClientSettings {
  /** Of its table of header fields. */
  tableBytes: number | undefined
  /** The window of each of its streams. */
  windowBytes: number | undefined
  /** Of the payload of one frame. */
  frameBytes: number | undefined
}

/** Reads the payload of SETTINGS without ACK. Throws `Broken`. */
export function readSettings(payload: Buffer, from: number, to: number): ClientSettings {
  if ((to - from) % settingBytes !== 0)
    throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'SETTINGS of a wrong length')
  const settings: ClientSettings = { tableBytes: undefined, windowBytes: undefined, frameBytes: undefined }
  for (let at = from; at < to; at += settingBytes) {
    const value = payload.readUInt32BE(at + 2)
    switch (payload.readUInt16BE(at)) {
      case Setting.HEADER_TABLE_SIZE:
        // The smallest counts (RFC 7541, 4.2).
        settings.tableBytes = Math.min(value, settings.tableBytes ?? value)
        break
      case Setting.ENABLE_PUSH:
        if (value > 1) throw new Broken(Http2Code.PROTOCOL_ERROR, 'ENABLE_PUSH is neither 0 nor 1')
        break
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > windowBytesMax) {
          throw new Broken(Http2Code.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE is too large')
        }
        settings.windowBytes = value
        break
      case Setting.MAX_FRAME_SIZE:
        if (value < frameBytesMin || value > frameBytesMax) {
          throw new Broken(Http2Code.PROTOCOL_ERROR, 'MAX_FRAME_SIZE is out of its range')
        }
        settings.frameBytes = value
    }
  }
  return settings
}
