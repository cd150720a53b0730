/** Spooled buses for tests, with their books. */
import type { Bus } from '../../src/bus/bus.ts'
import type { SpooledBusConfig, SpooledBusOptions } from '../../src/bus/spooled/settings.ts'
import { SpooledBus } from '../../src/bus/spooled/spooled-bus.ts'
import { GiB, MiB } from '../../src/limits.ts'

export interface Books {
  spooled: number
  adopted: number
  delivered: number
  damaged: number
  readonly events: string[]
}

export function spooledBus(
  inner: Bus,
  changes: Partial<SpooledBusConfig> & { readonly directory: string },
  options: Partial<SpooledBusOptions> = {},
): { bus: SpooledBus; books: Books } {
  const books: Books = { spooled: 0, adopted: 0, delivered: 0, damaged: 0, events: [] }
  const count =
    (side: 'spooled' | 'adopted' | 'delivered' | 'damaged') =>
    ({ items }: { items: number }) => {
      books[side] += items
    }
  const bus = new SpooledBus(
    inner,
    {
      worker: { number: 1, count: 1 },
      bytesMax: 10 * GiB,
      afterMs: 2_000,
      drainBytesPerSecond: GiB,
      appendMs: 15_000,
      diskReserveBytes: 0,
      segmentBytes: MiB,
      ...changes,
    },
    {
      log: { info() {}, warn() {}, error() {} },
      accounts: {
        spooled: count('spooled'),
        adopted: count('adopted'),
        delivered: count('delivered'),
        damaged: count('damaged'),
      },
      refused: (_record, outcome) => Promise.resolve(outcome),
      onEvent: (name) => books.events.push(name),
      ...options,
    },
  )
  return { bus, books }
}
