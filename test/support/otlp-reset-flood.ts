/** A thread that opens calls and resets them at once, on one connection after another; it says how many there were. */
import { setImmediate as turn } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { RawGrpc } from './otlp-raw-grpc.ts'

const { port, path, ms, message } = workerData as {
  readonly port: number
  readonly path: string
  readonly ms: number
  readonly message: Uint8Array
}
const CANCEL = 8
const endMs = performance.now() + ms
let resets = 0
while (performance.now() < endMs) {
  const grpc = await RawGrpc.connect(port)
  for (let i = 0; i < 1_500 && !grpc.session.destroyed && !grpc.session.closed; i++) {
    const stream = grpc.open(path)
    stream.write(message.subarray(0, resets % message.length))
    stream.close(CANCEL)
    resets++
    if (i % 50 === 49) await turn()
  }
  await grpc.close()
}
parentPort?.postMessage(resets)
