/**
 * Which guid: the rules of one receiver, compiled from its configuration. Request sources (path, header, listener, peer,
 * constant) are asked once for each request; item sources (labels of a series, attributes of a resource) are sought by the
 * kernel, and only those that stand before the request's own guid in `guid.from`.
 */
import { BlockList, isIPv6 } from 'node:net'
import type { GuidConfig, GuidSource } from '../config/config.ts'
import { type GuidepostError, permanent } from '../errors.ts'
import { limits } from '../limits.ts'
import { type KernelRules, reasonNumber } from '../wire/kernel.ts'
import { type Guid, type GuidTable, isGuid } from './guid.ts'

/** What the items of a protocol carry. */
export type ItemSourceKind = 'label' | 'attribute'

/** What is known of a request's sender before its body is read. */
export interface Sender {
  /** The guid of the listener it came to. */
  readonly listenerGuid: string | undefined
  /** The guid in the path, `/t/<guid>/…`. */
  readonly pathGuid: string | undefined
  /** All values of a header; its name is in lower case. */
  header(name: string): readonly string[]
  /** The address of the other end of the connection. */
  readonly peer: string
  /** A number of its own for each connection. */
  readonly connection: number
}

/** The distinct sets of source values of a request; the kernel has them. */
export interface SourceTuples {
  /** Which sources tuple `i` has a value of; bit 0: the value under the stamp's own name. */
  tupleMask(i: number): number
  /** The value of the `nth` set bit of the mask; undefined when it is too long or no text. */
  tupleValue(i: number, nth: number): string | undefined
}

/** The request's own guid, and which item sources stand before it. */
export interface RequestGuid {
  readonly guid: Guid | undefined
  /** Bit n is name n of `GuidRules.kernel`. */
  readonly active: number
}

const GUID_MISSING = -reasonNumber('guid_missing')
const GUID_DROPPED = -reasonNumber('guid_dropped')
const GUID_NOT_ALLOWED = -reasonNumber('guid_not_allowed')
const GUID_CONFLICT = -reasonNumber('guid_conflict')

/** Stands for a value that was not read; no value that is a guid looks like it. */
const TOO_LONG = '\0'

interface PeerRange {
  readonly range: BlockList
  readonly guid: string
}

export class GuidRules {
  /** For the kernel: the stamp's name, then the item sources in their order. */
  readonly kernel: KernelRules
  /** Item sources whose value goes through a regular expression first. */
  readonly opaque: number
  /** Whether the value that an item already carries under the stamp's name matters. */
  readonly wantExisting: boolean
  /** Whether the stamp's name is removed below the place where it is stamped, too. */
  readonly deep: boolean
  readonly #config: GuidConfig
  readonly #table: GuidTable
  readonly #matches: (RegExp | undefined)[] = [undefined]
  /** For each source of the configuration its bits, 0 for request sources. */
  readonly #bits: number[] = []
  readonly #peers = new Map<GuidSource, readonly PeerRange[]>()
  /** Of a request that names no guid itself, as most do. */
  readonly #unnamed: RequestGuid

  /**
   * `kind`: whether the protocol's items have labels or attributes; sources of the other kind yield nothing. `renamed`:
   * what a translation has called by another name by the time when the kernel looks for it; both names count, the
   * configuration's first.
   */
  constructor(
    config: GuidConfig,
    table: GuidTable,
    kind: ItemSourceKind,
    renamed: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#config = config
    this.#table = table
    const names = [Buffer.from(config.name)]
    let opaque = 0
    for (const source of config.from) {
      let bits = 0
      if (source.kind === kind) {
        for (const name of [source.name, renamed.get(source.name)]) {
          if (name === undefined) continue
          bits |= 1 << names.length
          names.push(Buffer.from(name))
          this.#matches.push(source.match)
        }
        if (source.match !== undefined) opaque |= bits
      } else if (source.kind === 'peer') this.#peers.set(source, source.table.map(peerRange))
      this.#bits.push(bits)
    }
    this.kernel = { names }
    this.opaque = opaque
    this.wantExisting = config.conflict !== 'overwrite'
    this.deep = config.scope === 'everywhere'
    this.#unnamed = { guid: undefined, active: this.#activeBefore(config.from.length) }
  }

  /** Asks the request sources in their order. A header that comes with several values is the sender's mistake. */
  request(sender: Sender): RequestGuid | GuidepostError {
    const { from } = this.#config
    for (let i = 0; i < from.length; i++) {
      const value = this.#requestValue(from[i]!, sender)
      if (value === undefined) continue
      if (typeof value === 'object') return value
      if (isGuid(value)) return { guid: this.#table.get(value), active: this.#activeBefore(i) }
    }
    return this.#unnamed
  }

  /** The item sources among the first `count` sources. */
  #activeBefore(count: number): number {
    let active = 0
    for (let i = 0; i < count; i++) active |= this.#bits[i]!
    return active
  }

  /** Whether the rules look at the path; a path that names a guid to rules that do not is refused. */
  get usesPath(): boolean {
    return this.#config.from.some((source) => source.kind === 'path')
  }

  /** Whether a sender's address may decide. */
  get usesPeer(): boolean {
    return this.#peers.size > 0
  }

  /**
   * Judges tuple `i` of source values (see the kernel's `rules.ts`): the guid of the items that have it, or minus the
   * number of the reason why they are refused.
   */
  judge(tuples: SourceTuples, i: number, request: RequestGuid): Guid | number {
    const mask = tuples.tupleMask(i)
    let nth = 0
    // A value too long to be looked at is no guid, but it is another value than ours.
    const existing = mask & 1 ? (tuples.tupleValue(i, nth++) ?? TOO_LONG) : ''
    let chosen: string | undefined
    for (let bit = 1; chosen === undefined && mask >> bit !== 0; bit++) {
      if ((mask & (1 << bit)) === 0) continue
      const text = tuples.tupleValue(i, nth++)
      const match = this.#matches[bit]
      const found = match === undefined || text === undefined ? text : match.exec(text)?.[1]
      if (found !== undefined && isGuid(found)) chosen = found
    }
    chosen ??= request.guid?.text
    if (chosen === undefined && this.#config.missing.action !== 'stamp') {
      return this.#config.missing.action === 'drop' ? GUID_DROPPED : GUID_MISSING
    }
    if (chosen === undefined && this.#config.missing.action === 'stamp') chosen = this.#config.missing.guid
    // An empty value is as good as none.
    if (existing !== '' && existing !== chosen) {
      if (this.#config.conflict === 'reject') return GUID_CONFLICT
      if (this.#config.conflict === 'keep' && isGuid(existing)) chosen = existing
    }
    const guid = chosen!
    if (this.#config.allow !== undefined && !this.#config.allow.some((pattern) => pattern.test(guid))) {
      return GUID_NOT_ALLOWED
    }
    return this.#table.get(guid)
  }

  #requestValue(source: GuidSource, sender: Sender): string | undefined | GuidepostError {
    switch (source.kind) {
      case 'path':
        return sender.pathGuid
      case 'listener':
        return sender.listenerGuid
      case 'constant':
        return source.value
      case 'peer':
        return this.#peers.get(source)?.find(({ range }) => range.check(sender.peer, family(sender.peer)))
          ?.guid
      case 'header':
        return headerValue(source, sender.header(source.name))
      default:
        // Labels and attributes are the kernel's; credentials are not available yet.
        return undefined
    }
  }
}

function headerValue(
  { name, match }: GuidSource & { readonly kind: 'header' },
  headers: readonly string[],
): string | undefined | GuidepostError {
  if (headers.length === 0) return undefined
  // A proxy may have joined what came as several headers (RFC 9110, 5.3); no guid holds a comma.
  const values = match === undefined ? headers.flatMap((value) => value.split(',')) : headers
  if (values.length > 1) {
    return permanent(
      'GP_GUID_HEADER',
      `the header ${name} came ${values.length} times; send it once, so that the guid is certain`,
    )
  }
  const value = values[0]!.trim()
  if (match === undefined) return value
  return value.length <= limits.guidSourceBytesMax ? match.exec(value)?.[1] : undefined
}

function peerRange(entry: { readonly cidr: string; readonly guid: string }): PeerRange {
  const range = new BlockList()
  const [address = '', prefix] = entry.cidr.split('/')
  if (prefix === undefined) range.addAddress(address, family(address))
  else range.addSubnet(address, Number(prefix), family(address))
  return { range, guid: entry.guid }
}

/** BlockList matches an IPv4 range against IPv4-mapped IPv6 addresses (`::ffff:10.0.0.1`) by itself. */
function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}
