/**
 * Inflates whole bodies: the content codings of HTTP (RFC 9110, 8.4.1; zstd: RFC 8878 and 9659; br: RFC 7932) and the
 * message encodings of gRPC, which have the same names and bytes.
 *
 *   gzip     one member or several, joined (RFC 1952, 2.2)
 *   deflate  the zlib format, as RFC 9110 has it, and bare deflate, which some senders write instead
 *   br       one stream
 *   zstd     one frame or several, joined, up to `limits.zstdFramesMax`
 *
 * Bytes behind the end are refused: whoever left them unread would lose what they say. What is small is inflated at once;
 * the rest goes piece by piece to node's thread pool, where the file system of the log works too, so that neither the
 * event loop nor a write to the disk waits long for one body.
 */
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  brotliDecompressSync as unbrotliSync,
  zstdDecompressSync as unzstdSync,
  constants as zlib,
} from 'node:zlib'
import { GuidepostError, permanent, retryable } from '../errors.ts'
import { KiB, limits, MiB } from '../limits.ts'
import { type Body, type ByteBudget, overloaded } from './body.ts'

export type Coding = 'gzip' | 'deflate' | 'br' | 'zstd'

export interface InflateBounds {
  /** Bytes of the result. A body is not inflated beyond them, whatever it would become. */
  readonly bytesMax: number
  /** The key of the configuration that sets `bytesMax`, for the refusal's text. */
  readonly key: string
  /** Pays for the result as it grows; the input stays on its owner's account. */
  readonly budget: ByteBudget
}

/** Bytes that are inflated at once: half a millisecond's work at most, and a bomb that ends there is told in two. */
const SYNC_BYTES = 128 * KiB
const SYNC_INFLATED_BYTES = 1 * MiB
/** Bytes that one task of the thread pool may inflate to. */
const PIECE_BYTES = 256 * KiB
/** Room behind a stated size: a buffer that is filled to its last byte makes zlib ask for another. */
const ROOM_BYTES = 64
/** RFC 9659: a decoder need not keep more than 8 MiB of window. */
const WINDOW_LOG_MAX = 23

type Format = 'gzip' | 'zlib' | 'raw' | 'br' | 'zstd'

const formats = {
  gzip: { sync: gunzipSync, stream: createGunzip, options: {} },
  zlib: { sync: inflateSync, stream: createInflate, options: {} },
  raw: { sync: inflateRawSync, stream: createInflateRaw, options: {} },
  br: { sync: unbrotliSync, stream: createBrotliDecompress, options: {} },
  zstd: {
    sync: unzstdSync,
    stream: createZstdDecompress,
    options: { params: { [zlib.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } },
  },
} as const

/**
 * Inflates a body, never beyond `bytesMax`. The input is only read, and must stay until the result is there. The result is
 * charged to the budget until its `release()`; it is a promise when the work is too much for one turn of the event loop.
 * Never throws or rejects: GP_BODY_TOO_LARGE, GP_BODY_MALFORMED, or GP_OVERLOADED when there is no room for it now.
 */
export function inflate(
  coding: Coding,
  { chunks, bytes }: { readonly chunks: readonly Buffer[]; readonly bytes: number },
  bounds: InflateBounds,
): Body | GuidepostError | Promise<Body | GuidepostError> {
  const stated = statedBytes(coding, chunks, bytes)
  if (bytes <= SYNC_BYTES && (stated ?? 0) <= SYNC_INFLATED_BYTES) {
    const roomBytes = (stated ?? Math.min(Math.max(bytes * 4, KiB), 64 * KiB)) + ROOM_BYTES
    const bytesMax = Math.min(bounds.bytesMax, SYNC_INFLATED_BYTES)
    const charge = new Charge(bounds.budget)
    if (!charge.raise(roomBytes)) return overloaded(bounds.budget, roomBytes)
    const whole = inflateNow(coding, chunks, bytesMax, roomBytes)
    if (Buffer.isBuffer(whole)) {
      if (charge.raise(whole.length)) return new Inflated([whole], whole.length, charge)
      charge.lower(0)
      return overloaded(bounds.budget, whole.length)
    }
    charge.lower(0)
    if (whole !== TOO_LARGE) return whole
    if (bytesMax === bounds.bytesMax) return inflatesTooFar(bounds.bytesMax, bounds.key)
  }
  return inTurn(() => inflateInPieces(coding, chunks, bytes, bounds))
}

/** Inflates zstd at once, as `inflate` would, without a budget: for a result that is copied away in the same turn. */
export function inflateZstd(chunks: readonly Buffer[], bytesMax: number): Buffer | GuidepostError {
  const whole = inflateNow('zstd', chunks, bytesMax, undefined)
  return whole === TOO_LARGE ? inflatesTooFar(bytesMax) : whole
}

/** `key`: the key of the configuration that sets the limit. */
export function inflatesTooFar(bytesMax: number, key = 'limits.inflatedBytes'): GuidepostError {
  return permanent(
    'GP_BODY_TOO_LARGE',
    `the body inflates to more than ${bytesMax} bytes (${key}); send smaller batches`,
  )
}

/** What a result takes from the budget. */
class Charge {
  readonly #budget: ByteBudget
  #bytes = 0

  constructor(budget: ByteBudget) {
    this.#budget = budget
  }

  /** Charges up to `bytes` in all; false when they do not fit, and nothing changed. */
  raise(bytes: number): boolean {
    if (bytes <= this.#bytes) return true
    if (!this.#budget.take(bytes - this.#bytes)) return false
    this.#bytes = bytes
    return true
  }

  /** Gives back what is above `bytes`. */
  lower(bytes: number): void {
    if (bytes >= this.#bytes) return
    this.#budget.give(this.#bytes - bytes)
    this.#bytes = bytes
  }
}

class Inflated implements Body {
  readonly chunks: Buffer[]
  readonly bytes: number
  readonly #charge: Charge

  constructor(chunks: Buffer[], bytes: number, charge: Charge) {
    this.chunks = chunks
    this.bytes = bytes
    this.#charge = charge
  }

  release(): void {
    this.chunks.length = 0
    this.#charge.lower(0)
  }
}

const TOO_LARGE = Symbol('too large')

/** The whole input in this turn. `roomBytes`: the size of the first buffer; the result may keep all of it. */
function inflateNow(
  coding: Coding,
  chunks: readonly Buffer[],
  bytesMax: number,
  roomBytes: number | undefined,
): Buffer | typeof TOO_LARGE | GuidepostError {
  const parts: Buffer[] = []
  let left = bytesMax
  try {
    let rest = joined(chunks)
    const format = formatOf(coding, rest)
    do {
      if (parts.length === limits.zstdFramesMax) return tooManyFrames()
      const options = {
        ...formats[format].options,
        maxOutputLength: Math.max(left, 1),
        info: true,
        ...(roomBytes === undefined ? {} : { chunkSize: roomBytes }),
      }
      // With `info` the answer says how much was read; the types do not know it.
      const { buffer, engine } = formats[format].sync(rest, options) as unknown as {
        readonly buffer: Buffer
        readonly engine: { readonly bytesWritten: number }
      }
      if (buffer.length > left) return TOO_LARGE
      left -= buffer.length
      parts.push(buffer)
      rest = rest.subarray(engine.bytesWritten)
    } while (format === 'zstd' && rest.length > 0)
    return rest.length > 0 ? unread(coding) : joined(parts)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      ? TOO_LARGE
      : broken(coding, error)
  }
}

/** The pieces of a result as they come, and what they take from the budget. */
class Pieces {
  readonly chunks: Buffer[] = []
  bytes = 0
  readonly charge: Charge
  readonly #bounds: InflateBounds
  /** Buffers that are kept whole, and the bytes of the stream or frame under way, which has buffers of its own. */
  #keptBytes = 0
  #frameBytes = 0

  constructor(bounds: InflateBounds) {
    this.#bounds = bounds
    this.charge = new Charge(bounds.budget)
  }

  /** Before a stream begins and with each piece: the buffer that is filled now, and the next, are paid before. */
  reserve(): GuidepostError | undefined {
    const bytes = this.#keptBytes + this.#frameBytes + 2 * PIECE_BYTES
    return this.charge.raise(bytes) ? undefined : overloaded(this.#bounds.budget, PIECE_BYTES)
  }

  take(piece: Buffer): GuidepostError | undefined {
    this.bytes += piece.length
    if (this.bytes > this.#bounds.bytesMax) return inflatesTooFar(this.#bounds.bytesMax, this.#bounds.key)
    this.#frameBytes += piece.length
    this.chunks.push(piece)
    return this.reserve()
  }

  /** A buffer that is filled in part is kept whole. */
  endFrame(): void {
    this.#keptBytes += Math.ceil(this.#frameBytes / PIECE_BYTES) * PIECE_BYTES
    this.#frameBytes = 0
  }

  body(): Body {
    this.charge.lower(this.#keptBytes)
    return new Inflated(this.chunks, this.bytes, this.charge)
  }
}

/** The same by node's thread pool. Each piece is charged before it is there. */
async function inflateInPieces(
  coding: Coding,
  chunks: readonly Buffer[],
  bytes: number,
  bounds: InflateBounds,
): Promise<Body | GuidepostError> {
  const pieces = new Pieces(bounds)
  const format = formatOf(coding, chunks[0] ?? Buffer.alloc(0))
  const refuse = (refusal: GuidepostError): GuidepostError => {
    pieces.charge.lower(0)
    return refusal
  }
  let readBytes = 0
  for (let frames = 0; frames < limits.zstdFramesMax; frames++) {
    const refusal = pieces.reserve()
    if (refusal !== undefined) return refuse(refusal)
    const result = await inflateStream(coding, format, behind(chunks, readBytes), pieces)
    if (result instanceof GuidepostError) return refuse(result)
    pieces.endFrame()
    readBytes += result
    if (readBytes === bytes) return pieces.body()
    if (format !== 'zstd') return refuse(unread(coding))
  }
  return refuse(tooManyFrames())
}

/** One stream or frame into `pieces`; how many bytes of the input it was. Never rejects. */
function inflateStream(
  coding: Coding,
  format: Format,
  input: readonly Buffer[],
  pieces: Pieces,
): Promise<number | GuidepostError> {
  return new Promise((resolve) => {
    try {
      const { stream: open, options } = formats[format]
      const stream = open({ ...options, chunkSize: PIECE_BYTES })
      stream.on('data', (piece: Buffer) => {
        const refusal = pieces.take(piece)
        if (refusal === undefined) return
        stream.destroy()
        resolve(refusal)
      })
      stream.on('end', () => resolve(stream.bytesWritten))
      stream.on('error', (error) => resolve(broken(coding, error)))
      for (const chunk of input) stream.write(chunk)
      stream.end()
    } catch (error) {
      resolve(broken(coding, error))
    }
  })
}

let underWay = 0
const waiting: (() => void)[] = []

/** A decoder's window is on nobody's account, 16 MiB of it at worst: only so many work at once. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (underWay < limits.inflatesMax) underWay++
  else await new Promise<void>((resolve) => waiting.push(resolve))
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) underWay--
    else next()
  }
}

/**
 * How large the result says it will be, undefined when it does not say; only a hint, which is not believed. gzip ends with
 * it (RFC 1952, 2.3.1: ISIZE, of the last member), a zstd frame begins with it (RFC 8878, 3.1.1.1).
 */
function statedBytes(coding: Coding, chunks: readonly Buffer[], bytes: number): number | undefined {
  const first = chunks[0]
  const last = chunks.at(-1)
  if (coding === 'gzip' && last !== undefined && last.length >= 4) {
    // Deflate makes at most 1,032 bytes of one.
    return Math.min(last.readUInt32LE(last.length - 4), bytes * 1032)
  }
  if (coding === 'zstd' && first !== undefined && first.length >= 18) return zstdContentBytes(first)
  return undefined
}

/** Frame_Content_Size behind magic, descriptor, window and dictionary number. */
function zstdContentBytes(frame: Buffer): number | undefined {
  const descriptor = frame[4]!
  const isSingle = (descriptor & 0x20) !== 0
  const at = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!
  switch (descriptor >> 6) {
    case 0:
      return isSingle ? frame[at] : undefined
    case 1:
      return frame.readUInt16LE(at) + 256
    case 2:
      return frame.readUInt32LE(at)
    default:
      return at + 8 <= frame.length ? Number(frame.readBigUInt64LE(at)) : undefined
  }
}

/** The zlib header (RFC 1950, 2.2) tells itself apart: no encoder begins bare deflate with a stored block so padded. */
function formatOf(coding: Coding, head: Buffer): Format {
  if (coding !== 'deflate') return coding
  const [cmf = 0, flg = 0] = head
  return (cmf & 0x0f) === 8 && (cmf * 256 + flg) % 31 === 0 ? 'zlib' : 'raw'
}

function joined(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

/** What is behind the first `bytes` of `chunks`. */
function behind(chunks: readonly Buffer[], bytes: number): Buffer[] {
  const rest: Buffer[] = []
  let skip = bytes
  for (const chunk of chunks) {
    if (skip < chunk.length) rest.push(chunk.subarray(skip))
    skip = Math.max(skip - chunk.length, 0)
  }
  return rest
}

function broken(coding: Coding, error: unknown): GuidepostError {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (code === 'Z_BUF_ERROR') {
    return permanent('GP_BODY_MALFORMED', `the body ends before its ${coding} does`)
  }
  if (/_MEM_|alloc|INITIALIZATION/i.test(code) || (code === '' && error instanceof RangeError)) {
    return retryable('GP_OVERLOADED', 'there is no memory for the body now; try again', error)
  }
  return permanent('GP_BODY_MALFORMED', `the body is not ${coding}: ${message}`)
}

function unread(coding: Coding): GuidepostError {
  return permanent('GP_BODY_MALFORMED', `bytes follow behind the end of the body's ${coding}`)
}

function tooManyFrames(): GuidepostError {
  return permanent('GP_BODY_MALFORMED', `the body is more than ${limits.zstdFramesMax} zstd frames; send one`)
}
