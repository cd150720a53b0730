/**
 * Bad senders of one kind, in a process of their own and at the lowest priority, so that what an honest sender waits for is
 * the gateway and not them. They come from another address than the honest ones, and at a bounded pace.
 */
import { createSocket } from 'node:dgram'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { encodeOtlp } from './otlp-items.ts'
import { framed } from './otlp-raw-grpc.ts'
import { exportRequest, grpcPath } from './otlp-send.ts'
import { field, tag } from './otlp-wire.ts'
import { contentV1, messageV1, snappy } from './senders.ts'
import { agentMessage } from './span-thrift.ts'

export interface FloodPorts {
  readonly http: number
  readonly otlpGrpc: number
  readonly jaegerBinary: number
}

export type FloodKey =
  | 'bombs'
  | 'halfSent'
  | 'longJson'
  | 'manyGuids'
  | 'deep'
  | 'resets'
  | 'datagrams'
  | 'connections'

/** Where the floods come from; all of 127.0.0.0/8 is this machine. */
const FROM = '127.0.0.2'
const MiB = 1024 ** 2
const STAGGER_MS = 10
const json = { 'content-type': 'application/json' }
const protobuf = { 'content-type': 'application/x-protobuf' }

/** What begins a flood; everything is prepared. */
type Run = () => Promise<void>

interface Body {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export class Flood {
  readonly #ports: FloodPorts
  #isOver = false
  /** Requests, connections or datagrams so far. */
  count = 0

  constructor(ports: FloodPorts) {
    this.#ports = ports
  }

  stop(): void {
    this.#isOver = true
  }

  /** Does one thing again and again, `lanes` times at once, each `pauseMs` after the other. */
  async #again(lanes: number, pauseMs: number, one: (i: number) => Promise<void>): Promise<void> {
    const lane = async (from: number): Promise<void> => {
      // One after the other, as senders come.
      await sleep(from * STAGGER_MS)
      for (let i = from; !this.#isOver; i += lanes) {
        await one(i)
        this.count++
        await sleep(pauseMs)
      }
    }
    await Promise.all(Array.from({ length: lanes }, (_, i) => lane(i)))
  }

  #connect(port: number): Socket {
    const socket = connect({ port, host: '127.0.0.1', localAddress: FROM })
    socket.on('error', () => undefined)
    return socket
  }

  #session(): ClientHttp2Session {
    const { otlpGrpc } = this.#ports
    const createConnection = (): Socket => this.#connect(otlpGrpc)
    return connectHttp2(`http://127.0.0.1:${otlpGrpc}`, { createConnection })
  }

  /** One request on a connection of its own; whatever is answered. */
  #post({ path, headers, body }: Body): Promise<void> {
    return new Promise((resolve) => {
      const socket = this.#connect(this.#ports.http)
      const all = { host: 'flood', connection: 'close', 'content-length': String(body.length), ...headers }
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
      socket.write(body)
      socket.on('data', () => socket.end())
      socket.setTimeout(5_000, () => socket.destroy())
      socket.on('close', () => resolve())
    })
  }

  #posts(bodies: readonly Body[], lanes: number, pauseMs: number): () => Promise<void> {
    return () => this.#again(lanes, pauseMs, (i) => this.#post(bodies[i % bodies.length]!))
  }

  /** A few bytes that become 100 MB, in each coding. */
  bombs(): Run {
    const zeros = Buffer.alloc(100 * MiB)
    const claim = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x04, ...new Array<number>(64).fill(0xfe)])
    return this.#posts(
      [
        { path: '/v1/traces', headers: { ...protobuf, 'content-encoding': 'gzip' }, body: gzipSync(zeros) },
        { path: '/v1/logs', headers: { ...json, 'content-encoding': 'zstd' }, body: zstdCompressSync(zeros) },
        { path: '/write', headers: contentV1, body: claim },
      ],
      4,
      100,
    )
  }

  /** Bodies of which only a part comes, over many connections, and as messages over a few. */
  halfSent(): Run {
    const part = Buffer.alloc(MiB, 0x41)
    const http = (): Promise<void> =>
      this.#again(100, 500, async () => {
        const socket = this.#connect(this.#ports.http)
        const head = Object.entries({ ...contentV1, 'content-length': String(13 * MiB) })
        socket.write(
          `POST /write HTTP/1.1\r\nhost: x\r\n${head.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`,
        )
        socket.write(part)
        await new Promise<void>((resolve) => socket.on('data', () => socket.destroy()).on('close', resolve))
      })
    const grpc = (): Promise<void> =>
      this.#again(5, 500, async () => {
        const session = this.#session()
        session.on('error', () => undefined)
        const stream = session.request({
          ...{ ':method': 'POST', ':path': grpcPath('traces'), te: 'trailers' },
          'content-type': 'application/grpc',
        })
        stream.on('error', () => undefined)
        stream.write(framed(Buffer.alloc(15 * MiB)).subarray(0, 13 * MiB))
        await new Promise<void>((resolve) => stream.on('close', resolve).resume())
        session.destroy()
      })
    return async () => {
      await Promise.all([http(), grpc()])
    }
  }

  /** JSON as long as it may be, and longer. */
  longJson(): Run {
    const span = '{"traceId":"4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d","spanId":"4e4e4e4e4e4e4e4e","name":"n"},'
    const text = (bytes: number): Buffer => {
      const spans = span.repeat(Math.floor(bytes / span.length)).slice(0, -1)
      return Buffer.from(`{"resourceSpans":[{"scopeSpans":[{"spans":[${spans}]}]}]}`)
    }
    const bodies = [7, 30].map((mebibytes) => ({
      path: '/v1/traces',
      headers: json,
      body: text(mebibytes * MiB),
    }))
    return this.#posts(bodies, 1, 400)
  }

  /** As many guids as a request may have, and ten times as many. */
  manyGuids(): Run {
    const bodies = [10_000, 100_000].map((count) => {
      const labels = Array.from({ length: count }, (_, i) => ({ __name__: 'up', namespace: `n${i}` }))
      return { path: '/write', headers: contentV1, body: snappy(messageV1(...labels)) }
    })
    return this.#posts(bodies, 1, 400)
  }

  /** Lists in lists, and groups in groups. */
  deep(): Run {
    return this.#posts(
      [
        { path: '/v1/traces', headers: json, body: Buffer.from(`{"later":${'['.repeat(MiB)}`) },
        { path: '/api/v2/spans', headers: json, body: Buffer.from(`[{"later":${'['.repeat(MiB)}`) },
        { path: '/v1/metrics', headers: protobuf, body: field(1, Buffer.alloc(MiB, tag(99, 3))) },
      ],
      2,
      50,
    )
  }

  /** Calls that are reset as soon as they are opened. */
  resets(): Run {
    const message = framed(encodeOtlp('traces', exportRequest('traces', { attributes: {}, ids: ['r'] })))
    return () =>
      this.#again(2, 100, async () => {
        const session = this.#session()
        session.on('error', () => undefined)
        for (let i = 0; i < 500 && !session.destroyed; i++) {
          const stream = session.request({ ':method': 'POST', ':path': grpcPath('traces'), te: 'trailers' })
          stream.on('error', () => undefined)
          stream.write(message.subarray(0, i % message.length))
          stream.close(8)
          if (i % 50 === 49) await sleep(5)
        }
        session.destroy()
      })
  }

  /** Datagrams with a span each, some thousand in a second. */
  datagrams(): Run {
    const socket = createSocket('udp4')
    socket.bind(0, FROM)
    const spans = [{ operationName: 'flood', tags: { pad: 'x'.repeat(900) } }]
    const datagram = agentMessage('binary', { serviceName: 's', tags: { hostname: 'flood' } }, spans)
    return () =>
      this.#again(1, 10, async () => {
        for (let i = 0; i < 50; i++) socket.send(datagram, this.#ports.jaegerBinary, '127.0.0.1')
      })
  }

  /** Connections that say nothing, or nonsense. */
  connections(): Run {
    return () =>
      this.#again(100, 50, async (i) => {
        const socket = this.#connect(i % 2 === 0 ? this.#ports.http : this.#ports.otlpGrpc)
        if (i % 3 === 0) socket.write('nonsense\r\n\r\n')
        await sleep(100)
        socket.destroy()
      })
  }
}

// As a child: the kinds and ports come as arguments; a message from the parent ends it, and it says how much it was.
if (process.send !== undefined && process.argv[2] !== undefined) {
  const { names, ports } = JSON.parse(process.argv[2]) as { names: FloodKey[]; ports: FloodPorts }
  setPriority(constants.priority.PRIORITY_LOW)
  const flood = new Flood(ports)
  process.on('message', () => {
    flood.stop()
    process.send?.(flood.count)
    setTimeout(() => process.exit(0), 100)
  })
  process.on('disconnect', () => process.exit(0))
  const runs = names.map((name) => flood[name]())
  process.send('begun')
  await Promise.all(runs.map((run) => run()))
}
