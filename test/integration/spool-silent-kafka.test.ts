/** A start beside a Kafka that takes connections and never answers: with a spool senders do not wait for it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { sumOf } from '../support/exposition.ts'
import { Program } from '../support/program.ts'
import { messageV1, post, series, snappy } from '../support/senders.ts'

const connectMs = 60_000

test('the ports open without it, and what comes is in the spool', { timeout: 180_000 }, async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-silent-'))
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  assert.ok(typeof address === 'object' && address !== null)
  const startMs = performance.now()
  try {
    const program = await Program.start({
      bus: `kafka://127.0.0.1:${address.port}`,
      env: {
        GUIDEPOST_SPOOL_ENABLED: 'true',
        GUIDEPOST_SPOOL_DIRECTORY: directory,
        GUIDEPOST_KAFKA_CONNECT_MS: String(connectMs),
        GUIDEPOST_LIMITS_APPEND_MS: String(connectMs),
        GUIDEPOST_LIMITS_DRAIN_MS: String(connectMs),
      },
    })
    try {
      const reply = await post(program.httpPort, snappy(messageV1(series('team', 'one'))))
      assert.equal(reply.status, 204)
      const tookMs = performance.now() - startMs
      assert.ok(sockets.size > 0, 'Kafka was asked')
      assert.ok(tookMs < connectMs / 2, `it took ${tookMs} ms`)
      const metrics = await program.metrics()
      assert.equal(sumOf(metrics, 'guidepost_spooled_items'), 1)
      assert.equal(sumOf(metrics, 'guidepost_bus_up'), 0)
    } finally {
      await program.end()
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    silent.close()
    await rm(directory, { recursive: true, force: true })
  }
})
