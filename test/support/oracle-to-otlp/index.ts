/** The reference for the translation of remote write to OTLP: decode both sides, say what must come out, compare. */
export { canonical, decodeOtlp, type PlainMetric, type PlainPoint, type PlainResource } from './decode.ts'
export { type ExpectedTranslation, expectTranslation } from './expected.ts'
