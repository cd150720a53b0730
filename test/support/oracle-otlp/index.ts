/** The reference for stamping OTLP: decode, take out, decide, set. See `expected.ts` for the semantics in words. */
export { countItems, type ExpectedOtlp, expectedOtlp, faultsIn, listOf } from './expected.ts'
export { itemPaths } from './flatten.ts'
export {
  decode,
  isText,
  type Model,
  nestedType,
  oneofOf,
  requestType,
  type Signal,
  signals,
  type Value,
} from './schema.ts'
