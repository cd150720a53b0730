/** Real clients of Zipkin pointed at the program: what they send is on the bus, each span once, with its guid. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { pythonJaegerAvailable, sendFromPythonZipkin } from '../support/jaeger-clients.ts'
import { requireReal } from '../support/real.ts'
import { Running } from '../support/running.ts'
import { assertStored, idsOf, spanPort } from '../support/span-program.ts'
import { sendFromZipkin } from '../support/zipkin-clients.ts'

const skipPython = await requireReal('Python', pythonJaegerAvailable)
const timeout = 60_000
const running = await Running.start({ after })

/** Each request of a client and its server's span. */
const bothOf = (ids: readonly string[]): string[] => ids.flatMap((id) => [id, `${id} at the server`])

for (const version of ['v1', 'v2'] as const) {
  test(`Zipkin’s tracer for Node, /api/${version}/spans: the spans of client and server arrive with their guid`, {
    timeout,
  }, async () => {
    const ids = idsOf(`node-${version}`)
    const endpoint = `http://127.0.0.1:${spanPort(running, 'zipkin')}/api/${version}/spans`
    await sendFromZipkin({ endpoint, tags: { guid: `team-${version}` }, ids })
    await assertStored(running, `node-${version}`, `team-${version}`, bothOf(ids))
  })
}

test('Zipkin’s tracer for Node with the guid in the path: no tag can be another', { timeout }, async () => {
  const ids = idsOf('node-path')
  const endpoint = `http://127.0.0.1:${running.port}/t/team-path/api/v2/spans`
  await sendFromZipkin({ endpoint, tags: { guid: 'evil', namespace: 'evil' }, ids })
  await assertStored(running, 'node-path', 'team-path', bothOf(ids))
})

for (const encoding of ['V1_JSON', 'V1_THRIFT', 'V2_JSON', 'V2_PROTO3'] as const) {
  test(`py_zipkin in ${encoding}: all its spans arrive with the guid of their tag`, {
    skip: skipPython,
    timeout,
  }, async () => {
    const ids = idsOf(`python-${encoding}`, 30)
    const path = encoding.startsWith('V1') ? '/api/v1/spans' : '/api/v2/spans'
    const url = `http://127.0.0.1:${spanPort(running, 'zipkin')}${path}`
    await sendFromPythonZipkin({ url, encoding, service: 'checkout', tags: { guid: 'team-p' }, ids })
    await assertStored(running, `python-${encoding}`, 'team-p', ids)
  })
}

test('after all of them the books are even and nothing was refused', { timeout }, async () => {
  await running.assertWell()
  assert.equal(await running.counter('guidepost_refused_requests_total'), 0)
  assert.equal(await running.counter('guidepost_rejected_items_total'), 0)
})
