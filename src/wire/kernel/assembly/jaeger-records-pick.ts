// What is taken out of a Jaeger span, its logs and its processes: each tag of the stamp's name. Sizes and copies of what is left;
// everything here reads spans that were checked.

import { isStampKey, readKeyValue } from './jaeger-records-check'
import { copyLoose } from './memory'
import { fieldNumber, length, readLength, readTag, skipValue, varintBytes, wireType, writeVarint } from './wire'

/** Copies the bytes between two addresses; where the copy ends. */
@inline
export function put(out: usize, from: usize, to: usize): usize {
  copyLoose(out, from, to - from)
  return out + (to - from)
}

/** Copies the fields of a Process or Log but for each KeyValue (2) of the stamp's name. */
export function pickTags(out: usize, at: usize, end: usize): usize {
  let from = at
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    const valueAt = at
    at = skipValue(at, end, wireType)
    if (field != 2 || !isStampTag(readLength(valueAt, end), at)) continue
    out = put(out, from, fieldAt)
    from = at
  }
  return put(out, from, end)
}

/** Bytes of the tags of the stamp's name that stand in a Log. */
function stampTagsBytes(at: usize, end: usize): usize {
  let bytes: usize = 0
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    const valueAt = at
    at = skipValue(at, end, wireType)
    if (field == 2 && isStampTag(readLength(valueAt, end), at)) bytes += at - fieldAt
  }
  return bytes
}

export function isStampTag(at: usize, end: usize): bool {
  readKeyValue(at, end)
  return isStampKey()
}

/** Copies a log less the fields of the stamp's name; one without such a field as it came, its length too. */
export function putLog(out: usize, fieldAt: usize, lengthAt: usize, end: usize): usize {
  const at = readLength(lengthAt, end)
  const removed = stampTagsBytes(at, end)
  if (removed == 0) return put(out, fieldAt, end)
  out = put(out, fieldAt, lengthAt)
  out = writeVarint(out, <u32>(end - at - removed))
  return pickTags(out, at, end)
}

/** Bytes of a span without its processes and without the tags and log fields of the stamp's name. */
export function restBytesOf(at: usize, end: usize): usize {
  let bytes: usize = 0
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    const field = fieldNumber
    const valueAt = at
    at = skipValue(at, end, wireType)
    if (field == 10) continue
    if (field == 8 && isStampTag(readLength(valueAt, end), at)) continue
    bytes += at - fieldAt
    if (field != 9) continue
    const logAt = readLength(valueAt, end)
    const removed = stampTagsBytes(logAt, at)
    if (removed != 0) bytes = bytes - removed - (logAt - valueAt) + varintBytes(<u32>(at - logAt - removed))
  }
  return bytes
}
