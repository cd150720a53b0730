/** In processes of their own, since a library is loaded but once. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const validatorsUrl = new URL('../../../../src/bus/kafka/validators.ts', import.meta.url).href
const libraryUrl = import.meta.resolve('@platformatic/kafka')

/** What is told after the library was loaded by the expression `loaded`. */
function tellOf(loaded: string): unknown {
  const text = `
    import { Ajv2020 } from '${import.meta.resolve('ajv/dist/2020.js')}'
    import { compilingLater } from '${validatorsUrl}'
    let compiled = 0
    globalThis.Function = new Proxy(Function, {
      construct: (target, parts) => {
        if (String(parts.at(-1)).includes('validate')) compiled++
        return Reflect.construct(target, parts)
      },
    })
    const load = () => import('${libraryUrl}')
    const { Producer } = await ${loaded}
    const atLoading = compiled
    const options = { clientId: 'a', bootstrapBrokers: ['127.0.0.1:1'], strict: true }
    const refusals = [options, { ...options, clientId: 1 }, { ...options, acks: 7 }, options].map((each) => {
      try {
        void new Producer(each).close()
      } catch (error) {
        return error.message
      }
    })
    const later = new Ajv2020().compile({ type: 'string' })
    console.log(JSON.stringify({ atLoading, refusals, later: [later(''), later(1)] }))`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

test('no validator is compiled while the library is loaded, and those that are called judge as ever', () => {
  const now = tellOf('load()') as { readonly atLoading: number; readonly refusals: readonly unknown[] }
  assert.ok(now.atLoading >= 20, `${now.atLoading} compiled by the library itself`)
  assert.deepEqual(
    now.refusals.map((refusal) => typeof refusal),
    ['object', 'string', 'string', 'object'],
  )
  assert.deepEqual(tellOf('compilingLater(load)'), { ...now, atLoading: 0 })
})
