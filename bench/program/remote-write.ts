/**
 * Remote write, the recorded bodies of a real Prometheus: the gateway beside those peers that take it, see compare.ts.
 *
 *     prometheus/v2             the gateway and the Collector in both configurations, with the ratio to the better one
 *     collector/prometheus-v2   both Collectors alone
 *     prometheus/v1             the gateway and vmagent in both of its packings, with the ratio to the better one; needs
 *                                 VMAGENT=/path/to/vmagent. The gateway answers when Kafka has the series, vmagent
 *                                 before it delivers them.
 *     program/kafka/v1-recorded   the gateway alone, as in prometheus/v1
 */
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { collectors, comparedColumns, compareWork, measureAll, measureOne } from './compare.ts'
import { findVmagent, type Packing, packings, startVmagent, type Vmagent } from './vmagent.ts'
import { figuresOf, measureSubject, speedName } from './work.ts'
import { writeWork } from './write-work.ts'

/** As many requests under way as in the cases of spans. */
const connections = 32

const workV1 = writeWork(1, connections)
const workV2 = writeWork(2, connections)
const vmagents = Object.keys(packings) as Packing[]
const sides = ['gateway', ...vmagents.map((packing) => `vmagent ${packing}`)]

export const remoteWriteCases: readonly Case[] = [
  {
    name: 'prometheus/v2',
    isOnRequest: true,
    columns: comparedColumns(workV2),
    beside: 'Collector',
    run: (options: RunOptions) => compareWork(workV2, options),
  },
  {
    name: 'collector/prometheus-v2',
    isOnRequest: true,
    run: (options: RunOptions) => measureAll(collectors, workV2, options),
  },
  {
    name: 'prometheus/v1',
    isOnRequest: true,
    columns: [
      'ratio',
      ...[speedName(workV1), 'p99', 'RSS max'].flatMap((figure) => sides.map((side) => `${side}: ${figure}`)),
    ],
    beside: 'vmagent',
    run: (options: RunOptions) => besideVmagent(options),
  },
  {
    name: 'program/kafka/v1-recorded',
    isOnRequest: true,
    run: (options: RunOptions) => measureOne('gateway', workV1, options),
  },
]

/** The gateway's speed over that of the better vmagent. Under the profiler the gateway alone. */
async function besideVmagent(options: RunOptions): Promise<Figure[]> {
  if (options.profileDirectory !== undefined) return measureAll(['gateway'], workV1, options)
  findVmagent()
  const figures = await measureAll(['gateway'], workV1, options)
  const [own] = figures
  let best = 0
  for (const packing of vmagents) {
    let peer: Vmagent | undefined
    const start = async (): Promise<Vmagent> => {
      peer = await startVmagent(packing)
      return peer
    }
    // It makes several series of a native histogram: a sum, a count, and one for each bucket.
    const work = { ...workV1, isSplit: true }
    const measured = await measureSubject(`vmagent ${packing}`, start, work, options)
    // What it answered in a window it may have worked at after it: all it took, over all it used, hides nothing.
    const speed = measured.acknowledgedItems / (peer?.cpuSeconds() ?? Number.NaN) / 1e3
    const [inWindow, ...others] = figuresOf(false, workV1, measured)
    const found = [{ ...inWindow!, value: speed }, ...others]
    best = Math.max(best, speed)
    figures.push(...found.map((figure) => ({ ...figure, name: `vmagent ${packing}: ${figure.name}` })))
  }
  return [{ name: 'ratio', unit: '×', value: own!.value / best }, ...figures]
}
