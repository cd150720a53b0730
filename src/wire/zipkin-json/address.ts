/** Addresses as texts: IPv4 in four decimal parts, and IPv6 (RFC 4291, section 2.2) in all its spellings, without a zone. */
import { hexDigit } from '../json/scanner.ts'

const dot = 0x2e
const colon = 0x3a

export const ipv4Bytes = 4
export const ipv6Bytes = 16

/** Writes the bytes of the address and returns how many they are, 4 or 16; 0 when the text is no address. */
export function putAddress(text: Buffer, from: number, to: number, target: Buffer): number {
  if (putIpv4(text, from, to, target, 0)) return ipv4Bytes
  return putIpv6(text, from, to, target) ? ipv6Bytes : 0
}

function putIpv4(text: Buffer, from: number, to: number, target: Buffer, targetAt: number): boolean {
  let at = from
  for (let part = 0; part < ipv4Bytes; part++) {
    if (part > 0 && (at >= to || text[at++] !== dot)) return false
    const digitsFrom = at
    let value = 0
    while (at < to && at - digitsFrom < 3 && text[at]! >= 0x30 && text[at]! <= 0x39) {
      value = value * 10 + text[at++]! - 0x30
    }
    if (at === digitsFrom || value > 0xff) return false
    target[targetAt + part] = value
  }
  return at === to
}

function putIpv6(text: Buffer, from: number, to: number, target: Buffer): boolean {
  const isGap = (at: number) => at + 1 < to && text[at] === colon && text[at + 1] === colon
  let at = from
  let count = 0
  /** Bytes before the zeros that `::` stands for, -1 without one. */
  let gap = -1
  if (isGap(at)) {
    gap = 0
    at += 2
  }
  while (at < to) {
    const groupAt = at
    let group = 0
    for (; at < to && at - groupAt < 4 && hexDigit(text[at]) >= 0; at++)
      group = group * 16 + hexDigit(text[at])
    if (at === groupAt || count > ipv6Bytes - 2) return false
    if (at < to && text[at] === dot) {
      if (count > ipv6Bytes - ipv4Bytes || !putIpv4(text, groupAt, to, target, count)) return false
      count += ipv4Bytes
      break
    }
    target[count++] = group >> 8
    target[count++] = group & 0xff
    if (at === to) break
    if (isGap(at)) {
      if (gap >= 0) return false
      gap = count
      at += 2
    } else if (text[at] !== colon || ++at === to) return false
  }
  if (gap < 0) return count === ipv6Bytes
  if (count === ipv6Bytes) return false
  const behind = ipv6Bytes - (count - gap)
  target.copyWithin(behind, gap, count)
  target.fill(0, gap, behind)
  return true
}
