/** Where UTF-8 (RFC 3629, section 4) breaks off: slow, for bytes that are known to be wrong somewhere. */

/** Index of the first byte of the first sequence that is not UTF-8, `bytes.length` when there is none. */
export function firstInvalidUtf8(bytes: Buffer): number {
  let at = 0
  while (at < bytes.length) {
    const size = sequenceSize(bytes, at)
    if (size === 0) break
    at += size
  }
  return at
}

function sequenceSize(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0
  if (first < 0x80) return 1
  if (first < 0xc2 || first > 0xf4) return 0
  const size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  for (let index = at + 1; index < at + size; index++) {
    if (((bytes[index] ?? 0) & 0xc0) !== 0x80) return 0
  }
  const second = bytes[at + 1] ?? 0
  // Longer than need be, a surrogate, above U+10FFFF.
  if (first === 0xe0 && second < 0xa0) return 0
  if (first === 0xed && second > 0x9f) return 0
  if (first === 0xf0 && second < 0x90) return 0
  return first === 0xf4 && second > 0x8f ? 0 : size
}
