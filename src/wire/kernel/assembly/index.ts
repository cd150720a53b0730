// The kernel: everything that touches each byte of a payload, compiled to WebAssembly (see docs/adr). The host side, with
// the types and the order of calls, is `../kernel.ts`.
export { arenaBytes, arenaReset, arenaTake } from './memory'
export { inflated, snappyInflate, snappyLength } from './snappy'
export { rulesBegin, rulesName, rulesNameAt, setHashSeed, tupleAt, tupleCount } from './rules'
export { parts, partCount, refused, rowCount, rows, slotsTake, verdictsTake } from './plan'
export { itemCount, planV1, walkV1, writeV1 } from './prometheus-v1'
export { itemCountV2, symbolCount, symbolsAt, walkV2 } from './prometheus-v2'
export { planV2, writeV2 } from './prometheus-v2-write'
export { itemCountOtlp, planOtlp, walkOtlp, writeOtlp } from './otlp'
export { translated } from './output'
export { argumentAt, argumentEnd, faultAt, readEnvelope } from './thrift'
