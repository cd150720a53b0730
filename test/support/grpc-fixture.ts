/** A gRPC listener with one fake method, and the official client to call it with. */
import type { Metadata, ServiceError } from '@grpc/grpc-js'
import * as grpc from '@grpc/grpc-js'
import type { GuidepostError } from '../../src/errors.ts'
import { MiB } from '../../src/limits.ts'
import { Budget } from '../../src/route/budget.ts'
import { Shares } from '../../src/route/shares.ts'
import { GrpcListener, type GrpcListenerOptions } from '../../src/transport/grpc/listener.ts'
import type { GrpcCall } from '../../src/transport/grpc/method.ts'

export const PATH = '/test.v1.EchoService/Echo'
export const SERVICE = 'test.v1.EchoService'

export interface Listening {
  readonly listener: GrpcListener
  readonly port: number
  readonly budget: Budget
  readonly refused: string[]
  readonly failed: unknown[]
  /** Drains, and cuts what is left. */
  stop(): Promise<void>
}

export type Handle = (call: GrpcCall, message: Buffer) => Promise<Buffer | GuidepostError>

/** What the fake method does with the whole message; it answers with the message itself unless told otherwise. */
export async function listen(
  handle: Handle = async (_call, message) => message,
  options: Partial<GrpcListenerOptions> & {
    readonly admit?: (call: GrpcCall) => GuidepostError | undefined
    readonly budgetBytes?: number
  } = {},
): Promise<Listening> {
  const refused: string[] = []
  const failed: unknown[] = []
  const budget = new Budget(options.budgetBytes ?? 64 * MiB)
  const listener = new GrpcListener({
    host: '127.0.0.1',
    port: 0,
    block: 'listeners.otlpGrpc',
    guid: 'of-the-listener',
    connections: 100,
    requestMs: 5000,
    messageBytes: 16 * MiB,
    receiver: 'echo',
    shares: new Shares(budget, 1),
    methods: [
      {
        path: PATH,
        admit: options.admit ?? (() => undefined),
        handle: (call, body) => {
          const message = Buffer.concat(body.chunks)
          body.release()
          handle(call, message).then(
            (result) => call.answer(result),
            (error: unknown) => call.broke(error),
          )
        },
      },
    ],
    unimplemented: new Map(),
    services: [SERVICE],
    isServing: () => true,
    refused: (reason) => refused.push(reason),
    failed: (error) => failed.push(error),
    ...options,
  })
  const port = await listener.listen()
  const stop = async (): Promise<void> => {
    listener.destroy()
    await listener.drain()
  }
  return { listener, port, budget, refused, failed, stop }
}

const bytes = (value: Buffer): Buffer => value

export interface Reply {
  readonly code: number
  readonly details: string
  readonly message: Buffer | undefined
  readonly metadata: Metadata
}

/** The client of @grpc/grpc-js, without generated code. */
export class GrpcClient {
  readonly client: grpc.Client

  constructor(port: number, options: grpc.ClientOptions = {}) {
    this.client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      // Each client has a connection of its own.
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
  }

  /** One unary call; resolves for every status. */
  call(
    message: Buffer,
    { path = PATH, metadata = new grpc.Metadata(), ...options }: CallSettings = {},
  ): Promise<Reply> {
    return new Promise((resolve) => {
      let trailers = new grpc.Metadata()
      const done = (error: ServiceError | null, answer?: Buffer): void =>
        resolve({
          code: error?.code ?? 0,
          details: error?.details ?? '',
          message: answer,
          metadata: error?.metadata ?? trailers,
        })
      const call = this.client.makeUnaryRequest(path, bytes, bytes, message, metadata, options, done)
      call.on('status', (status) => {
        trailers = status.metadata
      })
      options.started?.(call)
    })
  }

  close(): void {
    this.client.close()
  }
}

export interface CallSettings extends grpc.CallOptions {
  readonly path?: string
  readonly metadata?: Metadata
  readonly started?: (call: grpc.ClientUnaryCall) => void
}
