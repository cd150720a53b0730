/** Campaigns of kills (crash.ts) on the buses that there are: which folders, which weather, how records are read. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReadRecord } from './acknowledged.ts'
import { readLog } from './bus-read.ts'
import { type CampaignOptions, type CampaignResult, campaign, type LaneOptions } from './crash.ts'
import { KafkaBroker } from './kafka.ts'
import { readMessages } from './kafka-read.ts'
import type { Random } from './random.ts'

const topics = ['otlp_spans', 'otlp_metrics', 'otlp_logs', 'prometheus_metrics', 'dead_letters']
const lanes = ['east', 'west']
/** Slow enough that a spool of some rounds is not delivered within one. */
export const drainBytesPerSecond = 300 * 1024

/** What the broker does beside the lanes. */
export type Weather = 'calm' | 'frozen' | 'killed'

/** Processes of each gateway. */
export type Workers = 1 | 2

export type Bounds = Pick<CampaignOptions, 'seed' | 'rounds' | 'secondsMax'>

/** Two gateways, each with a log of its own. */
export async function crashOnLog(bounds: Bounds): Promise<CampaignResult> {
  return await inFolder(async (folder) => {
    const all = lanes.map(
      (name): LaneOptions => ({
        name,
        program: { bus: `log:${join(folder, name)}`, env: compiledIn(folder) },
      }),
    )
    async function* read(): AsyncGenerator<ReadRecord> {
      for (const name of lanes) yield* await readLog(join(folder, name))
    }
    return await campaign({ ...bounds, lanes: all, read })
  })
}

/** Two gateways, each with a spool of its own, on one broker. */
export async function crashOnKafka(
  bounds: Bounds,
  weather: Weather,
  workers: Workers = 1,
): Promise<CampaignResult> {
  const broker = await KafkaBroker.started()
  try {
    return await inFolder(async (folder) => {
      const all = lanes.map((name): LaneOptions => {
        const env = {
          ...compiledIn(folder),
          GUIDEPOST_WORKERS: `${workers}`,
          GUIDEPOST_SPOOL_DRAIN_BYTES_PER_SECOND: `${drainBytesPerSecond}`,
          GUIDEPOST_SPOOL_ENABLED: 'true',
          GUIDEPOST_SPOOL_DIRECTORY: join(folder, name),
          // Beside a broker that is well only a machine that is very busy makes it spool.
          GUIDEPOST_SPOOL_AFTER_MS: weather === 'calm' ? '7000' : '250',
        }
        return {
          name,
          hasWorkers: workers > 1,
          awaitsSpool: weather !== 'calm',
          program: {
            bus: `kafka://${broker.address}`,
            env,
            whenListening: true,
          },
          lastEnv: { GUIDEPOST_SPOOL_DRAIN_BYTES_PER_SECOND: '64MiB' },
        }
      })
      async function* read(): AsyncGenerator<ReadRecord> {
        for (const topic of topics) {
          for (const message of await readMessages(broker.address, topic)) yield { topic, ...message }
        }
      }
      const outside = weathers[weather]
      return await campaign({
        ...bounds,
        lanes: all,
        read,
        weather: (random, isOver) => outside(broker, random, isOver),
      })
    })
  } finally {
    await broker.remove()
  }
}

type BrokerWeather = (broker: KafkaBroker, random: Random, isOver: () => boolean) => Promise<void>

const weathers: Readonly<Record<Weather, BrokerWeather>> = {
  calm: () => Promise.resolve(),
  /** Stopped in the middle of whatever it does, for longer and for shorter than the gateway waits. */
  frozen: async (broker, random, isOver) => {
    while (!isOver()) {
      await sleep(random.below(3_000))
      await broker.freeze()
      await sleep(random.pick([100, 300, 300, 600, 600, 1_200, 3_000]))
      broker.thaw()
    }
  },
  killed: async (broker, random, isOver) => {
    while (!isOver()) {
      await sleep(2_000 + random.below(6_000))
      await broker.kill()
      await sleep(random.below(3_000))
      await broker.start()
    }
  },
}

/** Where Node keeps what it has compiled. */
function compiledIn(folder: string): Readonly<Record<string, string>> {
  return { NODE_COMPILE_CACHE: join(folder, 'compiled') }
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'guidepost-crash-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
