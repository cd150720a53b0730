/**
 * Reads one series of a remote write request, 1.0 or 2.0, without objects for its labels.
 *
 * 1.0 (prompb/types.proto): TimeSeries: labels = 1, samples = 2, exemplars = 3, histograms = 4; Label: name = 1, value = 2.
 * 2.0 (prompb/io/prometheus/write/v2/types.proto): TimeSeries: labels_refs = 1, samples = 2, histograms = 3, exemplars = 4,
 * metadata = 5; Metadata: type = 1, help_ref = 3, unit_ref = 4.
 * Both: Sample: value = 1, timestamp = 2, in 2.0 start_timestamp = 3.
 */

import type { Contents } from './contents.ts'
import { Cursor } from './cursor.ts'
import type { Resource, Scope, ScopeTexts, Tree } from './tree.ts'
import { type Description, type Part, partOf } from './types.ts'
import { attribute, attributeOf, Writer } from './writer.ts'

/** What a label is used for. */
const PLAIN = 0
const DROPPED = 1
const NAME = 2
const JOB = 3
const INSTANCE = 4
const LE = 5
const QUANTILE = 6
const SCOPE = 7

const SCOPE_PREFIX = 'otel_scope_'
const roles: ReadonlyMap<string, number> = new Map([
  ['__name__', NAME],
  ['job', JOB],
  ['instance', INSTANCE],
  ['le', LE],
  ['quantile', QUANTILE],
])

export class Sample {
  /** Where the eight bytes of the value are; -1 when it is left out, which means 0. */
  valueAt = -1
  /** Unix milliseconds. */
  ms = 0
  /** Unix milliseconds; 0: not known. */
  startMs = 0
}

/** The series that was read last. Texts hold one character per byte. */
export class Series {
  name = ''
  part: Part = 'whole'
  description: Description
  scope: Scope | undefined
  /** The text of the label `le` of a bucket or `quantile` of a quantile; '' for other parts. */
  bound = ''
  /** The attributes of its points as field 7 of NumberDataPoint, without the label `le` or `quantile` of its part. */
  readonly attributes: Writer
  /** Starts and ends of the messages in it, in turn. */
  readonly samples: number[] = []
  readonly histograms: number[] = []
  readonly exemplars: number[] = []
  readonly #message: Buffer
  readonly #cursor: Cursor
  readonly #contents: Contents
  readonly #tree: Tree
  readonly #guidName: string
  /** Of each label: start and end of its name, start and end of its value. */
  readonly #labels: number[] = []
  readonly #roles: number[] = []
  readonly #scratch: Writer
  #type = 0
  #helpRef = 0
  #unitRef = 0

  constructor(contents: Contents, tree: Tree, guidName: string, bytesMax: number) {
    this.#message = contents.message
    this.#cursor = new Cursor(contents.message)
    this.#contents = contents
    this.#tree = tree
    this.#guidName = guidName
    this.attributes = new Writer(256, bytesMax)
    this.#scratch = new Writer(64, bytesMax)
    this.description = contents.describe('', 0, 0, 0)
  }

  /** Reads the series in this range of the message. */
  read(from: number, to: number): void {
    this.samples.length = 0
    this.histograms.length = 0
    this.exemplars.length = 0
    this.#labels.length = 0
    this.#roles.length = 0
    this.#type = this.#helpRef = this.#unitRef = 0
    if (this.#contents.version === 1) this.#readV1(from, to)
    else this.#readV2(from, to)
    this.#understand()
  }

  /** The resource that its job and instance name. */
  get resource(): Resource {
    return this.scope!.resource
  }

  /** Adds every label but those of its identity, as attributes of a resource; later ones replace earlier ones. */
  addTo(attributes: Map<string, string>): void {
    for (let i = 0; i < this.#roles.length; i++) {
      const role = this.#roles[i]!
      if (role === PLAIN || role === LE || role === QUANTILE || role === SCOPE) {
        attributes.set(this.#nameOf(i), this.#valueOf(i))
      }
    }
  }

  /** Which series it is, whatever its metadata says. */
  key(): string {
    this.#scratch.at = 0
    this.#write(this.#scratch, -1)
    return `${this.scope!.key} ${this.name}\0${this.#scratch.toText()}`
  }

  readSample(nth: number, sample: Sample): void {
    const cursor = this.#cursor
    const to = this.samples[2 * nth + 1]!
    cursor.at = this.samples[2 * nth]!
    sample.valueAt = -1
    sample.ms = 0
    sample.startMs = 0
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag === 0x09) {
        sample.valueAt = cursor.at
        cursor.at += 8
      } else if (tag === 0x10) sample.ms = cursor.varint()
      else if (tag === 0x18 && this.#contents.version === 2) sample.startMs = cursor.varint()
      else cursor.skip(tag)
    }
  }

  #readV1(from: number, to: number): void {
    const cursor = this.#cursor
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag === 0x0a) {
        cursor.value()
        this.#label(cursor.from, cursor.to)
      } else if (tag === 0x12) this.#range(this.samples)
      else if (tag === 0x1a) this.#range(this.exemplars)
      else if (tag === 0x22) this.#range(this.histograms)
      else cursor.skip(tag)
    }
  }

  #readV2(from: number, to: number): void {
    const cursor = this.#cursor
    const refs = this.#contents.refs
    refs.length = 0
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag === 0x0a) {
        cursor.value()
        const end = cursor.to
        for (cursor.at = cursor.from; cursor.at < end; ) {
          cursor.varint()
          refs.push(cursor.low >>> 0)
        }
      } else if (tag === 0x08) {
        cursor.varint()
        refs.push(cursor.low >>> 0)
      } else if (tag === 0x12) this.#range(this.samples)
      else if (tag === 0x1a) this.#range(this.histograms)
      else if (tag === 0x22) this.#range(this.exemplars)
      else if (tag === 0x2a) {
        cursor.value()
        this.#metadata(cursor.from, cursor.to)
      } else cursor.skip(tag)
    }
    const { symbols } = this.#contents
    for (let i = 0; i + 1 < refs.length; i += 2) {
      const name = 2 * refs[i]!
      const value = 2 * refs[i + 1]!
      this.#labels.push(symbols[name]!, symbols[name + 1]!, symbols[value]!, symbols[value + 1]!)
      this.#roles.push(this.#contents.symbolRole(refs[i]!, this.#roleOf))
    }
  }

  #range(list: number[]): void {
    this.#cursor.value()
    list.push(this.#cursor.from, this.#cursor.to)
  }

  #label(from: number, to: number): void {
    const cursor = this.#cursor
    const labels = this.#labels
    const at = labels.length
    labels.push(from, from, from, from)
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag !== 0x0a && tag !== 0x12) {
        cursor.skip(tag)
        continue
      }
      cursor.value()
      const place = tag === 0x0a ? at : at + 2
      labels[place] = cursor.from
      labels[place + 1] = cursor.to
    }
    cursor.at = to
    this.#roles.push(this.#roleOf(labels[at]!, labels[at + 1]!))
  }

  /** A message that comes in several parts is merged: what each part holds counts. */
  #metadata(from: number, to: number): void {
    const cursor = this.#cursor
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag === 0x08 || tag === 0x18 || tag === 0x20) cursor.varint()
      else cursor.skip(tag)
      if (tag === 0x08) this.#type = cursor.low
      else if (tag === 0x18) this.#helpRef = cursor.low >>> 0
      else if (tag === 0x20) this.#unitRef = cursor.low >>> 0
    }
    cursor.at = to
  }

  readonly #roleOf = (from: number, to: number): number => {
    const bytes = to - from
    const first = this.#message[from]
    // Most names are of no interest, which their length or first letter tells.
    const isScope = bytes > SCOPE_PREFIX.length && first === 0x6f
    if (!isScope && bytes > 8 && bytes !== this.#guidName.length) return PLAIN
    const name = this.#message.toString('latin1', from, to)
    if (name === this.#guidName) return DROPPED
    return isScope && name.startsWith(SCOPE_PREFIX) ? SCOPE : (roles.get(name) ?? PLAIN)
  }

  #understand(): void {
    let job = ''
    let instance = ''
    let hasScope = false
    let le = -1
    let quantile = -1
    this.name = ''
    for (let i = 0; i < this.#roles.length; i++) {
      const role = this.#roles[i]!
      if (role === NAME) this.name = this.#valueOf(i)
      else if (role === JOB) job = this.#valueOf(i)
      else if (role === INSTANCE) instance = this.#valueOf(i)
      else if (role === LE) le = i
      else if (role === QUANTILE) quantile = i
      else if (role === SCOPE) hasScope = true
    }
    this.description = this.#contents.describe(this.name, this.#type, this.#unitRef, this.#helpRef)
    this.part =
      this.histograms.length > 0 ? 'whole' : partOf(this.name, this.description, le >= 0, quantile >= 0)
    const ofPart = this.part === 'bucket' ? le : this.part === 'quantile' ? quantile : -1
    this.bound = ofPart < 0 ? '' : this.#valueOf(ofPart)
    this.scope = this.#tree.resource(job, instance).scope(hasScope ? this.#scopeTexts() : undefined)
    this.#writeAttributes(ofPart)
  }

  #writeAttributes(without: number): void {
    const { attributes } = this
    attributes.at = 0
    this.#write(attributes, without)
  }

  #write(attributes: Writer, without: number): void {
    for (let i = 0; i < this.#roles.length; i++) {
      const role = this.#roles[i]!
      if (i === without || (role !== PLAIN && role !== LE && role !== QUANTILE)) continue
      const labels = this.#labels
      const at = 4 * i
      attributeOf(
        attributes,
        7,
        this.#message,
        labels[at]!,
        labels[at + 1]!,
        labels[at + 2]!,
        labels[at + 3]!,
      )
    }
  }

  #scopeTexts(): ScopeTexts {
    const texts = { name: '', version: '', schemaUrl: '', attributes: '' }
    const writer = this.#scratch
    writer.at = 0
    for (let i = 0; i < this.#roles.length; i++) {
      if (this.#roles[i] !== SCOPE) continue
      const name = this.#nameOf(i).slice(SCOPE_PREFIX.length)
      if (name === 'name') texts.name = this.#valueOf(i)
      else if (name === 'version') texts.version = this.#valueOf(i)
      else if (name === 'schema_url') texts.schemaUrl = this.#valueOf(i)
      else attribute(writer, 3, name, this.#valueOf(i))
    }
    texts.attributes = writer.toText()
    return texts
  }

  #nameOf(i: number): string {
    return this.#message.toString('latin1', this.#labels[4 * i]!, this.#labels[4 * i + 1]!)
  }

  #valueOf(i: number): string {
    return this.#message.toString('latin1', this.#labels[4 * i + 2]!, this.#labels[4 * i + 3]!)
  }
}
