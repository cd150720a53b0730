/** `/readyz` while the program starts: what sends traffic by it must not find a port closed. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { Gateway } from '../../src/gateway.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { configWith } from '../support/gateway-fixture.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 20_000

interface Line {
  readonly listener?: string
  readonly port?: number
}

test('the gateway is ready when all of its ports are open, and not before', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'guidepost-readiness-'))
  const defaults = configWith({ GUIDEPOST_BUS: `log:${folder}`, GUIDEPOST_ADMIN_PORT: '0' })
  const moved = Object.entries(defaults.listeners).map(([key, at]) => [key, at && { ...at, port: 0 }])
  const config = { ...defaults, listeners: Object.fromEntries(moved) }
  const lines: Line[] = []
  let sawStarting: Promise<string> | undefined
  const stream = new Writable({
    write(text: Buffer, _encoding, done) {
      const line: Line = JSON.parse(text.toString())
      lines.push(line)
      // Asked before any other port is opened: answers come in the order of events.
      if (line.listener === 'admin')
        sawStarting = fetch(`http://127.0.0.1:${line.port}/`, {
          headers: { accept: 'application/json' },
        }).then((answer) => answer.text())
      done()
    },
  })
  const gateway = new Gateway(config, createLogger({ level: 'info', format: 'json' }, stream))
  try {
    const started = gateway.start()
    await until('the admin port is open', WAIT_MS, () => sawStarting !== undefined)
    const facts = JSON.parse(await sawStarting!)
    const wanted = moved.filter(([, at]) => at !== undefined).map(([key]) => String(key))
    const isOpen = wanted.every((key) => /:[1-9]/.test(String(facts[key])))
    await started
    assert.equal(facts.ready, isOpen, JSON.stringify(facts))
    const port = lines.find(({ listener }) => listener === 'admin')?.port
    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
  } finally {
    await gateway.drain(new Promise(() => undefined))
    await rm(folder, { recursive: true })
  }
})
