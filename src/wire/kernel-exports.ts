/** What the compiled kernel exports; the calls' order and meaning are in `kernel.ts` and `formats/`. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory
  arenaBytes(): number
  arenaReset(): void
  arenaTake(bytes: number): number
  readonly inflated: WebAssembly.Global
  snappyInflate(input: number, bytes: number, bytesMax: number): number
  /** Addresses: where the host puts a block, and where it finds the compressed one. */
  readonly lz4Input: WebAssembly.Global
  readonly lz4Output: WebAssembly.Global
  /** Lays out memory for blocks of so many bytes, and forgets all else. 0 when there is not enough. */
  lz4Reserve(bytesMax: number): number
  lz4Block(bytes: number): number
  /** Where the last translation begins. */
  readonly translated: WebAssembly.Global
  /** 1 emitBatch, 2 emitZipkinBatch, or a code. `protocol`: 0 Thrift's binary, 1 its compact one. */
  readEnvelope(protocol: number, at: number, bytes: number): number
  /** Where the value of that method's argument begins, and the end of the bytes. */
  readonly argumentAt: WebAssembly.Global
  readonly argumentEnd: WebAssembly.Global
  /** Address at which the last malformed Thrift is at fault. */
  readonly faultAt: WebAssembly.Global
  rulesBegin(): void
  rulesNameAt(i: number): number
  rulesName(bytes: number): void
  setHashSeed(seed: number): void
  tupleAt(i: number): number
  readonly tupleCount: WebAssembly.Global
  readonly rows: WebAssembly.Global
  readonly rowCount: WebAssembly.Global
  readonly parts: WebAssembly.Global
  readonly refused: WebAssembly.Global
  slotsTake(count: number, stampBytes: number): number
  verdictsTake(tuples: number): number
  readonly itemCount: WebAssembly.Global
  walkV1(
    at: number,
    bytes: number,
    itemsMax: number,
    unknownBytesMax: number,
    active: number,
    opaque: number,
    existing: number,
  ): number
  planV1(recordBytesMax: number, outputBytesMax: number): number
  writeV1(): number
  readonly itemCountV2: WebAssembly.Global
  walkV2(
    at: number,
    bytes: number,
    itemsMax: number,
    symbolsMax: number,
    unknownBytesMax: number,
    active: number,
    opaque: number,
    existing: number,
  ): number
  planV2(recordBytesMax: number, outputBytesMax: number): number
  writeV2(): number
  readonly itemCountOtlp: WebAssembly.Global
  walkOtlp(
    signal: number,
    at: number,
    bytes: number,
    itemsMax: number,
    unknownBytesMax: number,
    levelsMax: number,
    active: number,
    opaque: number,
    options: number,
  ): number
  planOtlp(signal: number, recordBytesMax: number, outputBytesMax: number, partsMax: number): number
  writeOtlp(): number
  walkJaegerRecords(
    at: number,
    bytes: number,
    itemsMax: number,
    active: number,
    opaque: number,
    options: number,
  ): number
  planJaegerRecords(outputBytesMax: number, partsMax: number): number
  writeJaegerRecords(): number
  jaegerThriftTo(
    protocol: number,
    target: number,
    at: number,
    bytes: number,
    itemsMax: number,
    outputBytesMax: number,
  ): number
  jaegerProtoToOtlp(at: number, bytes: number, itemsMax: number, outputBytesMax: number): number
  readonly symbolsAt: WebAssembly.Global
  readonly symbolCount: WebAssembly.Global
  zipkinToOtlp(from: number, at: number, bytes: number, itemsMax: number, outputBytesMax: number): number
  /** A translation: its bytes, at `translated`, or a code. */
  otlpToJaeger(at: number, bytes: number, itemsMax: number, levelsMax: number, bytesMax: number): number
}
