/** What the spans of the bench hold, whatever the protocol that carries them: drawn by seed, the same in every run. */

/** The namespace of every span, which by default is its guid. */
export const spansGuid = 'shop-checkout'

export const spansInTrace = 5
const startSeconds = 1_760_000_000

/** A small generator (xorshift32): the same spans in every run. */
export class Sequence {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1)
  }

  below(bound: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return (x >>> 0) % bound
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += (this.below(0xffff) + 1).toString(16).padStart(4, '0')
    return text.slice(0, digits)
  }
}

const routes = ['/cart', '/cart/{id}', '/orders/{id}', '/orders/{id}/items', '/login', '/products/{id}']
const methods = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE']
const agents = ['okhttp/4.12.0', 'axios/1.7', 'Mozilla/5.0', 'curl/8.5.0']
const kinds = ['server', 'client', 'internal'] as const
const statuses = [200, 200, 200, 200, 201, 204, 302, 404, 500]

export interface ProcessValues {
  readonly service: string
  readonly attributes: Readonly<Record<string, string>>
}

/** The service and six attributes. */
export function processValues(index: number, sequence: Sequence): ProcessValues {
  return {
    service: `checkout-${index}`,
    attributes: {
      'service.version': '2.14.3',
      'service.instance.id': `${sequence.hex(8)}-${sequence.hex(4)}-4${sequence.hex(3)}-a${sequence.hex(3)}-${sequence.hex(12)}`,
      'k8s.namespace.name': spansGuid,
      'k8s.pod.name': `checkout-${index}-${sequence.hex(10)}-${sequence.hex(5)}`,
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.version': '2.1.0',
    },
  }
}

export interface SpanValues {
  /** In hexadecimal digits: 16 each. */
  readonly spanId: string
  readonly parentId: string
  readonly name: string
  readonly kind: (typeof kinds)[number]
  readonly seconds: number
  readonly startNanos: number
  readonly tookNanos: number
  readonly hasFailed: boolean
  readonly attributes: Readonly<Record<string, string | number | boolean>>
}

/** A span with ten attributes. */
export function spanValues(index: number, sequence: Sequence): SpanValues {
  const route = sequence.of(routes)
  const status = sequence.of(statuses)
  return {
    spanId: sequence.hex(16),
    parentId: sequence.hex(16),
    startNanos: sequence.below(1e9),
    tookNanos: 50_000 + sequence.below(4e8),
    seconds: startSeconds + Math.floor(index / 100),
    name: `${sequence.of(methods)} ${route}`,
    kind: sequence.of(kinds),
    hasFailed: status >= 500,
    attributes: {
      'http.method': sequence.of(methods),
      'http.route': route,
      'http.status': status,
      tls: true,
      'peer.ip': `10.${sequence.below(256)}.${sequence.below(256)}.${sequence.below(256)}`,
      'peer.port': 1024 + sequence.below(60_000),
      agent: sequence.of(agents),
      'thread.id': sequence.below(64),
      retries: sequence.below(3),
      user: `u-${sequence.below(1e6)}`,
    },
  }
}
