/**
 * Strings in the Huffman code of HPACK.
 *
 * Source: RFC 7541, 5.2 and Appendix B. The code is canonical: codes of one length are consecutive in the order of their
 * symbols, and follow those that are shorter. So the lengths say all of it. Symbols are octets, and EOS, which must not
 * occur in a string; the last octet is filled up with the first bits of EOS, which are ones, seven of them at most.
 *
 * The code's tree has 256 inner nodes, each of which is a state; a string is read in halves of octets, with one look into
 * a table for each. No code is shorter than five bits, so half an octet ends one symbol at most.
 */
import { limits } from '../../limits.ts'

/** Bits of the codes of octets 0 to 255 and of EOS. */
const CODE_BITS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
]
const EOS = 256
const STATES = 256
const SHORTEST_CODE_BITS = 5
const PADDING_BITS_MAX = 7

/** In a node of the tree: not the number of another node, but a symbol. */
const LEAF = 512
/** In a transition: state in the lowest octet, symbol in the next; this bit when there is a symbol; -1 is an EOS. */
const EMITS = 1 << 16

const nodes = tree()
const transitions = transitionTable()
const mayEndIn = endStates()

/** Holds a decoded string while it becomes one of JavaScript; longer ones get memory of their own. */
const scratch = Buffer.allocUnsafeSlow(decodedBytesMax(limits.headerBytesMax))

/** The decoded string, an octet a character; undefined when it holds EOS or does not end as it must. */
export function huffmanDecoded(block: Buffer, from: number, to: number): string | undefined {
  const bytesMax = decodedBytesMax(to - from)
  const text = bytesMax <= scratch.length ? scratch : Buffer.allocUnsafe(bytesMax)
  let length = 0
  let state = 0
  for (let at = from; at < to; at++) {
    const byte = block[at]!
    let step = transitions[(state << 4) | (byte >>> 4)]!
    if (step < 0) return undefined
    if (step >= EMITS) text[length++] = step >>> 8
    step = transitions[((step & 0xff) << 4) | (byte & 0x0f)]!
    if (step < 0) return undefined
    if (step >= EMITS) text[length++] = step >>> 8
    state = step & 0xff
  }
  return mayEndIn[state] === 1 ? text.toString('latin1', 0, length) : undefined
}

function decodedBytesMax(bytes: number): number {
  return Math.floor((bytes * 8) / SHORTEST_CODE_BITS)
}

/** Two entries for each inner node, by the next bit: another node, or a leaf. Node 0 is the root, and nobody's child. */
function tree(): Uint16Array {
  const children = new Uint16Array(2 * STATES)
  const symbols = CODE_BITS.map((bits, symbol) => ({ bits, symbol })).sort(
    (left, right) => left.bits - right.bits || left.symbol - right.symbol,
  )
  let count = 1
  let code = 0
  let codeBits = 0
  for (const { bits, symbol } of symbols) {
    code <<= bits - codeBits
    codeBits = bits
    let node = 0
    for (let bit = bits - 1; bit > 0; bit--) {
      const child = 2 * node + ((code >>> bit) & 1)
      if (children[child] === 0) children[child] = count++
      node = children[child]!
    }
    children[2 * node + (code & 1)] = LEAF | symbol
    code++
  }
  return children
}

function transitionTable(): Int32Array {
  const table = new Int32Array(STATES * 16)
  for (let at = 0; at < table.length; at++) {
    let node = at >>> 4
    let emitted = 0
    for (let bit = 3; bit >= 0 && emitted >= 0; bit--) {
      const child = nodes[2 * node + ((at >>> bit) & 1)]!
      if (child < LEAF) {
        node = child
      } else {
        node = 0
        emitted = child === (LEAF | EOS) ? -1 : EMITS | ((child & 0xff) << 8)
      }
    }
    table[at] = emitted < 0 ? -1 : emitted | node
  }
  return table
}

/** The states that are a few ones away from the root. */
function endStates(): Uint8Array {
  const table = new Uint8Array(STATES)
  let node = 0
  for (let ones = 0; ones <= PADDING_BITS_MAX; ones++) {
    table[node] = 1
    node = nodes[2 * node + 1]!
  }
  return table
}
