/**
 * Which partition a record belongs to. The hash is the one that Java clients and kafkajs use by default (murmur2,
 * org.apache.kafka.common.utils.Utils), so that other producers with the same key agree with the gateway. It is
 * written here because @platformatic/kafka's default partitioner differs from Java's and its hash works on bigints,
 * two orders of magnitude slower.
 */

const seed = 0x9747b28c
const multiplier = 0x5bd1e995

/** The 32-bit murmur2 of `key`, as a signed integer like Java's. */
export function murmur2(key: Uint8Array): number {
  const length = key.length
  let hash = seed ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let word = key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24)
    word = Math.imul(word, multiplier)
    word ^= word >>> 24
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier)
  }
  const rest = length - at
  if (rest > 0) {
    if (rest === 3) hash ^= key[at + 2]! << 16
    if (rest >= 2) hash ^= key[at + 1]! << 8
    hash = Math.imul(hash ^ key[at]!, multiplier)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, multiplier)
  return hash ^ (hash >>> 15)
}

/** The same of a text's UTF-8. Keys are mostly short and ASCII: of those no bytes are made. */
function murmur2OfText(text: string): number {
  const { length } = text
  let hash = seed ^ length
  let word = 0
  let all = 0
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at)
    all |= code
    word |= code << ((at & 3) << 3)
    if ((at & 3) < 3) continue
    word = Math.imul(word, multiplier)
    word ^= word >>> 24
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier)
    word = 0
  }
  if (all > 0x7f) return murmur2(Buffer.from(text))
  if ((length & 3) > 0) hash = Math.imul(hash ^ word, multiplier)
  hash ^= hash >>> 13
  hash = Math.imul(hash, multiplier)
  return hash ^ (hash >>> 15)
}

/**
 * The partition of a record with this key. With `spread` 1 it is the one that Java's default partitioner picks. With
 * more, a guid's records lie in `spread` neighbouring partitions, and those of one `sender` (a number of 0 or more)
 * always in the same one.
 */
export function partitionOf(key: string, sender: number, spread: number, partitions: number): number {
  const hash = murmur2OfText(key) & 0x7fffffff
  const shift = spread > 1 ? sender % Math.min(spread, partitions) : 0
  return (hash + shift) % partitions
}
