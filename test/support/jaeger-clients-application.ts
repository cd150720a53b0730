/**
 * An application under Jaeger's client for Node, which is configured by its environment variables alone (JAEGER_…), as in
 * production. The ids of its spans are its arguments; every second span is a child of the one before it.
 */
import { createRequire } from 'node:module'

interface Span {
  setTag(key: string, value: unknown): Span
  log(fields: Readonly<Record<string, unknown>>): Span
  setBaggageItem(key: string, value: string): Span
  context(): unknown
  finish(): void
}

interface Tracer {
  startSpan(name: string, options?: { readonly references?: readonly unknown[] }): Span
  close(done: () => void): void
}

interface Client {
  initTracerFromEnv(config: object, options: object): Tracer
  opentracing: { childOf(context: unknown): unknown; followsFrom(context: unknown): unknown }
}

const { initTracerFromEnv, opentracing } = createRequire(import.meta.url)('jaeger-client') as Client
let isFailed = false
const logger = {
  info: (): void => undefined,
  error(message: string): void {
    isFailed = true
    process.stderr.write(`${message}\n`)
  },
}
const tracer = initTracerFromEnv({ traceId128bit: true }, { logger })

let first: Span | undefined
let before: Span | undefined
for (const [index, id] of process.argv.slice(2).entries()) {
  const references: unknown[] = []
  if (before !== undefined) references.push(opentracing.childOf(before.context()))
  else if (first !== undefined) references.push(opentracing.followsFrom(first.context()))
  const span = tracer.startSpan('GET /cart', { references })
  span.setTag('test.id', id).setTag('span.kind', 'server').setTag('cart.size', 17).setTag('cart.total', 12.5)
  span.setTag('cart.empty', false).setTag('http.status_code', index % 4 === 3 ? 503 : 200)
  span.setTag('cart.owner', { name: 'Jörg' }).setTag('cart.key', Buffer.from('cart:17'))
  if (index % 4 === 3) span.setTag('error', true)
  span.log({ event: 'cache miss', key: 'cart:17', tries: 2 }).setBaggageItem('user', 'jörg')
  span.finish()
  first ??= span
  before = index % 2 === 0 ? span : undefined
}
tracer.close(() => {
  // What the sender fails at it tells the logger, nobody else.
  process.exitCode = isFailed ? 1 : 0
})
