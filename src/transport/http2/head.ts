/**
 * A request's head: which header lists are well formed (RFC 9113, 8.2 and 8.3), and the few fields that are looked at.
 */

/** Names as in the request, so that a list of headers can be given as well. A field that is repeated is joined by commas. */
export interface RequestHead {
  readonly ':method': string
  readonly ':path': string
  readonly 'content-type'?: string | undefined
  readonly 'grpc-encoding'?: string | undefined
  readonly 'grpc-timeout'?: string | undefined
  readonly 'content-length'?: string | undefined
}

type Field = keyof RequestHead | ':scheme' | ':authority'

const kept: Readonly<Record<string, Field>> = {
  ':method': ':method',
  ':path': ':path',
  ':scheme': ':scheme',
  ':authority': ':authority',
  'content-type': 'content-type',
  'content-length': 'content-length',
  'grpc-encoding': 'grpc-encoding',
  'grpc-timeout': 'grpc-timeout',
}
const keptFields: ReadonlyMap<string, Field> = new Map(Object.entries(kept))

/** Of HTTP/1's connections (8.2.2). */
const forbidden = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

/** Letters of a name (RFC 9110, 5.1), in lower case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const DIGITS = /^\d+$/
/** What no value may hold (8.2.1). Spaces around it, which it may not have either, are passed over as in HTTP/1. */
const BAD_VALUE = /[\0\r\n]/

/** `list`: names and values in turn. Undefined when the request is malformed. */
export function readHead(list: readonly string[]): RequestHead | undefined {
  const head: Record<Field, string | undefined> = {
    ':method': undefined,
    ':path': undefined,
    ':scheme': undefined,
    ':authority': undefined,
    'content-type': undefined,
    'content-length': undefined,
    'grpc-encoding': undefined,
    'grpc-timeout': undefined,
  }
  let isBehindPseudo = false
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!
    const value = list[i + 1]!
    if (BAD_VALUE.test(value)) return undefined
    const field = keptFields.get(name)
    if (name.charCodeAt(0) === COLON) {
      if (field === undefined || isBehindPseudo || head[field] !== undefined) return undefined
      head[field] = value
      continue
    }
    isBehindPseudo = true
    if (field !== undefined) {
      const before = head[field]
      head[field] = before === undefined ? value : `${before}, ${value}`
    } else if (!isPlain(name, value)) return undefined
  }
  const { ':method': method, ':path': path, ':scheme': scheme } = head
  if (method === undefined || method === '') return undefined
  const length = head['content-length']
  if (length !== undefined && !DIGITS.test(length)) return undefined
  if (method === 'CONNECT') {
    // It has an authority alone (8.5).
    const isWhole = head[':authority'] !== undefined && path === undefined && scheme === undefined
    return isWhole ? { ...head, ':method': method, ':path': '' } : undefined
  }
  if (path === undefined || path === '' || scheme === undefined) return undefined
  return head as RequestHead
}

const COLON = 0x3a

/** Reads the heads of one connection; a list that comes again, the same object, was read already. */
export class HeadReader {
  #list: readonly string[] | undefined
  #head: RequestHead | undefined

  read(list: readonly string[]): RequestHead | undefined {
    if (list !== this.#list) {
      this.#list = list
      this.#head = readHead(list)
    }
    return this.#head
  }
}

function isPlain(name: string, value: string): boolean {
  if (forbidden.has(name) || !NAME.test(name)) return false
  return name !== 'te' || value === 'trailers'
}

/** Whether a list may end a request (8.1): fields as in a head, none of them a pseudo-header. */
export function areTrailers(list: readonly string[]): boolean {
  for (let i = 0; i < list.length; i += 2) {
    if (!isPlain(list[i]!, list[i + 1]!) || BAD_VALUE.test(list[i + 1]!)) return false
  }
  return true
}
