/**
 * The splice of OTLP traces alone: requests as the official transformer encodes them, ten attributes a span, stamped by the
 * default rules. Against a plain copy of the same bytes, and with the walk by itself beside the whole.
 */
import { loadConfig } from '../../src/config/load.ts'
import { limits } from '../../src/limits.ts'
import { GuidTable } from '../../src/stamp/guid.ts'
import { GuidRules } from '../../src/stamp/guid-rules.ts'
import { otlpStampings } from '../../src/stamp/otlp.ts'
import { stamp } from '../../src/stamp/stamp.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { Kernel } from '../../src/wire/kernel.ts'
import { encodeSpans } from '../program/otlp-payload.ts'
import type { Case } from '../support/case.ts'
import { cpuUsPerCall } from '../support/measure.ts'

/** A case of microseconds needs less time than one of a whole program. */
const secondsShare = 1 / 5

/** As the receiver makes them from an empty configuration. */
function defaultRules(): GuidRules {
  const { config } = loadConfig({ file: undefined, env: {}, overrides: {}, cwd: process.cwd() })
  if (config === undefined) throw new Error('the default configuration is not valid')
  const { ledger } = new Metrics({ guidsMax: config.metrics.guidsMax, runtime: false })
  const { guid } = config.receivers.otlp
  const table = new GuidTable({ name: guid.name, receiver: 'otlp', signal: 'traces', ledger })
  return new GuidRules(guid, table, 'attribute')
}

const sender = {
  listenerGuid: undefined,
  pathGuid: undefined,
  header: () => [],
  peer: '127.0.0.1',
  connection: 1,
}

function splicer(
  kernel: Kernel,
  payload: Buffer,
  spans: number,
  rules: GuidRules,
  recordBytesMax: number,
): () => void {
  const target = Buffer.alloc(2 * payload.length + limits.recordBytesTarget)
  return () => {
    kernel.begin()
    kernel.putPlain([payload], payload.length)
    const request = rules.request(sender)
    if (request instanceof Error) throw request
    const stamped = stamp(kernel, otlpStampings.traces, rules, request, recordBytesMax)
    if (typeof stamped === 'string') throw new Error(`refused: ${stamped}`)
    let at = 0
    let items = 0
    for (let record = 0; record < stamped.recordCount; record++) {
      const part = kernel.part(record)
      kernel.copyPart(record, target, at)
      at += part.bytes
      items += part.items
    }
    if (items !== spans) throw new Error(`${items} spans in the records, not ${spans}`)
  }
}

/** `recordBytesMax` below a resource's size makes each be cut. */
function spliceCase(name: string, spans: number, recordBytesMax: number): Case {
  return {
    name: `kernel/otlp/${name}`,
    held: () => {
      const payload = encodeSpans(spans, 1)
      const work = splicer(new Kernel(), payload, spans, defaultRules(), recordBytesMax)
      return { bytes: payload.length, work }
    },
    run: async ({ seconds, profileDirectory }) => {
      const payload = encodeSpans(spans, 1)
      const kernel = new Kernel()
      const rules = defaultRules()
      const copy = Buffer.alloc(payload.length)
      const load = (): void => {
        kernel.begin()
        kernel.putPlain([payload], payload.length)
        kernel.useRules(rules.kernel)
      }
      const options = { active: 0xfffe, opaque: 0, wantExisting: rules.wantExisting, deep: rules.deep }
      const walk = (): void => {
        load()
        if (kernel.walk(otlpStampings.traces.format, options) < 0) throw new Error('refused')
      }
      const splice = splicer(kernel, payload, spans, rules, recordBytesMax)
      const works = profileDirectory === undefined ? [splice, load, () => payload.copy(copy), walk] : [splice]
      const [wholeUs = 0, loadUs = 0, copyUs = 0, walkUs = 0] = cpuUsPerCall(works, seconds * secondsShare)
      // The payload has to be there for each call; putting it there is no part of the splice.
      const us = wholeUs - loadUs
      return [
        { name: 'speed', unit: 'GB/s', value: payload.length / us / 1e3 },
        { name: 'per call', unit: 'µs', value: us },
        { name: 'per span', unit: 'ns', value: (us * 1e3) / spans },
        { name: 'of it the walk', unit: 'ns', value: ((walkUs - loadUs) * 1e3) / spans },
        { name: 'bytes per span', unit: '', value: payload.length / spans },
        { name: 'times memcpy', unit: '', value: us / copyUs },
      ]
    },
  }
}

export const otlpKernelCases: readonly Case[] = [
  ...[10, 100, 1_000, 8_000].map((spans) => spliceCase(`${spans}-spans`, spans, limits.recordBytesTarget)),
  spliceCase('8000-spans-cut', 8_000, 128 * 1024),
]
