/**
 * `guidepost inspect --ledger`: the books of a running gateway, and whether they are even. It is read twice, since items
 * under way are in none of the sides but received.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { GuidepostError, permanent } from '../errors.ts'
import { limits } from '../limits.ts'
import { readableBytes } from '../segment/readable-bytes.ts'
import { exitCodes, type Io, Output } from './io.ts'
import { isStill, type Reading, type Row, readBooks, type State, stateOf, sumOf } from './ledger-books.ts'

export interface InspectLedgerOptions {
  /** Of the admin port. */
  readonly url: string | undefined
  readonly json: boolean
}

const defaultUrl = 'http://127.0.0.1:10001'

interface Judged {
  readonly row: Row
  readonly state: State
  /** It is under way, and none of its counts moved between the readings. */
  readonly isStill: boolean
}

export async function inspectLedger({ url, json }: InspectLedgerOptions, io: Io): Promise<number> {
  const output = new Output(io.stdout)
  const signal = AbortSignal.any([io.interrupt(), output.closed])
  try {
    const metricsUrl = urlOf(url ?? defaultUrl)
    const earlier = await read(metricsUrl, signal)
    await sleep(limits.ledgerPauseMs, undefined, { signal })
    const later = await read(metricsUrl, signal)
    const judged = [...later.rows].map(
      ([key, row]): Judged => ({
        row,
        state: stateOf(key, earlier, later),
        isStill: isStill(key, earlier, later),
      }),
    )
    if (json) await output.line(JSON.stringify(toDocument(metricsUrl, later, judged), undefined, 2))
    else for (const line of toLines(metricsUrl, later, judged)) await output.line(line)
    return judged.some(({ state }) => state === 'uneven') ? exitCodes.failed : exitCodes.ok
  } catch (error) {
    if (!signal.aborted)
      io.stderr.write(`guidepost inspect: ${error instanceof Error ? error.message : String(error)}\n`)
    return exitCodes.failed
  }
}

/** `/metrics` at an admin port; throws GP_CONFIG for what is no address of one. */
function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw permanent(
      'GP_CONFIG',
      `--ledger takes the URL of the admin port, such as ${defaultUrl}, and not ${text}`,
    )
  }
  if (url.pathname === '/') url.pathname = '/metrics'
  return url
}

async function read(url: URL, stopped: AbortSignal): Promise<Reading> {
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(limits.ledgerReadMsMax)])
  let text: string
  try {
    const answer = await fetch(url, { signal })
    text = await textOf(answer)
    if (!answer.ok)
      throw permanent('GP_CONFIG', `${url.href} answers ${answer.status}; is it the admin port?`)
  } catch (error) {
    if (error instanceof GuidepostError) throw error
    throw permanent('GP_CONFIG', `${url.href} cannot be read: ${whyNot(error)}`, error)
  }
  const reading = readBooks(text)
  if (reading === undefined) {
    throw permanent('GP_CONFIG', `${url.href} shows no metrics of guidepost; is it the admin port?`)
  }
  return reading
}

/** The body, unless it is larger than any gateway's. */
async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > limits.ledgerBytesMax) {
      throw new Error(`it is longer than ${readableBytes(limits.ledgerBytesMax)}`)
    }
  }
  return Buffer.concat(chunks).toString()
}

function whyNot(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${limits.ledgerReadMsMax} ms`
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ECONNREFUSED')
    return 'nothing listens there (ECONNREFUSED): is the gateway running, with this admin.port?'
  return cause instanceof Error ? `${cause.message}${code === '' ? '' : ` (${code})`}` : error.message
}

function toDocument(url: URL, { inflightBytes }: Reading, judged: readonly Judged[]): object {
  return {
    url: url.href,
    even: !judged.some(({ state }) => state === 'uneven'),
    inflightBytes,
    rows: judged.map(({ row, state }) => ({ ...row, state })),
  }
}

const head = [
  ...['RECEIVER', 'SIGNAL', 'GUID', 'RECEIVED', 'PUBLISHED', 'SPOOLED', 'REJECTED', 'DEAD-LETTERED'],
  ...['DIFFERENCE', 'STATE', 'REJECTED FOR'],
]

function toLines(url: URL, { inflightBytes }: Reading, judged: readonly Judged[]): string[] {
  if (judged.length === 0) return [`${url.href}: nothing was received yet.`]
  const rows = judged.toSorted((a, b) => order(a.row, b.row))
  return [
    ...align([head, ...rows.map(toCells)]),
    '',
    'received = published + spooled + rejected + dead-lettered + what is under way (the difference)',
    `in flight: ${inflightBytes} bytes`,
    ...verdict(rows),
  ]
}

function verdict(judged: readonly Judged[]): string[] {
  const count = (test: (one: Judged) => boolean): number => judged.filter(test).length
  const uneven = count(({ state }) => state === 'uneven')
  if (uneven > 0) {
    return [
      `The books are not even: ${uneven} of ${judged.length} rows differed in two readings, with nothing in flight that could explain it or with more going out than came in. This is a fault of the gateway; please report it with this table.`,
    ]
  }
  const underWay = count(({ state }) => state === 'under way')
  const still = count(({ state, isStill: isWaiting }) => state === 'under way' && isWaiting)
  if (underWay === 0) return ['The books are even.']
  const text = `The books are even but for what is under way, in ${underWay} of ${judged.length} rows.`
  return still === 0
    ? [text]
    : [
        `${text} Of these ${still} did not move between two readings: look at guidepost_bus_up and guidepost_publish_duration_seconds, and read again.`,
      ]
}

function toCells({ row, state }: Judged): string[] {
  const { receiver, signal, guid, received, published, spooled, rejected, deadLettered, difference } = row
  const reasons = Object.entries(rejected).filter(([, items]) => items > 0)
  return [
    ...[receiver, signal, guid === '' ? '(none)' : guid],
    ...[received, published, spooled, sumOf(rejected), deadLettered, difference].map(String),
    ...[state, reasons.map(([reason, items]) => `${reason} ${items}`).join(', ')],
  ]
}

function order(a: Row, b: Row): number {
  const text = ({ receiver, signal, guid }: Row): string => `${receiver}\0${signal}\0${guid}`
  return text(a) < text(b) ? -1 : 1
}

/** Numbers to the right, texts to the left. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const isNumber = (column: number): boolean => column >= 3 && column <= 8
  return rows.map((row) =>
    row
      .map((cell, column) =>
        isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  )
}
