/**
 * Which browsers' pages may send (WHATWG, Fetch, 3.3: the CORS protocol). A browser asks first, by OPTIONS, and shows a
 * page only answers that allow its origin: refusals need the headers too, or an SDK cannot tell when to try again.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { CorsConfig } from '../config/config.ts'
import type { Answer } from './answer.ts'

type Headers = Readonly<Record<string, string>>

export interface CorsPolicy {
  /** The answer to a browser that asks whether it may send; undefined when this is no such question, or it may not. */
  preflight(request: IncomingMessage): Answer | undefined
  /** What every answer carries, the one to a preflight too. */
  headers(request: IncomingHttpHeaders): Headers
}

export function corsPolicy({ origins, headers, maxAgeSeconds }: CorsConfig): CorsPolicy {
  const allows = originsOf(origins)
  const asked: Headers = {
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': headers.join(', '),
    'access-control-max-age': String(maxAgeSeconds),
  }
  return {
    preflight: ({ method, headers }) => {
      if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return undefined
      return allows(headers.origin) === 'no' ? undefined : { status: 204, headers: asked, body: '' }
    },
    headers: ({ origin = '' }) => answerHeaders[allows(origin)](origin),
  }
}

/** How an origin is allowed: by name or a `*.` name, by `*` alone, or not. */
type Allowed = 'named' | 'every' | 'no'

/** The answer differs by origin, also for those that are not allowed: caches on the way must know. */
const answerHeaders: Readonly<Record<Allowed, (origin: string) => Headers>> = {
  no: () => ({ vary: 'Origin' }),
  // As in the standard, `*` does not let every page send in the name of a user's cookies.
  every: (origin) => ({
    vary: 'Origin',
    'access-control-allow-origin': origin,
    // Browsers hide this one from pages otherwise.
    'access-control-expose-headers': 'retry-after',
  }),
  // `navigator.sendBeacon`, by which SDKs send when a page is left, always sends with credentials.
  named: (origin) => ({ ...answerHeaders.every(origin), 'access-control-allow-credentials': 'true' }),
}

/** What a name below `*.` may be made of; browsers write it in lower case. */
const names = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/

function originsOf(origins: readonly string[]): (origin: string | undefined) => Allowed {
  const every = origins.includes('*')
  const exact = new Set(origins)
  /** What stands before and behind the star. */
  const wide = origins.flatMap((origin) => {
    const [scheme = '', host] = origin.split('*')
    return scheme === '' || host === undefined ? [] : [{ scheme, host }]
  })
  const isBelow = (origin: string): boolean =>
    wide.some(
      ({ scheme, host }) =>
        origin.startsWith(scheme) &&
        origin.endsWith(host) &&
        names.test(origin.slice(scheme.length, origin.length - host.length)),
    )
  return (origin) => {
    if (origin === undefined || origin === '' || origin.includes('*')) return 'no'
    if (exact.has(origin) || isBelow(origin)) return 'named'
    return every ? 'every' : 'no'
  }
}
