// The ScopeSpans and ResourceSpans around spans that come one after another. Which scope a span has is known when its tags
// have been read, so a span of another scope than the one before is moved behind the new beginning.

import {
  A_TEXT,
  attribute,
  attributesDropped,
  attributesForget,
  distinctAttributes,
  endOfAttributes,
  firstAttribute,
  keyBytesOf,
  keyOf,
  nextAttribute,
  takeAttribute,
  typeOf,
  valueBytesOf,
  valueOf,
  writeAttribute,
  writeAttributes,
} from './attributes'
import {
  EXPORTER_VERSION,
  EXPORTER_VERSION_BYTES,
  HOSTNAME,
  HOST_NAME,
  HOST_NAME_BYTES,
  JAEGER_PREFIX_BYTES,
  JAEGER_VERSION,
  NO_ROLE,
  SERVICE_NAME_BYTES,
  exporterVersion,
  hostName,
  isNoService,
  jaegerPrefix,
  processRoleOf,
  serviceName,
} from './jaeger-names'
import { sameBytes } from './memory'
import { close, open, openWidth, out, outTo, outputCode, putBytes, putTag, putText, putVarint, room } from './output'
import { varintBytes } from './wire'

let resourceMark: usize = 0
let scopeMark: usize = 0
/** Bytes that the lengths of the open ResourceSpans and ScopeSpans likely take. */
let width: usize = 0
let spanAt: usize = 0
let spanMark: usize = 0

/** Name and version of the scope that is open, and of the span at hand; all lie in the payload. */
let openName: usize = 0
let openNameBytes: usize = 0
let openVersion: usize = 0
let openVersionBytes: usize = 0
let name: usize = 0
let nameBytes: usize = 0
let version: usize = 0
let versionBytes: usize = 0

/** Begins a ResourceSpans (field 1 of the request) that likely takes `bytes` bytes. */
export function resourceSpansBegin(bytes: usize): void {
  width = varintBytes(<u32>bytes)
  if (!room(16)) return
  resourceMark = openWidth(0x0a, width)
  scopeMark = 0
}

export function resourceSpansEnd(): void {
  if (outputCode != 0) return
  if (scopeMark != 0) close(scopeMark, width)
  close(resourceMark, width)
}

/** Puts the service's name into the table of attributes, where a tag of the process may replace it. */
export function serviceIs(at: usize, bytes: usize): void {
  if (!isNoService(at, bytes)) attribute(serviceName, SERVICE_NAME_BYTES, A_TEXT, <u64>at, bytes)
}

/** Writes the resource of the attributes in the table. 0 or E_ROWS. */
export function writeResource(): i32 {
  const code = distinctAttributes()
  if (code != 0) return code
  let hostnameRow: usize = 0
  let hasHostName = false
  let versionRow: usize = 0
  let hasExporter = false
  const end = endOfAttributes()
  for (let row = firstAttribute(); row < end; row = nextAttribute(row)) {
    const role = processRoleOf(keyOf(row), keyBytesOf(row))
    if (role == NO_ROLE) continue
    // A repeated key has its row before.
    if (role == HOSTNAME && hostnameRow == 0) hostnameRow = row
    else if (role == HOST_NAME) hasHostName = true
    else if (role == JAEGER_VERSION && versionRow == 0) versionRow = row
    else if (role == EXPORTER_VERSION) hasExporter = true
  }
  const isRenamed = hostnameRow != 0 && !hasHostName
  const hostnameType = isRenamed ? typeOf(hostnameRow) : 0
  if (isRenamed) takeAttribute(hostnameRow)
  const hasVersion = versionRow != 0 && !hasExporter && typeOf(versionRow) == A_TEXT
  if (hasVersion) takeAttribute(versionRow)
  if (firstAttribute() == end || !room(16)) return 0
  const mark = open(0x0a)
  writeAttributes(0x0a)
  if (isRenamed) {
    writeAttribute(0x0a, hostnameType, hostName, HOST_NAME_BYTES, valueOf(hostnameRow), valueBytesOf(hostnameRow))
  }
  if (hasVersion) writeExporter(<usize>valueOf(versionRow), valueBytesOf(versionRow))
  if (attributesDropped != 0 && room(8)) {
    putTag(0x10)
    putVarint(attributesDropped)
  }
  close(mark)
  attributesForget()
  return 0
}

function writeExporter(at: usize, bytes: usize): void {
  if (!room(bytes + 64)) return
  const mark = open(0x0a)
  putText(0x0a, exporterVersion, EXPORTER_VERSION_BYTES)
  const valueMark = open(0x12)
  putTag(0x0a)
  putVarint(JAEGER_PREFIX_BYTES + bytes)
  putBytes(jaegerPrefix, JAEGER_PREFIX_BYTES)
  putBytes(at, bytes)
  close(valueMark)
  close(mark)
}

/** Begins a Span (field 2 of ScopeSpans). */
export function spanBegin(): bool {
  if (!room(64)) return false
  spanAt = out
  spanMark = open(0x12)
  return true
}

/** Forgets what was written of the span. */
export function spanAgain(): void {
  outTo(spanMark)
}

/** Rows of the tags with the name and the version of the span's scope, or 0. */
export function scopeIs(nameRow: usize, versionRow: usize): void {
  nameBytes = 0
  versionBytes = 0
  if (nameRow == 0) return
  name = <usize>valueOf(nameRow)
  nameBytes = valueBytesOf(nameRow)
  if (versionRow == 0) return
  version = <usize>valueOf(versionRow)
  versionBytes = valueBytesOf(versionRow)
}

/** Ends the span. False when there was no room. */
export function spanEnd(): bool {
  if (outputCode != 0) return false
  close(spanMark)
  return (scopeMark != 0 && isOpenScope()) || changeScope()
}

@inline
function isOpenScope(): bool {
  if (nameBytes != openNameBytes || versionBytes != openVersionBytes) return false
  return sameBytes(name, openName, nameBytes) && sameBytes(version, openVersion, versionBytes)
}

function changeScope(): bool {
  const bytes = out - spanAt
  const headBytes = nameBytes + versionBytes + 64
  if (!room(headBytes + bytes)) return false
  const aside = out + headBytes
  memory.copy(aside, spanAt, bytes)
  outTo(spanAt)
  if (scopeMark != 0) close(scopeMark, width)
  scopeMark = openWidth(0x12, width)
  if (nameBytes + versionBytes != 0) {
    const mark = open(0x0a)
    if (nameBytes != 0) putText(0x0a, name, nameBytes)
    if (versionBytes != 0) putText(0x12, version, versionBytes)
    close(mark)
  }
  memory.copy(out, aside, bytes)
  outTo(out + bytes)
  openName = name
  openNameBytes = nameBytes
  openVersion = version
  openVersionBytes = versionBytes
  return true
}
