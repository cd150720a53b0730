/** Clients of Jaeger at the wrong door: the log, or the answer, says what it is and where it belongs. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Program } from '../support/program.ts'
import { type SpanListener, spanPort } from '../support/span-program.ts'
import { agentMessage, type ThriftProtocol, thriftBatch } from '../support/span-thrift.ts'
import { sendEach } from '../support/udp.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 10_000
const folder = await mkdtemp(path.join(tmpdir(), 'guidepost-wrong-port-'))
const programs: Program[] = []
after(async () => {
  await Promise.all(programs.map((program) => program.stop()))
  await rm(folder, { recursive: true })
})

async function start(name: string): Promise<Program> {
  const program = await Program.start({ bus: `log:${path.join(folder, name)}` })
  programs.push(program)
  return program
}

const ofCart = { serviceName: 'cart', tags: {} }
const message = (protocol: ThriftProtocol): Buffer => agentMessage(protocol, ofCart, [])

const doors: readonly (readonly [ThriftProtocol, SpanListener, RegExp])[] = [
  ['binary', 'jaegerCompact', /looks like the binary protocol, which listeners\.jaegerBinary takes/],
  ['compact', 'jaegerBinary', /looks like the compact protocol, which listeners\.jaegerCompact takes/],
]
for (const [protocol, listener, expected] of doors) {
  test(`${protocol} Thrift at the port ${listener}`, async () => {
    // Lines of one kind are throttled, so each case has a program of its own.
    const program = await start(listener)
    await sendEach(spanPort({ program }, listener), [message(protocol)])
    const told = () => program.logs.find((line) => line['code'] === 'GP_BODY_MALFORMED')
    await until('it is told', WAIT_MS, () => told() !== undefined)
    assert.match(String(told()?.msg), expected)
  })
}

test('over HTTP a message with its envelope is told from other faults', async () => {
  const program = await start('http')
  const url = `http://127.0.0.1:${spanPort({ program }, 'jaegerHttp')}/api/traces`
  const headers = { 'content-type': 'application/x-thrift' }
  const answerTo = async (body: Buffer): Promise<string> => {
    const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) })
    assert.equal(answer.status, 400)
    return answer.text()
  }
  assert.match(await answerTo(message('binary')), /there is no envelope around the Batch/)
  assert.doesNotMatch(await answerTo(thriftBatch('binary', ofCart, []).subarray(0, 9)), /envelope/)
})
