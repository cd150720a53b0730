// The tags of the Zipkin span at hand that have a role (`zipkin-names.ts`) or whose name a rule looks for. Each role has a slot for
// the last value of its name, each link a row; all other tags are attributes at once. Who finds a meaning in a tag takes it out
// of its slot; what stays in one goes to the resource, or becomes an attribute after all.

import { A_BYTES, A_INT, A_TEXT, attribute, attributesForget } from './attributes'
import { sameBytes } from './memory'
import * as name from './zipkin-names'
import { LINK_ROLE, NO_ROLE, RESOURCE_ROLES, ROLES, RULE_ROLE, roleName, roleNameBytes, roleOf } from './zipkin-names'
import { matchName } from './rules'

/** Whether the span is of version 1: its times are signed, and older names speak of its status. */
export let isV1: bool = false
/** Values that another one of the same name stands for, beside those that the attributes' table counts. */
export let droppedValues: u32 = 0

/** By role: address of the name, its bytes, type, bytes of the value, value (an address or the number's bits). */
const slots = memory.data(144 * 32)
const SLOT_BYTES: usize = 32
export const S_NAME: usize = 0
export const S_NAME_BYTES: usize = 4
export const S_TYPE: usize = 8
export const S_BYTES: usize = 12
export const S_VALUE: usize = 16
/** A bit for each slot that is in use; for each link. */
const used = memory.data(24)
const usedLinks = memory.data(16)
/** By number: address of the name, its bytes, address of the value, its bytes. */
const links = memory.data(128 * 16)

export function slotsBegin(v1: bool): void {
  isV1 = v1
  attributesForget()
  store<u64>(used, 0)
  store<u64>(used, 0, 8)
  store<u64>(used, 0, 16)
  store<u64>(usedLinks, 0)
  store<u64>(usedLinks, 0, 8)
  droppedValues = 0
}

@inline
export function slotOf(role: i32): usize {
  return slots + <usize>role * SLOT_BYTES
}

@inline
export function isUsed(role: i32): bool {
  return ((load<u64>(used + ((<usize>role >> 6) << 3)) >> (<u64>role & 63)) & 1) != 0
}

@inline
export function release(role: i32): void {
  const word = used + ((<usize>role >> 6) << 3)
  store<u64>(word, load<u64>(word) & ~(<u64>1 << (<u64>role & 63)))
}

/** The first slot of the resource from `role` on, or ROLES. */
export function nextResourceRole(role: i32): i32 {
  while (role < ROLES) {
    if (role >= RESOURCE_ROLES && role < RULE_ROLE) role = RULE_ROLE
    const rest = load<u64>(used + ((<usize>role >> 6) << 3)) >> (<u64>role & 63)
    if (rest == 0) {
      role = (role | 63) + 1
      continue
    }
    role += <i32>ctz(rest)
    if (role < RESOURCE_ROLES || role >= RULE_ROLE) return role
  }
  return ROLES
}

/** Takes a tag. `value` is an address for strings and bytes, else the value's bits. */
export function tag(nameAt: usize, nameBytes: usize, type: u32, value: u64, bytes: usize): void {
  let role = roleOf(nameAt, nameBytes)
  if (role < 0 || role >= RESOURCE_ROLES) {
    const bits = matchName(nameAt, nameBytes)
    if (bits != 0) role = RULE_ROLE + <i32>ctz(bits)
    else if (role < 0 || !hasMeaning(role, type)) {
      if (role >= 0) forgetMeaning(role)
      attribute(nameAt, nameBytes, type, value, bytes)
      return
    } else if (role >= LINK_ROLE) {
      setLink(role - LINK_ROLE, nameAt, nameBytes, <usize>value, bytes)
      return
    }
  }
  setSlot(role, nameAt, nameBytes, type, value, bytes)
}

/** Whether a name with a role means something with a value of this type, in this version. */
function hasMeaning(role: i32, type: u32): bool {
  if (role == name.ERROR) return true
  if (role == name.STATUS_CODE || role == name.CENSUS_CODE || role == name.HTTP_CODE) {
    return (isV1 || role == name.STATUS_CODE) && (type == A_TEXT || type == A_INT)
  }
  if (role >= name.CENSUS_DESCRIPTION && role <= name.HTTP_MESSAGE && !isV1) return false
  return type == A_TEXT
}

/** The last value of a name counts: one before, of a type that means something, is gone. */
function forgetMeaning(role: i32): void {
  const isLink = role >= LINK_ROLE
  const bit = isLink ? role - LINK_ROLE : role
  const word = (isLink ? usedLinks : used) + ((<usize>bit >> 6) << 3)
  const mask = <u64>1 << (<u64>bit & 63)
  if ((load<u64>(word) & mask) == 0) return
  store<u64>(word, load<u64>(word) & ~mask)
  droppedValues++
}

export function setSlot(role: i32, nameAt: usize, nameBytes: usize, type: u32, value: u64, bytes: usize): void {
  const slot = slotOf(role)
  const word = used + ((<usize>role >> 6) << 3)
  const bit = <u64>1 << (<u64>role & 63)
  if ((load<u64>(word) & bit) != 0 && !holds(slot, type, value, bytes)) droppedValues++
  store<u64>(word, load<u64>(word) | bit)
  store<u32>(slot, <u32>nameAt, S_NAME)
  store<u32>(slot, <u32>nameBytes, S_NAME_BYTES)
  store<u32>(slot, type, S_TYPE)
  store<u32>(slot, <u32>bytes, S_BYTES)
  store<u64>(slot, value, S_VALUE)
}

export function holds(slot: usize, type: u32, value: u64, bytes: usize): bool {
  if (load<u32>(slot, S_TYPE) != type) return false
  if (type != A_TEXT && type != A_BYTES) return load<u64>(slot, S_VALUE) == value
  return <usize>load<u32>(slot, S_BYTES) == bytes && sameBytes(<usize>load<u64>(slot, S_VALUE), <usize>value, bytes)
}

function setLink(link: i32, nameAt: usize, nameBytes: usize, at: usize, bytes: usize): void {
  const row = links + (<usize>link << 4)
  const word = usedLinks + ((<usize>link >> 6) << 3)
  const bit = <u64>1 << (<u64>link & 63)
  if ((load<u64>(word) & bit) != 0) {
    const before = load<u32>(row, 12)
    if (<usize>before != bytes || !sameBytes(load<u32>(row, 8), at, bytes)) droppedValues++
  }
  store<u64>(word, load<u64>(word) | bit)
  store<u32>(row, <u32>nameAt)
  store<u32>(row, <u32>nameBytes, 4)
  store<u32>(row, <u32>at, 8)
  store<u32>(row, <u32>bytes, 12)
}

/** The first link from `link` on, or LINKS. */
export function nextLink(link: i32): i32 {
  while (link < name.LINKS) {
    const rest = load<u64>(usedLinks + ((<usize>link >> 6) << 3)) >> (<u64>link & 63)
    if (rest != 0) return link + <i32>ctz(rest)
    link = (link | 63) + 1
  }
  return name.LINKS
}

export function linkAt(link: i32): usize {
  return load<u32>(links + (<usize>link << 4), 8)
}

export function linkBytes(link: i32): usize {
  return load<u32>(links + (<usize>link << 4), 12)
}

/** A link that cannot be read stays what it came as. */
export function linkAsAttribute(link: i32): void {
  const row = links + (<usize>link << 4)
  const word = usedLinks + ((<usize>link >> 6) << 3)
  store<u64>(word, load<u64>(word) & ~(<u64>1 << (<u64>link & 63)))
  attribute(load<u32>(row), load<u32>(row, 4), A_TEXT, load<u32>(row, 8), load<u32>(row, 12))
}

/** An attribute with a name of ours, which a rule may look for as well. */
export function ownAttribute(text: i32, type: u32, value: u64, bytes: usize): void {
  const nameAt = roleName(text)
  const nameBytes = roleNameBytes(text)
  const bits = matchName(nameAt, nameBytes)
  if (bits == 0) attribute(nameAt, nameBytes, type, value, bytes)
  else setSlot(RULE_ROLE + <i32>ctz(bits), nameAt, nameBytes, type, value, bytes)
}

/** What had no meaning after all becomes attributes. */
export function slotsEnd(): void {
  if (((load<u64>(used, 8) >> (<u64>RESOURCE_ROLES - 64)) & ((<u64>1 << <u64>(RULE_ROLE - RESOURCE_ROLES)) - 1)) == 0) return
  for (let role = RESOURCE_ROLES; role < RULE_ROLE; role++) {
    if (isUsed(role)) slotAsAttribute(role)
  }
}

export function slotAsAttribute(role: i32): void {
  const slot = slotOf(role)
  release(role)
  attribute(load<u32>(slot, S_NAME), load<u32>(slot, S_NAME_BYTES), load<u32>(slot, S_TYPE), load<u64>(slot, S_VALUE), load<u32>(slot, S_BYTES))
}

/** The role, taken out of those that become attributes; NO_ROLE when there is no such tag. */
export function take(role: i32): i32 {
  if (!isUsed(role)) return NO_ROLE
  release(role)
  return role
}

/** The same for two names of one thing: the second is taken with the first unless it says something else. */
export function takeEither(first: i32, second: i32): i32 {
  if (!isUsed(first)) return take(second)
  const slot = slotOf(first)
  if (isUsed(second) && holds(slotOf(second), A_TEXT, load<u64>(slot, S_VALUE), load<u32>(slot, S_BYTES))) release(second)
  return take(first)
}
