/**
 * What Prometheus really sent, stamped: take the stamp away again, and the input is there, byte for byte.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { snappyDecompress } from '@platformatic/wasm-utils'
import { GuidTable } from '../../src/stamp/guid.ts'
import { Ledger } from '../../src/telemetry/ledger.ts'
import { Kernel } from '../../src/wire/kernel.ts'
import { decodeV1, decodeV2, encodeV1, encodeV2, joinV2, resolveV2 } from '../support/oracle/index.ts'
import { rulesOf, type StampedRecord, stampFor } from '../support/stamping.ts'

const kernel = new Kernel()
const config = {
  from: [{ kind: 'label', name: 'namespace', match: undefined }],
  name: 'guid',
  conflict: 'overwrite',
  scope: 'resource',
  missing: { action: 'reject' },
  allow: undefined,
} as const
const rules = rulesOf(config)
const ledger = new Ledger(10)
const one = new GuidTable({ name: 'guid', receiver: 'remote_write', signal: 'metrics', ledger }).get(
  'f81d4fae-7dec',
)

function payload(name: string): Buffer {
  return Buffer.from(
    snappyDecompress(readFileSync(new URL(`../data/prometheus/${name}.snappy`, import.meta.url))),
  )
}

function stamped(version: 1 | 2, input: Buffer, guid: typeof one | undefined): readonly StampedRecord[] {
  const active = guid === undefined ? 2 : 0
  const outcome = stampFor(kernel, version, input, rules, { guid, active })
  if (typeof outcome === 'string') assert.fail(outcome)
  return outcome.records
}

for (const n of ['01', '04', '07', '10']) {
  test(`v1-${n}: one guid for all`, () => {
    const input = payload(`v1-${n}`)
    const [record, ...others] = stamped(1, input, one)
    assert.equal(others.length, 0)
    const model = decodeV1(record!.value)
    for (const series of model.timeseries ?? []) {
      const at = (series.labels ?? []).findIndex((label) => label.name === 'guid')
      assert.equal(series.labels?.[at]?.value, one.text)
      const names = (series.labels ?? []).map((label) => label.name ?? '')
      assert.deepEqual(names, names.toSorted())
      series.labels?.splice(at, 1)
    }
    assert.deepEqual(encodeV1(model), input)
  })

  test(`v1-${n}: by namespace, each series with its own`, () => {
    const input = payload(`v1-${n}`)
    const rest = new Map<string, Buffer[]>()
    for (const { guid, value } of stamped(1, input, undefined)) {
      const model = decodeV1(value)
      const parts = (model.timeseries ?? []).map((series) => {
        assert.equal(series.labels?.find((label) => label.name === 'namespace')?.value, guid)
        const labels = series.labels?.filter((label) => label.name !== 'guid') ?? []
        return encodeV1({ timeseries: [{ ...series, labels }] })
      })
      rest.set(guid, parts)
    }
    const joined = (decodeV1(input).timeseries ?? []).map((series) => {
      const guid = series.labels?.find((label) => label.name === 'namespace')?.value ?? ''
      return rest.get(guid)?.shift() ?? Buffer.alloc(0)
    })
    assert.deepEqual(Buffer.concat(joined), input)
  })

  test(`v2-${n}: one guid for all`, () => {
    const input = payload(`v2-${n}`)
    const [record, ...others] = stamped(2, input, one)
    assert.equal(others.length, 0)
    const model = decodeV2(record!.value)
    const symbols = model.symbols ?? []
    assert.deepEqual(symbols.slice(-2), ['guid', one.text])
    for (const series of model.timeseries ?? []) {
      const refs = series.labelsRefs ?? []
      const at = refs.findIndex((ref, i) => i % 2 === 0 && symbols[ref] === 'guid')
      assert.deepEqual(refs.splice(at, 2), [symbols.length - 2, symbols.length - 1])
    }
    assert.deepEqual(encodeV2({ ...model, symbols: symbols.slice(0, -2) }), input)
  })

  test(`v2-${n}: by namespace, each record with a table of its own`, () => {
    const input = payload(`v2-${n}`)
    const before = resolveV2(decodeV2(input)).timeseries ?? []
    for (const { guid, value } of stamped(2, input, undefined)) {
      const model = decodeV2(value)
      assert.equal(new Set(model.symbols).size, model.symbols?.length, 'no symbol twice')
      const after = joinV2([resolveV2(model)]).timeseries ?? []
      const expected = before.filter(
        (series) => series.labels?.[(series.labels?.indexOf('namespace') ?? 0) + 1] === guid,
      )
      const unstamped = after.map((series) => {
        const at = series.labels?.indexOf('guid') ?? -1
        assert.equal(series.labels?.[at + 1], guid)
        return { ...series, labels: series.labels?.toSpliced(at, 2) }
      })
      assert.deepEqual(unstamped, expected)
    }
  })
}
