/** A child process for the kill test: appends until it dies, and prints the batch ids that are durable. */
import { writeSync } from 'node:fs'
import { nodeFileSystem } from '../../../src/segment/file-system.ts'
import { SegmentWriter } from '../../../src/segment/writer.ts'

const [directory = '', prefix = ''] = process.argv.slice(2)
const writer = await SegmentWriter.open({
  fs: nodeFileSystem,
  directory,
  segmentBytes: 300_000,
  retentionBytes: Number.MAX_SAFE_INTEGER,
  retentionMs: Number.MAX_SAFE_INTEGER,
  diskReserveBytes: 0,
  onEvent: () => undefined,
})

async function appendForever(lane: number): Promise<void> {
  for (let number = 0; ; number++) {
    const batchId = `${prefix}-${lane}-${number}`
    const value = Buffer.alloc(1 + ((number * 977) % 20_000), `${batchId},`)
    const fields = { guid: 'shop', encoding: 'otlp_proto', items: 1, receivedAtMs: Date.now() }
    const outcome = await writer.append([{ ...fields, batchId, value }]).settled
    if (outcome !== undefined) throw outcome
    // Written at once: what waits in a buffer of this process would die with it.
    writeSync(1, `${batchId}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, (_, lane) => appendForever(lane)))
