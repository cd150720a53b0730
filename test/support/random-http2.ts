/** Random requests as frames of HTTP/2, as a client may send them: with a plain encoder, in any order, padded, in parts. */
import { frame } from './grpc-raw.ts'
import type { Random } from './random.ts'

const END_STREAM = 1
const END_HEADERS = 4
const PADDED = 8
const PRIORITY = 0x20

/** What is to become of a request. */
export interface Meant {
  readonly id: number
  /** Names and values in turn. */
  readonly list: string[]
  body: string
  hasEnded: boolean
}

export interface RandomRequests {
  readonly frames: Buffer[]
  readonly meant: Meant[]
}

/** Requests that lie in each other; some are not ended. Less than any window in all. */
export function randomRequests(random: Random): RandomRequests {
  const frames: Buffer[] = []
  const meant: Meant[] = []
  const open: Meant[] = []
  let id = random.oneIn(3) ? 1 + 2 * random.below(1_000) : 1
  for (let step = 1 + random.below(40); step > 0; step--) {
    if (open.length === 0 || random.oneIn(4)) {
      const request: Meant = { id, list: fields(random), body: '', hasEnded: random.oneIn(6) }
      id += random.oneIn(10) ? 2 + 2 * random.below(50) : 2
      meant.push(request)
      if (!request.hasEnded) open.push(request)
      frames.push(...headers(random, request.id, request.list, request.hasEnded))
      continue
    }
    const request = random.pick(open)
    if (random.oneIn(3)) frames.push(anything(random, request.id))
    else frames.push(...more(random, request))
    if (request.hasEnded) open.splice(open.indexOf(request), 1)
  }
  return { frames, meant }
}

/** The same bytes in pieces of any size; one in eight times one byte at a time. */
export function cut(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  const most = random.pick([1, 20, 200, 2_000, 20_000, 200_000, 200_000, 200_000])
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random.below(most)
    pieces.push(bytes.subarray(at, end))
    at = end
  }
  return pieces
}

/** More of a body, or its end, by DATA or by trailers. */
function more(random: Random, request: Meant): Buffer[] {
  request.hasEnded = random.oneIn(3)
  if (request.hasEnded && random.oneIn(4)) return headers(random, request.id, ['x-trailer', 'a'], true)
  const size = random.oneIn(12) ? random.below(50_000) : random.below(300)
  // A frame without a byte is a fault when it does not end anything.
  const bytes = Buffer.alloc(request.hasEnded ? size : size + 1, 0x61 + random.below(26))
  request.body += bytes.toString('latin1')
  const flags = request.hasEnded ? END_STREAM : 0
  return [padded(random, 0, flags, request.id, bytes)]
}

function padded(random: Random, type: number, flags: number, id: number, payload: Buffer): Buffer {
  if (!random.oneIn(3)) return frame(type, flags, id, payload)
  const padding = random.oneIn(3) ? random.below(256) : random.below(4)
  return frame(type, flags | PADDED, id, Buffer.concat([Buffer.of(padding), payload, Buffer.alloc(padding)]))
}

/** HEADERS, and CONTINUATION behind it when the block is cut. */
function headers(random: Random, id: number, list: readonly string[], isEnd: boolean): Buffer[] {
  const block = encoded(random, list)
  const parts = random.oneIn(4) ? cutInParts(random, block) : [block]
  return parts.map((part, i) => {
    const flags = i === parts.length - 1 ? END_HEADERS : 0
    if (i > 0) return frame(9, flags, id, part)
    const first = flags | (isEnd ? END_STREAM : 0)
    if (!random.oneIn(5)) return padded(random, 1, first, id, part)
    // It depends on itself as often as not, which is passed over.
    const priority = Buffer.from([0, 0, 0, random.below(10), random.below(256)])
    return padded(random, 1, first | PRIORITY, id, Buffer.concat([priority, part]))
  })
}

function cutInParts(random: Random, block: Buffer): Buffer[] {
  const at = random.below(block.length + 1)
  const rest = block.subarray(at)
  return random.oneIn(2)
    ? [block.subarray(0, at), rest]
    : [block.subarray(0, at), ...cutInParts(random, rest)]
}

function fields(random: Random): string[] {
  const list = [':method', 'POST', ':scheme', 'http', ':path', '/a']
  for (let i = random.below(6); i > 0; i--) list.push(`x-${random.below(4)}`, 'v'.repeat(random.below(200)))
  return list
}

/** RFC 7541, 6.2: literals, with and without a place in the table, and the table's size now and then. */
function encoded(random: Random, list: readonly string[]): Buffer {
  const parts: Buffer[] = []
  if (random.oneIn(5)) parts.push(Buffer.from(random.pick([[0x20], [0x3f, 0x45], [0x3f, 0xe1, 0x1f]])))
  for (let i = 0; i < list.length; i += 2) {
    parts.push(Buffer.of(random.pick([0, 0x10, 0x40])), text(list[i]!), text(list[i + 1]!))
  }
  return Buffer.concat(parts)
}

function text(value: string): Buffer {
  const { length } = value
  const prefix = length < 127 ? [length] : [127, ((length - 127) & 127) | 128, (length - 127) >> 7]
  return Buffer.concat([Buffer.from(prefix), Buffer.from(value)])
}

/** What changes nothing. */
function anything(random: Random, id: number): Buffer {
  switch (random.below(5)) {
    case 0:
      return frame(6, random.below(2), 0, Buffer.alloc(8, random.below(256)))
    case 1:
      return frame(8, 0, random.pick([0, id]), Buffer.from([0, 0, 0, 1 + random.below(255)]))
    case 2:
      return frame(2, 0, id, Buffer.alloc(5))
    case 3:
      return frame(4, 0, 0, Buffer.from([0, 3, 0, 0, 0, random.below(256)]))
    default:
      return frame(
        10 + random.below(246),
        random.below(256),
        random.pick([0, id, 0x7fff_ffff]),
        Buffer.alloc(random.below(300)),
      )
  }
}
