/** The Prometheus text format, as far as tests read it. */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The samples of an exposition; comments and time stamps are left out. */
export function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/.exec(line)
      if (match === null) throw new Error(`no sample: ${line}`)
      const [, name = '', labels = '', value = ''] = match
      return { name, labels: labelsOf(labels), value: numberOf(value) }
    })
}

/** The sum of the samples of that name whose labels hold these values; 0 when there is none. */
export function sumOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0)
}

export interface LedgerEntry {
  received: number
  published: number
  spooled: number
  rejected: number
  deadLettered: number
}

/** For each `receiver signal guid` what came and what became of it. The first number is the sum of the others, when idle. */
export function ledgerOf(samples: readonly Sample[]): Map<string, LedgerEntry> {
  const sides: Record<string, keyof LedgerEntry> = {
    guidepost_received_items_total: 'received',
    guidepost_published_items_total: 'published',
    guidepost_spooled_items: 'spooled',
    guidepost_rejected_items_total: 'rejected',
    guidepost_dead_lettered_items_total: 'deadLettered',
  }
  const ledger = new Map<string, LedgerEntry>()
  for (const { name, labels, value } of samples) {
    const side = sides[name]
    if (side === undefined) continue
    const key = ['receiver', 'signal', 'guid'].map((label) => labels[label] ?? '').join(' ')
    const entry = ledger.get(key) ?? { received: 0, published: 0, spooled: 0, rejected: 0, deadLettered: 0 }
    entry[side] += value
    ledger.set(key, entry)
  }
  return ledger
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
  return Object.fromEntries(
    pairs.map(([, name = '', value = '']) => [
      name,
      value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
    ]),
  )
}

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
}
