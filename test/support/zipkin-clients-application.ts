/**
 * An application under Zipkin's tracer for Node. ZIPKIN_ENDPOINT says where its spans go, and its path in which form:
 * `/api/v1/spans` or `/api/v2/spans`. ZIPKIN_TAGS is a JSON object of default tags. The ids of its spans are its
 * arguments; each request of a client has a server span beside it with the same span id.
 */

import { type EventEmitter, once } from 'node:events'
import zipkin from 'zipkin'
import transport from 'zipkin-transport-http'

const { Annotation, BatchRecorder, ExplicitContext, InetAddress, Tracer, jsonEncoder } = zipkin
const endpoint = process.env['ZIPKIN_ENDPOINT'] ?? ''
const defaultTags = JSON.parse(process.env['ZIPKIN_TAGS'] ?? '{}') as Record<string, string>
/** What the package's own declarations leave out. */
type Logger = transport.HttpLogger & EventEmitter & { processQueue(send: typeof fetch): void }
type Joining = zipkin.Tracer & { join(id: zipkin.TraceId): zipkin.TraceId }
const logger = new transport.HttpLogger({
  endpoint,
  jsonEncoder: endpoint.includes('/v1/') ? jsonEncoder.JSON_V1 : jsonEncoder.JSON_V2,
  httpInterval: 3_600_000,
}) as Logger

function tracerOf(localServiceName: string, port: number): Joining {
  const localEndpoint = new zipkin.model.Endpoint({
    serviceName: localServiceName,
    ipv4: '10.1.2.3',
    port,
  })
  const recorder = new BatchRecorder({ logger })
  const ctxImpl = new ExplicitContext()
  return new Tracer({
    ctxImpl,
    recorder,
    localEndpoint,
    localServiceName,
    defaultTags,
    traceId128Bit: true,
  }) as Joining
}

const client = tracerOf('checkout', 0)
const server = tracerOf('cart', 8080)

for (const id of process.argv.slice(2)) {
  const traceId = client.createRootId()
  client.letId(traceId, () => {
    client.recordRpc('GET')
    client.recordBinary('test.id', id)
    client.recordBinary('http.path', '/cart')
    client.recordServiceName('checkout')
    client.recordAnnotation(
      new Annotation.ServerAddr({ serviceName: 'cart', host: new InetAddress('10.1.2.4'), port: 8080 }),
    )
    client.recordAnnotation(new Annotation.ClientSend())
    client.recordMessage('wire send')
  })
  server.letId(server.join(traceId), () => {
    server.recordServiceName('cart')
    server.recordRpc('GET /cart')
    server.recordBinary('test.id', `${id} at the server`)
    server.recordAnnotation(new Annotation.ServerRecv())
    server.recordBinary('error', 'no such cart')
    server.recordAnnotation(new Annotation.ServerSend())
  })
  client.letId(traceId, () => client.recordAnnotation(new Annotation.ClientRecv()))
}
const answered = once(logger, 'success')
logger.processQueue(fetch)
await answered
