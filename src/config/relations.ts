/** What single options cannot know: contradictions between two of them. Each names both. */
import { limits as bounds } from '../limits.ts'
import { checkReach } from './reach.ts'
import type { Path, Report } from './report.ts'
import type { Written } from './schema.ts'
import { largestRequests } from './workers.ts'

export interface Facts {
  readonly written: Written
  readonly busKind: 'log' | 'kafka' | undefined
  /** True when an option is set in the file itself, by its path. */
  readonly inFile: (...path: string[]) => boolean
  /** True when an option, or one inside a block, is set in the file, the environment or the command line. */
  readonly isSet: (...path: string[]) => boolean
  readonly busOrigin: 'file' | 'default' | 'override'
}

export function checkRelations(facts: Facts, problem: Report, warn: Report): void {
  checkBus(facts, problem, warn)
  checkWorkers(facts, problem, warn)
  checkSizes(facts, problem)
  checkSasl(facts, problem, warn)
  checkTls(facts, problem)
  checkReach(facts.written, facts.isSet, problem)
}

function checkBus({ busKind, busOrigin, inFile, written }: Facts, problem: Report, warn: Report): void {
  if (busKind === undefined) return
  const unused = busKind === 'log' ? 'kafka' : 'log'
  if (!inFile(unused)) return
  if (busOrigin === 'override') {
    warn([unused], `has no effect, since the bus is ${written.bus}`)
    return
  }
  const shown = busOrigin === 'default' ? `${written.bus} unless set` : written.bus
  const write = busKind === 'log' ? 'bus: kafka://host:9092' : 'bus: log:./data'
  problem([unused], `has no effect, since bus is ${shown}`, `Set ${write}, or remove ${unused}.`)
}

function checkSizes(facts: Facts, problem: Report): void {
  const { busKind, written } = facts
  const { kafka, limits, log } = written
  const atMost = (path: Path, value: number, other: string, bound: number, why: string) => {
    if (value <= bound) return
    problem(path, `is ${value}, above ${other}, which is ${bound}: ${why}`, `Lower it, or raise ${other}.`)
  }
  if (busKind === 'kafka') {
    const why = 'a full record must fit Kafka'
    atMost(['limits', 'recordBytes'], limits.recordBytes, 'kafka.recordBytesMax', kafka.recordBytesMax, why)
    checkSpool(facts, problem)
    const connect = 'an append must outlast a connection'
    atMost(['kafka', 'connectMs'], kafka.connectMs, 'limits.appendMs', limits.appendMs, connect)
  } else {
    const why = 'retention deletes whole segments'
    atMost(['log', 'segmentBytes'], log.segmentBytes, 'log.retentionBytes', log.retentionBytes, why)
  }
  checkLargest(facts, problem)
  checkMemory(facts, problem)
  const drain = 'a drain must outlast one append'
  atMost(['limits', 'appendMs'], limits.appendMs, 'limits.drainMs', limits.drainMs, drain)
}

function checkSpool({ written, isSet }: Facts, problem: Report): void {
  const { spool, kafka, limits, workers = 1 } = written
  if (!spool.enabled) return
  // Its default gives way.
  if (isSet('spool', 'afterMs') && spool.afterMs * 2 > limits.appendMs) {
    problem(
      ['spool', 'afterMs'],
      `is ${spool.afterMs}, more than half of limits.appendMs, which is ${limits.appendMs}: a record that Kafka did not take must still reach the disk`,
      'Lower it, or raise limits.appendMs.',
    )
  }
  const usedShare = 1 - bounds.spoolSegmentsKept / bounds.spoolSegmentsMin
  const largest = kafka.recordBytesMax + bounds.spoolRecordOverheadBytes
  const least = Math.ceil(largest / usedShare) * workers
  if (spool.bytesMax >= least) return
  const each = workers > 1 ? ` in each of ${workers} workers` : ''
  problem(
    ['spool', 'bytesMax'],
    `is ${spool.bytesMax}, and must be ${least} or more: the largest record (kafka.recordBytesMax is ${kafka.recordBytesMax}) must fit${each}, beside what is kept free`,
    `Raise it${workers > 1 ? ', or lower workers' : ''}.`,
  )
}

/** The largest request and its records must fit the memory that one process has for what is in flight. */
function checkLargest({ written, busKind, isSet }: Facts, problem: Report): void {
  const { limits, workers = 1 } = written
  // Where the bound is not set it grows with the workers.
  const isShared = workers > 1 && busKind === 'kafka' && isSet('limits', 'inflightBytes')
  const bytes = isShared ? Math.floor(limits.inflightBytes / workers) : limits.inflightBytes
  const which = isShared ? `${bytes} for each of ${workers} workers` : String(bytes)
  for (const name of largestRequests(written)) {
    if (limits[name] * 2 <= bytes) continue
    problem(
      ['limits', name],
      `is ${limits[name]}, more than half of limits.inflightBytes, which is ${which}: a request and its records must fit together`,
      `Lower it${isShared ? ' or workers' : ''}, or raise limits.inflightBytes.`,
    )
  }
}

function checkMemory({ written: { limits, workers = 1 }, busKind }: Facts, problem: Report): void {
  if (limits.memoryBytes === undefined) return
  const count = busKind === 'kafka' ? workers : 1
  if (limits.memoryBytes < count * bounds.memoryBytesMin) {
    const each = Math.floor(limits.memoryBytes / count)
    problem(
      ['limits', 'memoryBytes'],
      `leaves ${each} bytes for each of ${count} workers, which need ${bounds.memoryBytesMin}`,
      'Raise it, or lower workers.',
    )
  }
  if (limits.inflightBytes * 2 > limits.memoryBytes) {
    problem(
      ['limits', 'memoryBytes'],
      `is ${limits.memoryBytes}, less than twice limits.inflightBytes, which is ${limits.inflightBytes}`,
      'Raise it, or lower limits.inflightBytes.',
    )
  }
}

function checkWorkers({ written, busKind, busOrigin, inFile }: Facts, problem: Report, warn: Report): void {
  const { workers } = written
  if (workers === undefined || workers === 1 || busKind !== 'log') return
  const shown = busOrigin === 'default' ? `${written.bus} unless set` : written.bus
  const message = `is ${workers}, and the bus is ${shown}: a log has one writer`
  if (busOrigin === 'override' && inFile('workers')) warn(['workers'], `${message}, so there is one worker`)
  else problem(['workers'], message, 'Set workers: 1, or bus: kafka://host:9092.')
}

function checkSasl({ written: { kafka } }: Facts, problem: Report, warn: Report): void {
  const { sasl, tls } = kafka
  if (sasl === undefined) return
  const path = ['kafka', 'sasl']
  if (sasl.username === undefined) problem(path, 'has no username', 'Set kafka.sasl.username.')
  if (sasl.password === undefined && sasl.passwordFile === undefined) {
    problem(
      path,
      'has neither password nor passwordFile',
      'Set one of them, or GUIDEPOST_KAFKA_SASL_PASSWORD.',
    )
  }
  if (sasl.password !== undefined && sasl.passwordFile !== undefined) {
    problem([...path, 'passwordFile'], 'contradicts kafka.sasl.password', 'Keep one of them.')
  }
  if (sasl.mechanism === 'PLAIN' && tls === undefined) {
    warn([...path, 'mechanism'], 'is PLAIN without kafka.tls: the password crosses the network readable')
  }
}

function checkTls({ written: { kafka } }: Facts, problem: Report): void {
  const { tls } = kafka
  if (tls === undefined) return
  const path = ['kafka', 'tls']
  if (tls.cert !== undefined && tls.key === undefined) problem([...path, 'cert'], 'needs kafka.tls.key')
  if (tls.key !== undefined && tls.cert === undefined) problem([...path, 'key'], 'needs kafka.tls.cert')
  if (!tls.verify && tls.ca !== undefined) {
    problem([...path, 'ca'], 'has no effect with kafka.tls.verify: false', 'Remove one of them.')
  }
}
