/** The program as senders of spans see it, and what a request costs it. */
import { readFile, writeFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import {
  postSpansPath,
  type SpanEncodingName,
  type Told,
  type UdpWay,
  type Way,
  ways,
} from './bad-spans-world.ts'
import { RawGrpc } from './otlp-raw-grpc.ts'
import type { Program } from './program.ts'
import { type Cleanup, Running } from './running.ts'
import { peakBytes } from './senders.ts'
import { post } from './span-send.ts'

/** Linux counts in hundredths of a second whatever the machine. */
const msPerTick = 10

export interface Cost {
  readonly cpuMs: number
  /** The most that the program has occupied meanwhile. */
  readonly peakBytes: number
}

export class SpansProgram {
  readonly running: Running
  readonly program: Program

  private constructor(running: Running) {
    this.running = running
    this.program = running.program
  }

  static async start(context: Cleanup, encoding: SpanEncodingName = 'otlp_proto'): Promise<SpansProgram> {
    const env = {
      GUIDEPOST_RECEIVERS_JAEGER_ENCODING: encoding,
      GUIDEPOST_RECEIVERS_ZIPKIN_ENCODING: encoding,
    }
    return new SpansProgram(await Running.start(context, { env }))
  }

  portOf(listener: UdpWay | 'jaegerGrpc' | 'jaegerHttp' | 'zipkin'): number {
    const line = this.program.logs.find(({ msg, listener: name }) => msg === 'listening' && name === listener)
    const port = line?.['port']
    if (typeof port !== 'number')
      throw new Error(`the program does not say on which port ${listener} listens`)
    return port
  }

  /** On a connection of its own over gRPC. */
  async send(way: Way, body: Buffer, headers: Readonly<Record<string, string>> = {}): Promise<Told> {
    if (way === 'grpc') {
      const grpc = await RawGrpc.connect(this.portOf('jaegerGrpc'))
      const { httpStatus, grpcStatus, message } = await grpc.call(postSpansPath, body, headers)
      await grpc.close()
      return { status: httpStatus, code: grpcStatus, text: message }
    }
    const { listener, path, type } = ways[way]
    const reply = await post(this.portOf(listener), path, body, { 'content-type': type, ...headers })
    return { status: reply.status, code: 0, text: reply.text }
  }

  /** What the program uses, all its threads, while `work` is done. */
  async cost(work: () => Promise<void>): Promise<Cost> {
    const { pid } = this.program
    // 5: forget the peak of the resident memory (proc(5), /proc/pid/clear_refs).
    await writeFile(`/proc/${pid}/clear_refs`, '5')
    const before = await cpuTicks(pid)
    await work()
    await turn()
    return { cpuMs: ((await cpuTicks(pid)) - before) * msPerTick, peakBytes: await peakBytes(pid) }
  }
}

/** User and system time (proc(5), /proc/pid/stat). */
async function cpuTicks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
