/** Senders as tests need them: well-behaved ones over `node:http`, and raw ones that write whatever they like. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { snappyCompress } from '@platformatic/wasm-utils'
import { byteText, encodeV1, encodeV2, type V2Model } from './oracle/index.ts'

export const contentV1 = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
} as const
export const contentV2 = {
  'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
  'content-encoding': 'snappy',
} as const

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export interface PostOptions {
  readonly path?: string
  readonly method?: string
  /** Instead of those of a 1.0 request. */
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** A connection of its own unless given. */
  readonly agent?: Agent
  /** In chunks, without Content-Length. */
  readonly chunked?: boolean
}

/** Sends one request and reads its answer. Rejects when the connection ends without one. */
export function post(port: number, body: Uint8Array, options: PostOptions = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      port,
      host: '127.0.0.1',
      method: options.method ?? 'POST',
      path: options.path ?? '/write',
      agent: options.agent ?? false,
      headers: {
        ...(options.headers ?? contentV1),
        ...(options.chunked ? {} : { 'content-length': String(body.length) }),
      },
    })
    let isAnswered = false
    outgoing.on('response', (incoming) => {
      isAnswered = true
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const headers = Object.fromEntries(
          Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
        )
        resolve({ status: incoming.statusCode ?? 0, headers, text: Buffer.concat(chunks).toString() })
      })
    })
    // The rest of a body may break on a connection that the answer has closed.
    outgoing.on('error', (error) => isAnswered || reject(error))
    outgoing.end(body)
  })
}

/** A sender that writes bytes as it likes; what comes back is text in `received`. */
export class RawSender {
  readonly socket: Socket
  received = ''
  /** The other side has closed, or the connection is gone. */
  isClosed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.received += text
    })
    socket.on('error', () => undefined)
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.isClosed = true
      })
    }
  }

  static async connect(port: number): Promise<RawSender> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await once(socket, 'connect')
    return new RawSender(socket)
  }

  write(...parts: (string | Uint8Array)[]): this {
    for (const part of parts) this.socket.write(part)
    return this
  }

  /** Status codes of all answers so far; `100 Continue` counts as one. */
  get statuses(): number[] {
    return [...this.received.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status))
  }

  close(): void {
    this.socket.destroy()
  }
}

/** The head of a 1.0 request, ended. */
export function head(headers: Readonly<Record<string, string | number>>, path = '/write'): string {
  const all = { host: 'test', ...contentV1, ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export type Labels = Readonly<Record<string, string>>

/** A 1.0 message: one sample for each set of labels. Labels are written in the order given. */
export function messageV1(...series: readonly Labels[]): Buffer {
  return encodeV1({
    timeseries: series.map((labels) => ({
      labels: Object.entries(labels).map(([name, value]) => ({
        name: byteText(name),
        value: byteText(value),
      })),
      samples: [{ valueBits: '4607182418800017408', timestamp: '1700000000000' }],
    })),
  })
}

/** The same in 2.0. */
export function modelV2(...series: readonly Labels[]): V2Model {
  return modelOf(series)
}

function modelOf(series: readonly Labels[]): V2Model {
  const symbols = new Map([['', 0]])
  const ref = (text: string): number => {
    const known = symbols.get(text)
    if (known !== undefined) return known
    symbols.set(text, symbols.size)
    return symbols.size - 1
  }
  const timeseries = series.map((labels) => ({
    labelsRefs: Object.entries(labels).flatMap(([name, value]) => [ref(name), ref(value)]),
    samples: [{ valueBits: '4607182418800017408', timestamp: '1700000000000' }],
  }))
  return { symbols: [...symbols.keys()].map(byteText), timeseries }
}

export function messageV2(...series: readonly Labels[]): Buffer {
  return encodeV2(modelOf(series))
}

/** One series named `up` with a unique label `id`, under `guid`. */
export function series(guid: string, id: string): Labels {
  return { __name__: 'up', guid, id }
}

export function snappy(payload: Buffer): Buffer {
  // The library hands out a view of a buffer that it uses again.
  return Buffer.from(snappyCompress(payload))
}

/** `value` as a varint; up to 2^53. */
export function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80)
  return Buffer.from([...bytes, value])
}

/** A snappy block that announces `announced` bytes and holds `payload` as one literal after another. */
export function snappyLiterals(payload: Uint8Array, announced = payload.length): Buffer {
  const parts: Uint8Array[] = [varint(announced)]
  for (let at = 0; at < payload.length; at += 60) {
    const piece = payload.subarray(at, at + 60)
    parts.push(Buffer.of((piece.length - 1) << 2), piece)
  }
  return Buffer.concat(parts)
}

/** The largest resident memory of a process so far, in bytes. */
export async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024
}
