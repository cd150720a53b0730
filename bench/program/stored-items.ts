/**
 * What a stored record holds: how many items, all of one guid. Written for speed, since whole runs are read back, and
 * without any code of the gateway, so that it may judge it.
 *
 *     remote write 1.0  WriteRequest  1 timeseries { 1 labels { 1 name  2 value } }   3 metadata
 *     remote write 2.0  Request       4 symbols   5 timeseries { 1 labels_refs, pairs of places in symbols }
 *     OTLP metrics      1 resource_metrics { 1 resource { 1 attributes }  2 scope_metrics { 2 metrics } }
 *                       Metric  5 gauge  7 sum  9 histogram  10 exponential_histogram  11 summary, each { 1 data_points }
 *
 * Source: prometheus/prometheus `prompb/remote.proto` and `prompb/io/prometheus/write/v2/types.proto`;
 * opentelemetry-proto 1.11.0 `metrics/v1/metrics.proto`.
 */
import { spansAndValues } from '../support/otlp-spans.ts'

export interface StoredItems {
  readonly items: number
  /** Of every item. */
  readonly guid: string
}

/** Throws when an item has no guid, several, or another than its neighbours. */
export type Inspect = (value: Buffer) => StoredItems

const guidName = 'guid'
const guidBytes = Buffer.from(guidName)
const dataFields = new Set([5, 7, 9, 10, 11])

/** Spans of OTLP. */
export const inspectSpans: Inspect = (value) => {
  const { spans, resources, values } = spansAndValues(value, guidName)
  return { items: spans, guid: oneGuid(values, resources) }
}

/** Data points of OTLP metrics. */
export const inspectPoints: Inspect = (value) => {
  const values: string[] = []
  let resources = 0
  let items = 0
  const cursor = new Cursor(value)
  const resource = (end: number): void => {
    resources++
    cursor.each(end, (field, attributeEnd) => {
      if (field === 1) readAttribute(cursor, attributeEnd, values)
    })
  }
  const metric = (end: number): void =>
    cursor.each(end, (field, dataEnd) => {
      if (!dataFields.has(field)) return
      cursor.each(dataEnd, (inner) => {
        if (inner === 1) items++
      })
    })
  cursor.each(value.length, (top, topEnd) => {
    if (top !== 1) return
    cursor.each(topEnd, (field, end) => {
      if (field === 1) resource(end)
      if (field !== 2) return
      cursor.each(end, (inner, innerEnd) => {
        if (inner === 2) metric(innerEnd)
      })
    })
  })
  return { items, guid: oneGuid(values, resources) }
}

/** KeyValue: 1 key, 2 value { 1 string_value }, in either order. */
function readAttribute(cursor: Cursor, end: number, values: string[]): void {
  let isGuid = false
  let text = ''
  cursor.each(end, (field, fieldEnd) => {
    if (field === 1) isGuid = cursor.isText(fieldEnd)
    else if (field === 2) {
      cursor.each(fieldEnd, (kind, valueEnd) => {
        if (kind === 1) text = cursor.text(valueEnd)
      })
    }
  })
  if (isGuid) values.push(text)
}

function oneGuid(values: readonly string[], places: number): string {
  const guid = values[0] ?? ''
  if (values.length !== places || values.some((value) => value !== guid))
    throw new Error(`a record with ${places} resources holds the guids ${[...new Set(values)].join(', ')}`)
  return guid
}

/** Series and metadata entries of remote write 1.0; an entry of metadata has no guid. */
export const inspectSeriesV1: Inspect = (value) => {
  const cursor = new Cursor(value)
  let guid: string | undefined
  let items = 0
  cursor.each(value.length, (field, end) => {
    if (field === 3) items++
    if (field !== 1) return
    items++
    const [from, to] = guidLabel(cursor, end)
    // Most records hold one text thousands of times: compare before reading it anew.
    if (guid !== undefined && isSame(value, from, to, guid)) return
    const found = value.toString('latin1', from, to)
    if (guid !== undefined) throw new Error(`a record holds the guids ${guid} and ${found}`)
    guid = found
  })
  return { items, guid: guid ?? '' }
}

/** Where the value of the one label `guid` of a series begins and ends. */
function guidLabel(cursor: Cursor, end: number): readonly [number, number] {
  let from = -1
  let to = -1
  while (cursor.at < end) {
    const tag = cursor.varint()
    if (tag !== 0x0a) {
      cursor.skip(tag & 7)
      continue
    }
    const labelEnd = cursor.varint() + cursor.at
    if (isGuidLabel(cursor.bytes, cursor.at)) {
      if (from >= 0) throw new Error('a series with two guids')
      cursor.at += 2 + guidBytes.length
      if (cursor.varint() !== 0x12) throw new Error('a label whose value does not follow its name')
      to = cursor.varint() + cursor.at
      from = cursor.at
    }
    cursor.at = labelEnd
  }
  if (from < 0) throw new Error('a series without a guid')
  return [from, to]
}

function isGuidLabel(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x0a && bytes[at + 1] === guidBytes.length && bytes.readInt32BE(at + 2) === guidWord
}
const guidWord = guidBytes.readInt32BE()

function isSame(bytes: Buffer, from: number, to: number, text: string): boolean {
  if (to - from !== text.length) return false
  for (let at = from; at < to; at++) if (bytes[at] !== text.charCodeAt(at - from)) return false
  return true
}

/** Series of remote write 2.0. */
export const inspectSeriesV2: Inspect = (value) => {
  const cursor = new Cursor(value)
  const symbols: (readonly [number, number])[] = []
  cursor.each(value.length, (field, end) => {
    if (field === 4) symbols.push([cursor.at, end])
  })
  const textOf = (index: number): string => value.toString('utf8', ...symbols[index]!)
  const names = symbols.flatMap((_, index) => (textOf(index) === guidName ? [index] : []))
  if (names.length !== 1) throw new Error(`a record names its guid ${names.length} times`)
  let items = 0
  let only = -1
  cursor.at = 0
  cursor.each(value.length, (field, end) => {
    if (field !== 5) return
    items++
    const found = guidReference(cursor, end, names[0]!)
    if (only >= 0 && found !== only)
      throw new Error(`a record holds the guids ${textOf(only)} and ${textOf(found)}`)
    only = found
  })
  return { items, guid: only < 0 ? '' : textOf(only) }
}

function guidReference(cursor: Cursor, end: number, name: number): number {
  let found = -1
  while (cursor.at < end) {
    const tag = cursor.varint()
    if (tag !== 0x0a) {
      cursor.skip(tag & 7)
      continue
    }
    const refsEnd = cursor.varint() + cursor.at
    while (cursor.at < refsEnd) {
      const isGuid = cursor.varint() === name
      const reference = cursor.varint()
      if (!isGuid) continue
      if (found >= 0) throw new Error('a series with two guids')
      found = reference
    }
  }
  if (found < 0) throw new Error('a series without a guid')
  return found
}

/** A place in a protobuf message. Fields with other than length-delimited values are passed over by `each`. */
class Cursor {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Up to 53 bits; larger ones lose their lowest. */
  varint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) throw new RangeError('a message that is cut short')
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }

  skip(type: number): void {
    if (type === 0) this.varint()
    else if (type === 1) this.at += 8
    else if (type === 2) {
      const length = this.varint()
      this.at += length
    } else if (type === 5) this.at += 4
    else throw new RangeError(`a field of type ${type}`)
  }

  /** Calls `visit` at the begin of each length-delimited field up to `end`, with its number and where it ends. */
  each(end: number, visit: (field: number, end: number) => void): void {
    while (this.at < end) {
      const tag = this.varint()
      if ((tag & 7) !== 2) {
        this.skip(tag & 7)
        continue
      }
      const length = this.varint()
      const next = this.at + length
      if (next > end) throw new RangeError(`a field ends at ${next}, its message at ${end}`)
      visit(tag >>> 3, next)
      this.at = next
    }
  }

  /** Whether the text from here to `end` is the name of the guid. */
  isText(end: number): boolean {
    return isSame(this.bytes, this.at, end, guidName)
  }

  text(end: number): string {
    return this.bytes.toString('utf8', this.at, end)
  }
}
