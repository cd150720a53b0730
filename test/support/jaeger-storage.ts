/**
 * Two ends that Jaeger's own programs speak gRPC to: a collector (jaeger.api_v2.CollectorService), which keeps the bytes of
 * each request, and a remote storage (jaeger.storage.v1.SpanWriterPlugin), which keeps each span.
 *
 *     message WriteSpanRequest { Span span = 1; }    message WriteSpanResponse {}
 *
 * Source: jaegertracing/jaeger v1.62.0, plugin/storage/grpc/proto/storage.proto.
 */
import grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'

const COLLECTOR = '/jaeger.api_v2.CollectorService/PostSpans'
const STORAGE = '/jaeger.storage.v1.SpanWriterPlugin/WriteSpan'

/** A server of both, on a random port of 127.0.0.1. */
export class JaegerEnd {
  readonly port: number
  /** Bodies of PostSpansRequest in the order that they came. */
  readonly requests: readonly Buffer[]
  /** Bodies of Span in the order that they were written. */
  readonly spans: readonly Buffer[]
  readonly #server: grpc.Server

  private constructor(
    server: grpc.Server,
    port: number,
    requests: readonly Buffer[],
    spans: readonly Buffer[],
  ) {
    this.#server = server
    this.port = port
    this.requests = requests
    this.spans = spans
  }

  static async start(): Promise<JaegerEnd> {
    const requests: Buffer[] = []
    const spans: Buffer[] = []
    const server = new grpc.Server()
    server.addService(
      { postSpans: methodOf(COLLECTOR), writeSpan: methodOf(STORAGE) },
      {
        postSpans: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>): void => {
          requests.push(call.request)
          answer(null, Buffer.alloc(0))
        },
        writeSpan: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>): void => {
          spans.push(spanOf(call.request))
          answer(null, Buffer.alloc(0))
        },
      },
    )
    const port = await new Promise<number>((resolve, reject) => {
      const credentials = grpc.ServerCredentials.createInsecure()
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
    })
    return new JaegerEnd(server, port, requests, spans)
  }

  stop(): void {
    this.#server.forceShutdown()
  }
}

function methodOf(path: string): grpc.MethodDefinition<Buffer, Buffer> {
  const same = (bytes: Buffer): Buffer => bytes
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
}

function spanOf(request: Buffer): Buffer {
  const reader = protobuf.Reader.create(request)
  const tag = reader.uint32()
  if (tag !== 10) throw new Error(`a WriteSpanRequest that begins with the tag ${tag}`)
  return Buffer.from(reader.bytes())
}
