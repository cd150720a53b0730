/** The reference for stamping remote write: decode, set, encode. See `rules.ts` for the semantics in words. */
export { decodeV1, decodeV2, encodeV1, encodeV2 } from './codec.ts'
export { expectedV1, joinV1, withoutTopExtras } from './expected-v1.ts'
export { expectedV2, joinV2, resolveV2 } from './expected-v2.ts'
export * from './model.ts'
export type { Expected, OracleRules, OracleSource, Refusal } from './rules.ts'
