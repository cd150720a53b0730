/**
 * Which route a request's target names. A route is served at its path and at `/t/<guid>` before it, a slash at the end
 * or not; what is percent-encoded is compared decoded, but an encoded slash separates nothing.
 *
 * Source: RFC 9112, 3.2 (origin-form, and absolute-form, which proxies send); RFC 3986, 2.1 and 2.2 (percent-encoding).
 */
export interface Found<Route> {
  readonly route: Route
  /** Of the path, decoded, whatever it is; undefined where the path has none. */
  readonly guid: string | undefined
}

const guidPrefix = '/t/'

export class HttpPaths<Route extends { readonly path: string }> {
  readonly #routes: ReadonlyMap<string, Route>

  /** Paths are written without a slash at the end and without percent-encoding. */
  constructor(routes: readonly Route[]) {
    this.#routes = new Map(routes.map((route) => [route.path, route]))
  }

  /** `target`: as it stands in the request line. Undefined: nothing is served there. */
  find(target: string): Found<Route> | undefined {
    const written = pathOf(target)
    const path = trimmed(written.includes('%') ? decoded(written) : written)
    const route = this.#routes.get(path)
    if (route !== undefined) return { route, guid: undefined }
    if (!path.startsWith(guidPrefix)) return undefined
    const slash = path.indexOf('/', guidPrefix.length)
    const end = slash === -1 ? path.length : slash
    const below = this.#routes.get(path.slice(end) || '/')
    const guid = path.slice(guidPrefix.length, end).replaceAll(encodedSlash, '/')
    return below && { route: below, guid }
  }
}

/** Stands for a slash that was percent-encoded: half of a surrogate pair, which nothing decodes to. */
const encodedSlash = '\uD800'

/** The path, decoded segment by segment; empty when what is encoded is no UTF-8. */
function decoded(path: string): string {
  try {
    const segments = path.split('/').map(decodeURIComponent)
    return segments.map((segment) => segment.replaceAll('/', encodedSlash)).join('/')
  } catch {
    return ''
  }
}

/** Of a request's target: what stands before the query, as it is written. */
export function pathOf(target: string): string {
  const inFull = target.startsWith('/') ? null : /^https?:\/\/[^/?#]*/i.exec(target)
  const local = inFull === null ? target : target.slice(inFull[0].length)
  const end = local.search(/[?#]/)
  const path = end === -1 ? local : local.slice(0, end)
  return inFull !== null && path === '' ? '/' : path
}

function trimmed(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}
