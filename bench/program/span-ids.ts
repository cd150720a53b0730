/**
 * New ids for ready messages: written in place, whatever the format, so that compression finds no request a second time.
 * An id is made of words of 8 bytes; a word may stand in several places, such as a trace id in the span and in the
 * reference to its parent.
 */
import { Sequence, spansInTrace } from './span-values.ts'

/** Where the words of one span's ids begin in its message. */
export interface IdPlaces {
  readonly traceHigh: readonly number[]
  readonly traceLow: readonly number[]
  readonly span: readonly number[]
  readonly parent: readonly number[]
}

/** `fixed`: 8 bytes; `varint`: 10, of which the last is 1, so that any other bits in its place keep the width. */
export type WordForm = 'fixed' | 'varint'

/** A prime number of random bytes, so that requests do not fall into step with them. */
const noiseBytes = 1_000_003
const noise = Buffer.alloc(noiseBytes + 32)
let noiseAt = 0

function fillNoise(): void {
  const sequence = new Sequence(0)
  for (let at = 0; at < noise.length; at++) noise[at] = sequence.below(256)
}

/** Writes new ids into a message of one shape. */
export class SpanIds {
  readonly #places: readonly IdPlaces[]
  readonly #form: WordForm

  /** `places`: of each span, in the order of the message. */
  constructor(places: readonly IdPlaces[], form: WordForm = 'fixed') {
    if (noiseAt === 0) fillNoise()
    this.#places = places
    this.#form = form
  }

  /** Spans in the message. */
  get count(): number {
    return this.#places.length
  }

  /** Gives the message at `offset` of `buffer` new ids. Spans of one trace stay together. */
  renew(buffer: Buffer, offset: number): void {
    let traceNoiseAt = 0
    for (let index = 0; index < this.#places.length; index++) {
      const { traceHigh, traceLow, span, parent } = this.#places[index]!
      if (index % spansInTrace === 0) traceNoiseAt = this.#next(16)
      this.#write(buffer, offset, traceHigh, traceNoiseAt)
      this.#write(buffer, offset, traceLow, traceNoiseAt + 8)
      this.#write(buffer, offset, span, this.#next(8))
      this.#write(buffer, offset, parent, this.#next(8))
    }
  }

  #next(bytes: number): number {
    const at = noiseAt
    noiseAt = (at + bytes) % noiseBytes
    return at
  }

  #write(buffer: Buffer, offset: number, places: readonly number[], from: number): void {
    for (const place of places) {
      const at = offset + place
      if (this.#form === 'fixed') {
        for (let i = 0; i < 8; i++) buffer[at + i] = noise[from + i]!
      } else {
        for (let i = 0; i < 9; i++) buffer[at + i] = noise[from + i]! | 0x80
      }
    }
  }
}

/** The words of one span's ids as they are in the message. */
export interface IdWords {
  readonly traceHigh: Buffer
  readonly traceLow: Buffer
  readonly span: Buffer
  readonly parent: Buffer
}

/** How often each word stands in a span. */
export type IdCounts = Readonly<Record<keyof IdWords, number>>

/** Finds the words of each span, in the order of the message. Throws when one is not there. */
export function findIds(message: Buffer, spans: readonly IdWords[], counts: IdCounts): IdPlaces[] {
  let from = 0
  return spans.map((words) => {
    const placesOf = (name: keyof IdWords): number[] => {
      const places: number[] = []
      for (let at = from; places.length < counts[name]; at = places.at(-1)! + 1) {
        const place = message.indexOf(words[name], at)
        if (place < 0) throw new Error(`a span whose ${name} is not in the message`)
        places.push(place)
      }
      return places
    }
    const places = {
      traceHigh: placesOf('traceHigh'),
      traceLow: placesOf('traceLow'),
      span: placesOf('span'),
      parent: placesOf('parent'),
    }
    from = Math.max(...Object.values(places).flat()) + 1
    return places
  })
}
