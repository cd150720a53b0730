// Texts that a translation of Zipkin makes: addresses (RFC 5952 for IPv6, as Go's net.IP prints them) and numbers.

/** Writes an address of 4 or 16 bytes as text, at most 39 bytes; how many. 0 when it is of another length. */
export function formatIp(to: usize, at: usize, bytes: usize): usize {
  if (bytes == 4) return formatIpv4(to, at)
  if (bytes != 16) return 0
  // ::ffff:a.b.c.d is an IPv4 address.
  if (load<u64>(at) == 0 && load<u32>(at, 8) == 0xffff0000) return formatIpv4(to, at + 12)
  let zerosAt: i32 = -1
  let zeros: i32 = 1
  for (let i = 0; i < 8; i++) {
    let n = i
    while (n < 8 && load<u16>(at + (<usize>n << 1)) == 0) n++
    if (n - i > zeros) {
      zerosAt = i
      zeros = n - i
    }
    if (n > i) i = n
  }
  const start = to
  for (let i = 0; i < 8; i++) {
    if (i == zerosAt) {
      store<u16>(to, 0x3a3a)
      to += 2
      i += zeros - 1
      continue
    }
    if (i > 0 && i != zerosAt + zeros) store<u8>(to++, 0x3a)
    if (zerosAt < 0 && i == 0) to = start
    to = writeHex(to, bswap(load<u16>(at + (<usize>i << 1))))
  }
  return to - start
}

function formatIpv4(to: usize, at: usize): usize {
  const start = to
  for (let i: usize = 0; i < 4; i++) {
    if (i > 0) store<u8>(to++, 0x2e)
    to += formatU64(to, load<u8>(at + i))
  }
  return to - start
}

function writeHex(to: usize, value: u16): usize {
  let shift: u32 = value > 0xfff ? 12 : value > 0xff ? 8 : value > 0xf ? 4 : 0
  while (true) {
    const digit = ((<u32>value >> shift) & 15) as u8
    store<u8>(to++, digit < 10 ? 0x30 + digit : 0x57 + digit)
    if (shift == 0) return to
    shift -= 4
  }
}

/** Writes a number in decimal, at most 20 bytes; how many. */
export function formatU64(to: usize, value: u64): usize {
  let bytes: usize = 1
  for (let rest = value; rest >= 10; rest /= 10) bytes++
  let at = to + bytes
  do {
    store<u8>(--at, 0x30 + <u8>(value % 10))
    value /= 10
  } while (value != 0)
  return bytes
}
