/**
 * What lies where in a remote write request: its series, and what they share: in 2.0 the table of symbols, in 1.0 the
 * metadata entries.
 *
 * 1.0 (prompb/remote.proto): WriteRequest: timeseries = 1, metadata = 3; MetricMetadata: type = 1, metric_family_name = 2,
 * help = 4, unit = 5. 2.0: Request: symbols = 4, timeseries = 5.
 */
import { limits } from '../../limits.ts'
import { Cursor } from './cursor.ts'
import { type Description, Families, STATESET, UNKNOWN } from './types.ts'
import { TooLarge } from './writer.ts'

const NO_ROLE = 255

export class Contents {
  readonly version: 1 | 2
  readonly message: Buffer
  /** Starts and ends of the series, in turn. */
  readonly series: number[] = []
  /** 2.0: starts and ends of the symbols, in turn. */
  readonly symbols: number[] = []
  /** 2.0: room for the references of one series. */
  readonly refs: number[] = []
  /** 1.0: the metadata entries. */
  readonly families = new Families()
  readonly #texts: string[] = []
  readonly #descriptions = new Map<string, Description>()
  #roles: Uint8Array = new Uint8Array(0)
  #last: Description | undefined
  #lastType = 0
  #lastUnit = 0
  #lastHelp = 0

  /** Throws `TooLarge` when there are more series than are translated in one turn. */
  constructor(version: 1 | 2, message: Buffer) {
    this.version = version
    this.message = message
    const cursor = new Cursor(message)
    const seriesTag = version === 1 ? 0x0a : 0x2a
    while (cursor.at < message.length) {
      const tag = cursor.tag()
      if (tag === seriesTag) {
        cursor.value()
        this.series.push(cursor.from, cursor.to)
      } else if (tag === 0x22 && version === 2) {
        cursor.value()
        this.symbols.push(cursor.from, cursor.to)
      } else if (tag === 0x1a && version === 1) {
        cursor.value()
        this.#family(cursor, cursor.from, cursor.to)
      } else cursor.skip(tag)
    }
    if (this.series.length / 2 > limits.translatedSeriesMax) throw new TooLarge()
    this.#roles = new Uint8Array(this.symbols.length / 2).fill(NO_ROLE)
  }

  /** What a label of this name is used for; asked once of `roleOf`. */
  symbolRole(ref: number, roleOf: (from: number, to: number) => number): number {
    let role = this.#roles[ref]!
    if (role === NO_ROLE) {
      role = roleOf(this.symbols[2 * ref]!, this.symbols[2 * ref + 1]!)
      this.#roles[ref] = role
    }
    return role
  }

  /** In 1.0 by the name, in 2.0 by what stands in the series. */
  describe(name: string, type: number, unitRef: number, helpRef: number): Description {
    if (this.version === 1) return this.families.describe(name)
    if (
      this.#last === undefined ||
      type !== this.#lastType ||
      unitRef !== this.#lastUnit ||
      helpRef !== this.#lastHelp
    ) {
      this.#last = this.#descriptionOf(type, unitRef, helpRef)
      this.#lastType = type
      this.#lastUnit = unitRef
      this.#lastHelp = helpRef
    }
    return this.#last
  }

  #descriptionOf(type: number, unitRef: number, helpRef: number): Description {
    const key = `${type} ${unitRef} ${helpRef}`
    let description = this.#descriptions.get(key)
    if (description === undefined) {
      const [unit, help] = [this.#symbol(unitRef), this.#symbol(helpRef)]
      description = { type: knownType(type), unit, help, family: undefined }
      this.#descriptions.set(key, description)
    }
    return description
  }

  #symbol(ref: number): string {
    const [from, to] = [this.symbols[2 * ref], this.symbols[2 * ref + 1]]
    if (from === undefined || to === undefined) return ''
    const text = this.#texts[ref] ?? this.message.toString('latin1', from, to)
    this.#texts[ref] = text
    return text
  }

  #family(cursor: Cursor, from: number, to: number): void {
    let type = 0
    let family = ''
    let help = ''
    let unit = ''
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag === 0x08) {
        cursor.varint()
        type = cursor.low
        continue
      }
      cursor.skip(tag)
      if (tag === 0x12) family = this.message.toString('latin1', cursor.from, cursor.to)
      else if (tag === 0x22) help = this.message.toString('latin1', cursor.from, cursor.to)
      else if (tag === 0x2a) unit = this.message.toString('latin1', cursor.from, cursor.to)
    }
    cursor.at = to
    this.families.add(family, knownType(type), unit, help)
  }
}

/** A type of a later revision is none that is known. */
function knownType(type: number): number {
  return type >= UNKNOWN && type <= STATESET ? type : UNKNOWN
}
