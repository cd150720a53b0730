/**
 * Envoy, the proxy of an Istio mesh, pointed at the program as the README says: its spans are on the bus, each once, with
 * the namespace that its tag names.
 */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { Envoy, envoyAvailable } from '../support/envoy.ts'
import { requireReal } from '../support/real.ts'
import { Running, temporaryDirectory } from '../support/running.ts'
import { readText } from '../support/source-tree.ts'
import { assertStored, idsOf, spanPort } from '../support/span-program.ts'

const skip = await requireReal('Envoy', envoyAvailable)
const timeout = 60_000
/** What stands in the README under the mesh: the mesh's own configuration, and the program's. */
const [, mesh = '', own = ''] =
  /An Istio mesh.*?```yaml\n(.*?)```\s+```yaml\n(.*?)```/s.exec(readText('README.md')) ?? []
const config = path.join(await temporaryDirectory({ after }), 'guidepost.yaml')
await writeFile(config, own)
const running = await Running.start({ after }, { args: ['--config', config] })

for (const form of ['HTTP_JSON', 'HTTP_PROTO'] as const) {
  test(`Envoy with ${form}: its spans have the guid that its mesh’s tag names, whatever its callers say`, {
    skip,
    timeout,
  }, async (context) => {
    const ids = idsOf(form)
    const endpoint = `http://127.0.0.1:${spanPort(running, 'zipkin')}/api/v2/spans`
    const tags = { 'istio.namespace': 'team-m', 'istio.canonical_service': 'cart', guid: 'evil' }
    const envoy = await Envoy.start({ endpoint, form, tags, spans: ids.length })
    context.after(() => envoy.stop())
    await envoy.request(ids)
    await assertStored(running, form, 'team-m', ids)
  })
}

test('the README’s mesh sends to the service and the port that the manifests have', () => {
  const { meshConfig } = parse(mesh) as {
    meshConfig: { extensionProviders: { name: string; zipkin: { service: string; port: number } }[] }
  }
  const zipkin = meshConfig.extensionProviders[0]?.zipkin
  const service = parseAllDocuments(readText('deploy/kubernetes/guidepost.yaml'))
    .map((document) => document.toJS() as ServiceManifest)
    .find(({ kind }) => kind === 'Service')
  assert.equal(zipkin?.service, `${service?.metadata.name}.guidepost.svc.cluster.local`)
  assert.equal(zipkin?.port, service?.spec.ports.find(({ name }) => name === 'zipkin')?.port)
})

test('after all of them the books are even and nothing was refused', { timeout }, async () => {
  await running.assertWell()
  assert.equal(await running.counter('guidepost_refused_requests_total'), 0)
  assert.equal(await running.counter('guidepost_rejected_items_total'), 0)
})

interface ServiceManifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: { readonly ports: readonly { readonly name: string; readonly port: number }[] }
}
