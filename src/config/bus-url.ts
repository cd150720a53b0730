/** Bus URLs: `log:DIRECTORY` and `kafka://host:port,host:port`. */
import { resolve } from 'node:path'
import { nearest } from './suggest.ts'

export type BusUrl =
  | { readonly kind: 'log'; readonly url: string; readonly directory: string }
  | { readonly kind: 'kafka'; readonly url: string; readonly brokers: readonly string[] }

const kafkaPortDefault = 9092

/**
 * Reads a bus URL. A relative directory is taken from `cwd`, so that the same URL means the same on every command
 * line; the result is absolute. Returns a sentence saying what is wrong, and what to write, otherwise.
 */
export function parseBusUrl(text: string, cwd: string): BusUrl | string {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]
  if (scheme === 'log') return parseLog(text, cwd)
  if (scheme === 'kafka') return parseKafka(text)
  const guess = scheme === undefined ? undefined : nearest(scheme, ['log', 'kafka'])
  const hint = guess === undefined ? '' : ` Did you mean ${guess}:?`
  return `is no bus URL: write log:./data or kafka://host:9092,host2:9092.${hint}`
}

function parseLog(text: string, cwd: string): BusUrl | string {
  let path = text.slice('log:'.length)
  if (path.startsWith('//')) {
    if (!path.startsWith('///'))
      return `names a host: write log:./${path.slice(2)} or log:///${path.slice(2)}`
    path = path.slice(2)
  }
  if (path === '') return 'names no directory: write log:./data'
  if (path.includes('\0')) return 'holds a NUL character'
  return { kind: 'log', url: text, directory: resolve(cwd, path) }
}

function parseKafka(text: string): BusUrl | string {
  if (!text.startsWith('kafka://')) return 'needs two slashes: write kafka://host:9092'
  const rest = text.slice('kafka://'.length).replace(/\/$/, '')
  if (rest.includes('@'))
    return 'must not hold a user or password: set kafka.sasl.username and kafka.sasl.password'
  if (/[/?#]/.test(rest)) return 'may name brokers only: topics are fixed, options stand under kafka:'
  const brokers: string[] = []
  for (const each of rest.split(',')) {
    const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(each.trim())
    const port = Number(match?.[2] ?? kafkaPortDefault)
    if (match === null || port < 1 || port > 65_535) {
      return `names a broker ${JSON.stringify(each)} that is not host:port: write kafka://host:9092,host2:9092`
    }
    brokers.push(`${match[1]}:${port}`)
  }
  return { kind: 'kafka', url: `kafka://${brokers.join(',')}`, brokers }
}
