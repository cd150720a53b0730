/** Sizes as people write them: a number of bytes, or a number with a unit, `64MiB` or `1.5GB`. */

const units: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

export const bytesPattern = /^(\d+(?:\.\d+)?) ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/

/** Bytes, rounded to a whole number; undefined when it is no size. Case counts, since MB and Mb differ elsewhere. */
export function parseBytes(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined
  if (typeof value !== 'string') return undefined
  if (/^\d+$/.test(value)) return Number(value)
  const match = bytesPattern.exec(value)
  if (match === null) return undefined
  const bytes = Math.round(Number(match[1]) * (units[match[2]!] ?? Number.NaN))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** The shortest exact spelling: 33554432 is `32MiB`, 950000 stays as it is. */
export function formatBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    const size = units[unit]!
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return String(bytes)
}
