/** What touches every byte, each part alone: inflating, splicing, deflating, checksums, and a plain copy to hold against. */
import { constants, zstdCompressSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { lz4Compress, snappyCompress } from '@platformatic/wasm-utils'
import { loadConfig } from '../../src/config/load.ts'
import { limits } from '../../src/limits.ts'
import { receiverName } from '../../src/receivers/prometheus-remote-write.ts'
import { GuidTable } from '../../src/stamp/guid.ts'
import { GuidRules } from '../../src/stamp/guid-rules.ts'
import { prometheusStampings } from '../../src/stamp/prometheus.ts'
import { stamp } from '../../src/stamp/stamp.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { Kernel } from '../../src/wire/kernel.ts'
import { traffics } from '../program/traffic.ts'
import { type RequestBody, recordedBodies } from '../support/bodies.ts'
import type { Case, Figure } from '../support/case.ts'
import { cpuUsPerCall } from '../support/measure.ts'

/** A case of microseconds needs less time than one of a whole program. */
const secondsShare = 1 / 5

/** A case of one piece of work over `bytes` bytes. */
function simpleCase(name: string, prepare: () => { bytes: number; work: () => void; more?: Figure[] }): Case {
  return {
    name: `kernel/${name}`,
    held: prepare,
    run: async ({ seconds }) => {
      const { bytes, work, more = [] } = prepare()
      const [us = 0] = cpuUsPerCall([work], seconds * secondsShare)
      return [...speed(bytes, us), ...more]
    },
  }
}

function speed(bytes: number, us: number): Figure[] {
  return [
    { name: 'speed', unit: 'GB/s', value: bytes / us / 1e3 },
    { name: 'per call', unit: 'µs', value: us },
  ]
}

function inflateCase(version: 1 | 2): Case {
  return simpleCase(`inflate/v${version}`, () => {
    const { packed, payload } = recordedBodies(version)[0]!
    const kernel = new Kernel()
    const work = (): void => {
      kernel.begin()
      if (kernel.putSnappy([packed], packed.length, limits.inflatedBytesMax) !== payload.length)
        throw new Error('the body did not inflate')
    }
    return { bytes: payload.length, work }
  })
}

/** As the receiver makes them from an empty configuration. */
function defaultRules(): GuidRules {
  const { config } = loadConfig({ file: undefined, env: {}, overrides: {}, cwd: process.cwd() })
  if (config === undefined) throw new Error('the default configuration is not valid')
  const { ledger } = new Metrics({ guidsMax: config.metrics.guidsMax, runtime: false })
  const { guid } = config.receivers.remoteWrite
  const table = new GuidTable({ name: guid.name, receiver: receiverName, signal: 'metrics', ledger })
  return new GuidRules(guid, table, 'label')
}

/** One request through the stamp, its records copied into one buffer as the batcher does. */
function splicer(
  kernel: Kernel,
  body: RequestBody,
  guidHeader: string | undefined,
  guids: number,
): () => void {
  const rules = defaultRules()
  const header = (name: string): string[] =>
    name === 'x-guid' && guidHeader !== undefined ? [guidHeader] : []
  const sender = { listenerGuid: undefined, pathGuid: undefined, header, peer: '127.0.0.1', connection: 1 }
  const target = Buffer.alloc(2 * limits.expandedBytesMax)
  return () => {
    kernel.begin()
    kernel.putPlain([body.payload], body.payload.length)
    const request = rules.request(sender)
    if (request instanceof Error) throw request
    const stamped = stamp(kernel, prometheusStampings[body.version], rules, request, limits.recordBytesTarget)
    if (typeof stamped === 'string') throw new Error(`refused: ${stamped}`)
    let at = 0
    let items = 0
    let records = 0
    for (; records < stamped.recordCount; records++) {
      const part = kernel.part(records)
      kernel.copyPart(records, target, at)
      at += part.bytes
      items += part.items
    }
    // No body fills a record, so each guid has one.
    if (items !== body.items || records !== guids)
      throw new Error(`${items} items in ${records} records, not ${body.items} in ${guids}`)
  }
}

const spliceCases: Case[] = traffics.map((traffic) => ({
  name: `kernel/splice/${traffic.name}`,
  held: () => {
    const body = traffic.bodies()[0]!
    const work = splicer(new Kernel(), body, traffic.headers['X-Guid'], traffic.guids)
    return { bytes: body.payload.length, work }
  },
  run: async ({ seconds, profileDirectory }) => {
    const body = traffic.bodies()[0]!
    const { payload } = body
    const kernel = new Kernel()
    const copy = Buffer.alloc(payload.length)
    const splice = splicer(kernel, body, traffic.headers['X-Guid'], traffic.guids)
    const load = (): void => {
      kernel.begin()
      kernel.putPlain([payload], payload.length)
    }
    // A profile is to show the splice and not what it is held against.
    const works = profileDirectory === undefined ? [splice, load, () => payload.copy(copy)] : [splice]
    const [wholeUs = 0, loadUs = 0, copyUs = 0] = cpuUsPerCall(works, seconds * secondsShare)
    // The payload has to be there for each call; putting it there is no part of the splice.
    const us = wholeUs - loadUs
    return [...speed(payload.length, us), { name: 'times memcpy', unit: '', value: us / copyUs }]
  },
}))

/** A record of the usual size: recorded payloads joined. */
function record(): Buffer {
  const payloads = recordedBodies(1).map(({ payload }) => payload)
  return Buffer.concat(payloads).subarray(0, limits.recordBytesTarget)
}

function deflateCase(name: string, deflate: (bytes: Buffer) => Buffer): Case {
  return simpleCase(`deflate/${name}`, () => {
    const value = record()
    const ratio = value.length / deflate(value).length
    return {
      bytes: value.length,
      work: () => deflate(value),
      more: [{ name: 'ratio', unit: '', value: ratio }],
    }
  })
}

function zstdAt(level: number): (bytes: Buffer) => Buffer {
  return (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } })
}

export const kernelCases: readonly Case[] = [
  {
    name: 'kernel/memcpy',
    run: async ({ seconds }) => {
      const { payload } = recordedBodies(1)[0]!
      const target = Buffer.alloc(payload.length)
      const [us = 0] = cpuUsPerCall([() => payload.copy(target)], seconds * secondsShare)
      return speed(payload.length, us)
    },
  },
  inflateCase(1),
  inflateCase(2),
  ...spliceCases,
  // Without parameters, as @platformatic/kafka calls it: level 3.
  deflateCase('zstd-default', (bytes) => zstdCompressSync(bytes)),
  deflateCase('zstd-1', zstdAt(1)),
  deflateCase('lz4', lz4Compress),
  deflateCase('snappy', snappyCompress),
  simpleCase('crc32c', () => {
    const value = record()
    return { bytes: value.length, work: () => crc32c(value) }
  }),
]
