/**
 * Remote write messages as plain objects, the form in which the oracle works and tests compare. Sparse: a field that
 * is absent on the wire, and a repeated field without elements, is no key. 64-bit integers and the bits of doubles are
 * decimal strings. The schemas are `v1.proto` and `v2.proto` beside this file.
 */

/**
 * Bytes as a string with one character (U+0000 to U+00FF) per byte. It holds any bytes, UTF-8 or not, and `<` on two
 * of them is the order of the bytes, which is the order that remote write asks for.
 */
export type ByteText = string

/** The UTF-8 bytes of a text. */
export function byteText(text: string): ByteText {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** Fields of a later revision, as far as a test puts some in. Present at every level. */
export interface Extras {
  extraFixed32?: number[]
  extraVarint?: string[]
  extraFixed64?: string[]
  extraBytes?: ByteText[]
}

export interface Label extends Extras {
  name?: ByteText
  value?: ByteText
}

export interface Sample extends Extras {
  valueBits?: string
  timestamp?: string
  /** 2.0 only. */
  startTimestamp?: string
}

export interface BucketSpan extends Extras {
  offset?: number
  length?: number
}

export interface Histogram extends Extras {
  countInt?: string
  countFloatBits?: string
  sumBits?: string
  schema?: number
  zeroThresholdBits?: string
  zeroCountInt?: string
  zeroCountFloatBits?: string
  negativeSpans?: BucketSpan[]
  negativeDeltas?: string[]
  negativeCountsBits?: string[]
  positiveSpans?: BucketSpan[]
  positiveDeltas?: string[]
  positiveCountsBits?: string[]
  resetHint?: number
  timestamp?: string
  customValuesBits?: string[]
  /** 2.0 only. */
  startTimestamp?: string
}

export interface V1Exemplar extends Extras {
  labels?: Label[]
  valueBits?: string
  timestamp?: string
}

export interface V1Series extends Extras {
  labels?: Label[]
  samples?: Sample[]
  exemplars?: V1Exemplar[]
  histograms?: Histogram[]
}

export interface V1Metadata extends Extras {
  type?: number
  metricFamilyName?: ByteText
  help?: ByteText
  unit?: ByteText
}

export interface V1Model extends Extras {
  timeseries?: V1Series[]
  metadata?: V1Metadata[]
}

export interface V2Exemplar extends Extras {
  labelsRefs?: number[]
  valueBits?: string
  timestamp?: string
}

export interface V2Metadata extends Extras {
  type?: number
  helpRef?: number
  unitRef?: number
}

export interface V2Series extends Extras {
  labelsRefs?: number[]
  samples?: Sample[]
  histograms?: Histogram[]
  exemplars?: V2Exemplar[]
  metadata?: V2Metadata
}

export interface V2Model extends Extras {
  symbols?: ByteText[]
  timeseries?: V2Series[]
}

/** A 2.0 message without its table: every reference replaced by the text it stands for. */
export interface V2Resolved extends Extras {
  timeseries?: V2ResolvedSeries[]
}

export interface V2ResolvedSeries extends Extras {
  /** Names and values in turn, in the order of the references. */
  labels?: ByteText[]
  samples?: Sample[]
  histograms?: Histogram[]
  exemplars?: V2ResolvedExemplar[]
  metadata?: V2ResolvedMetadata
}

export interface V2ResolvedExemplar extends Extras {
  labels?: ByteText[]
  valueBits?: string
  timestamp?: string
}

export interface V2ResolvedMetadata extends Extras {
  type?: number
  help?: ByteText
  unit?: ByteText
}
