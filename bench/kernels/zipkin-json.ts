/**
 * Zipkin's JSON of both versions made into its binary forms: a thousand spans as an Istio proxy reports them, beside JSON.parse
 * of the same text, which makes the objects only.
 */
import { limits } from '../../src/limits.ts'
import { zipkinJsonV1, zipkinJsonV2 } from '../../src/wire/zipkin-json/index.ts'
import type { Case } from '../support/case.ts'
import { cpuUsPerCall } from '../support/measure.ts'

/** A case of microseconds needs less time than one of a whole program. */
const secondsShare = 1 / 5
const spanCount = 1_000

const own = { serviceName: 'reviews.bookinfo', ipv4: '172.17.0.9', port: 9080 }
const peer = { serviceName: 'productpage.bookinfo', ipv4: '172.17.0.12', port: 40_112 }

function tagsOf(index: number): Record<string, string> {
  return {
    component: 'proxy',
    'http.method': 'GET',
    'http.protocol': 'HTTP/1.1',
    'http.status_code': '200',
    'http.url': `http://reviews:9080/reviews/${index}`,
    'istio.canonical_service': 'reviews',
    'istio.mesh_id': 'cluster.local',
    'istio.namespace': 'bookinfo',
    node_id: 'sidecar~172.17.0.9~reviews-v1-545db77b95-2zqgt.bookinfo~bookinfo.svc.cluster.local',
    upstream_cluster: 'inbound|9080||',
  }
}

function spanOf(index: number) {
  return {
    traceId: '48485a3953bb61246b221d5bc9e6496c',
    parentId: '6b221d5bc9e6496c',
    id: (0x5b4185666d50f000n + BigInt(index)).toString(16),
    name: 'reviews.bookinfo.svc.cluster.local:9080/*',
    timestamp: 1_769_000_000_123_456 + index,
    duration: 12_345 + index,
  }
}

function listV2(): object[] {
  return Array.from({ length: spanCount }, (_, index) => ({
    ...spanOf(index),
    kind: 'SERVER',
    localEndpoint: own,
    remoteEndpoint: peer,
    tags: tagsOf(index),
  }))
}

function listV1(): object[] {
  return Array.from({ length: spanCount }, (_, index) => {
    const span = spanOf(index)
    const { timestamp, duration } = span
    return {
      ...span,
      annotations: [
        { timestamp, value: 'sr', endpoint: own },
        { timestamp: timestamp + duration, value: 'ss', endpoint: own },
      ],
      binaryAnnotations: [
        { key: 'ca', value: true, endpoint: peer },
        ...Object.entries(tagsOf(index)).map(([key, value]) => ({ key, value, endpoint: own })),
      ],
    }
  })
}

function jsonCase(name: string, convert: typeof zipkinJsonV2, list: () => object[]): Case {
  const converted = (text: Buffer): void => {
    const result = convert([text], text.length, limits.inflatedBytesMax)
    if (!('message' in result)) throw new Error(result.problem)
  }
  return {
    name: `kernel/zipkin-json/${name}`,
    held: () => {
      const text = Buffer.from(JSON.stringify(list()))
      return { bytes: text.length, work: () => converted(text) }
    },
    run: async ({ seconds }) => {
      const text = Buffer.from(JSON.stringify(list()))
      const work = (): void => converted(text)
      const parse = (): void => {
        JSON.parse(text.toString())
      }
      const [us = 0, parseUs = 0] = cpuUsPerCall([work, parse], seconds * secondsShare)
      return [
        { name: 'speed', unit: 'GB/s', value: text.length / us / 1e3 },
        { name: 'per span', unit: 'µs', value: us / spanCount },
        { name: 'JSON.parse alone', unit: 'GB/s', value: text.length / parseUs / 1e3 },
      ]
    },
  }
}

export const zipkinJsonCases: readonly Case[] = [
  jsonCase('v2', zipkinJsonV2, listV2),
  jsonCase('v1', zipkinJsonV1, listV1),
]
