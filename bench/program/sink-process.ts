/**
 * Takes remote write 1.0 in whatever packing, answers 204 at once, and keeps the bodies as they came until they are
 * counted: what is counted early would take time from the program that is measured.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { zstdDecompressSync } from 'node:zlib'
import { snappyDecompress } from '@platformatic/wasm-utils'
import type { SinkCommand, SinkReport } from './sink-messages.ts'
import { inspectSeriesV1 } from './stored-items.ts'
import { Tally } from './tally.ts'

interface Body {
  readonly encoding: string
  readonly bytes: Buffer
}

function report(message: SinkReport): void {
  process.send?.(message)
}

function unpacked({ encoding, bytes }: Body): Buffer {
  if (encoding === 'snappy') return snappyDecompress(bytes)
  if (encoding === 'zstd') return zstdDecompressSync(bytes)
  throw new Error(`a body in the encoding "${encoding}"`)
}

const bodies: Body[] = []
const tally = new Tally(inspectSeriesV1)
let received = 0

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    received++
    bodies.push({ encoding: request.headers['content-encoding'] ?? '', bytes: Buffer.concat(chunks) })
    response.writeHead(204).end()
  })
})

// A connection that is closed while a request is on its way would make its sender try again.
server.keepAliveTimeout = 0

process.on('message', (command: SinkCommand) => {
  try {
    if (command.type === 'start') {
      server.listen(0, '127.0.0.1', () =>
        report({ type: 'listening', port: (server.address() as AddressInfo).port }),
      )
    } else if (command.type === 'progress') report({ type: 'progress', received })
    else {
      for (const body of bodies.splice(0)) tally.add({ value: unpacked(body), headers: {} })
      report({ type: 'counted', delivered: tally.delivered })
    }
  } catch (error) {
    report({ type: 'failed', text: String(error) })
  }
})
process.on('disconnect', () => process.exit())
