/** The frames of ours that are always the same. */
import { limits } from '../../limits.ts'
import {
  defaultWindowBytes,
  Flag,
  FrameType,
  makeFrame,
  makeNumberFrame,
  makeSettings,
  Setting,
} from './frames.ts'

const settings = makeSettings(
  [Setting.MAX_CONCURRENT_STREAMS, limits.grpcStreamsMax],
  [Setting.INITIAL_WINDOW_SIZE, limits.grpcStreamWindowBytes],
  [Setting.MAX_FRAME_SIZE, limits.grpcFrameBytesMax],
  [Setting.MAX_HEADER_LIST_SIZE, limits.headerBytesMax],
)
const windowGrowth = limits.grpcConnectionWindowBytes - defaultWindowBytes

/** What is said first (RFC 9113, 3.4): our settings, and the window of the connection, which no setting holds. */
export const hello = Buffer.concat([settings, makeNumberFrame(FrameType.WINDOW_UPDATE, 0, windowGrowth)])
export const settingsAck = makeFrame(FrameType.SETTINGS, Flag.ACK, 0)
export const ourPing = makeFrame(FrameType.PING, 0, 0, Buffer.from('alive?  '))
