// Hosts of the annotations of a Zipkin span of version 1 (zipkincore.Endpoint: 1 ipv4 i32, 2 port i16, unsigned, 3 service_name,
// 4 ipv6). One of them is the local endpoint that version 2 has.

import { sameBytes } from './memory'
import { T_I16, T_I32, T_STOP, T_STRING, fieldId, fieldType, integer, readField, readI16, readI32, readText, skipField, textAt, textBytes } from './thrift'
import * as z from './zipkin-span'
import { clear } from './zipkin-span'

/** The host of the annotation at hand. */
export const host = memory.data(32)
/** The first host that the span has. */
const firstHost = memory.data(32)
/** The one that is the local endpoint. */
export const ownHost = memory.data(32)
/** How well the local endpoint is known: 1 some host, 2 one with a name, 3 a tag's with a name, 4 that of a core annotation. */
let localRank: i32 = 0
/** Whether there is a host at hand that says something, and whether the span had one before. */
export let isHost = false
let hasHost = false
/** The host at hand as it came, and whether it says something; the next one is mostly the same. */
let hostAt: usize = 0
let hostBytes: usize = 0
let isHostFull = false
/** The rank at which the host at hand was considered last. */
let consideredRank: i32 = 0
/** Whether some host may be another one than the local endpoint. */
export let hostsDiffer = false

/** Begins a payload: no host was read from it. */
export function hostsForget(): void {
  hostBytes = 0
}

/** Begins an annotation: it has no host so far. */
@inline
export function hostNone(): void {
  isHost = false
}

/** Some host is another one than the local endpoint for certain. */
export function hostElsewhere(): void {
  hostsDiffer = true
}

/** Begins a span. */
export function hostsBegin(): void {
  localRank = 0
  consideredRank = 0
  hasHost = false
  hostsDiffer = false
  clear(ownHost)
}

export function copyHost(to: usize, from: usize): void {
  store<v128>(to, load<v128>(from))
  store<v128>(to, load<v128>(from, 16), 16)
  if (load<u32>(to, z.E_IPV4_BYTES) != 0) store<u32>(to, <u32>(to + z.E_IPV4_VALUE), z.E_IPV4)
}

function sameText(a: usize, b: usize): bool {
  const bytes = load<u32>(a, 4)
  return bytes == load<u32>(b, 4) && sameBytes(load<u32>(a), load<u32>(b), bytes)
}

function sameHost(a: usize, b: usize): bool {
  if (load<u32>(a, z.E_PORT) != load<u32>(b, z.E_PORT) || load<u32>(a, z.E_IPV4_VALUE) != load<u32>(b, z.E_IPV4_VALUE)) return false
  return sameText(a + z.E_NAME, b + z.E_NAME) && sameText(a + z.E_IPV6, b + z.E_IPV6)
}

/** Whether the host at hand says something that the span's own endpoint does not. */
@inline
export function isOther(): bool {
  return isHost && !sameHost(host, ownHost)
}

/** The host at hand may be the local endpoint: the first of the highest rank is, of tags the last. */
export function considerHost(rank: i32): void {
  // A tag's host counts anew, unless better ones are known.
  if (!isHost || (rank <= consideredRank && (rank != 3 || localRank > 3))) return
  consideredRank = rank
  if (!hasHost) {
    hasHost = true
    copyHost(firstHost, host)
  } else if (!hostsDiffer && !sameHost(host, firstHost)) hostsDiffer = true
  if (load<u32>(host, z.E_NAME_BYTES) == 0) rank = 1
  if (rank < localRank || (rank == localRank && rank != 3)) return
  localRank = rank
  copyHost(ownHost, host)
}

/** Reads the host of the annotation at hand; the address behind it, or 0. */
export function readHost<P>(at: usize, end: usize): usize {
  if (hostBytes != 0 && end - at >= hostBytes && sameBytes(at, hostAt, hostBytes)) {
    isHost = isHostFull
    return at + hostBytes
  }
  const start = at
  hostBytes = 0
  at = parseHost<P>(at, end)
  if (at == 0) return 0
  hostAt = start
  hostBytes = at - start
  consideredRank = 0
  isHostFull = (load<u32>(host, z.E_NAME_BYTES) | load<u32>(host, z.E_IPV4_BYTES) | load<u32>(host, z.E_IPV6_BYTES) | load<u32>(host, z.E_PORT)) != 0
  isHost = isHostFull
  return at
}

function parseHost<P>(at: usize, end: usize): usize {
  clear(host)
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0 || fieldType == T_STOP) return at
    id = fieldId
    const type = fieldType
    if (type == T_I32 && id == 1) {
      at = readI32<P>(at, end)
      store<u32>(host, bswap(<u32>integer), z.E_IPV4_VALUE)
      store<u32>(host, <u32>(host + z.E_IPV4_VALUE), z.E_IPV4)
      store<u32>(host, integer == 0 ? 0 : 4, z.E_IPV4_BYTES)
    } else if (type == T_I16 && id == 2) {
      at = readI16<P>(at, end)
      store<u32>(host, <u32>integer & 0xffff, z.E_PORT)
    } else if (type == T_STRING && (id == 3 || id == 4)) {
      at = readText<P>(at, end)
      const part = host + (id == 3 ? z.E_NAME : z.E_IPV6)
      store<u32>(part, <u32>textAt)
      store<u32>(part, <u32>textBytes, 4)
    } else at = skipField<P>(at, end)
    if (at == 0) return 0
  }
}
