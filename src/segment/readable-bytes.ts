/** A number of bytes for people: `812 B`, `1.5 KiB`, `256.0 MiB`. */
export function readableBytes(bytes: number): string {
  const step = Math.min(4, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return step === 0
    ? `${bytes} B`
    : `${(bytes / 2 ** (10 * step)).toFixed(1)} ${['', 'KiB', 'MiB', 'GiB', 'TiB'][step]}`
}
