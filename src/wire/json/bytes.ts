/** Bytes as texts: hexadecimal, and base64 (RFC 4648, sections 4 and 5) in either alphabet, padded or not. */
import { hexDigit } from './scanner.ts'

const sextets = new Int8Array(256).fill(-1)
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
for (let value = 0; value < alphabet.length; value++) sextets[alphabet.charCodeAt(value)] = value
for (const character of '+-') sextets[character.charCodeAt(0)] = 62
for (const character of '/_') sextets[character.charCodeAt(0)] = 63

const padding = 0x3d

/** Writes half as many bytes as the text has digits. Returns -1, or the index of the first byte that is no digit. */
export function putHex(text: Buffer, from: number, to: number, target: Buffer, targetAt: number): number {
  for (let at = from; at < to; at += 2) {
    const high = hexDigit(text[at])
    const low = hexDigit(text[at + 1])
    if (high < 0 || low < 0) return high < 0 ? at : at + 1
    target[targetAt++] = high * 16 + low
  }
  return -1
}

/** Bytes that a base64 text of this length becomes when nothing is wrong with it, -1 when no text has this length. */
export function base64Size(text: Buffer, from: number, to: number): number {
  const end = base64End(text, from, to)
  const isPadded = end < to
  if (isPadded && (to - from) % 4 !== 0) return -1
  return (end - from) % 4 === 1 ? -1 : Math.floor(((end - from) * 3) / 4)
}

/** Writes the bytes. Returns -1, or the index of the first byte that is of no alphabet. */
export function putBase64(text: Buffer, from: number, to: number, target: Buffer, targetAt: number): number {
  const end = base64End(text, from, to)
  let bits = 0
  let count = 0
  for (let at = from; at < end; at++) {
    const sextet = sextets[text[at]!]!
    if (sextet < 0) return at
    bits = ((bits & 0xff) << 6) | sextet
    count += 6
    if (count < 8) continue
    count -= 8
    target[targetAt++] = bits >> count
  }
  return -1
}

function base64End(text: Buffer, from: number, to: number): number {
  let end = to
  while (end > from && to - end < 2 && text[end - 1] === padding) end -= 1
  return end
}
