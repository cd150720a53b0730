/** What the gateway's translation makes of a payload, before it is stamped. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { limits } from '../../src/limits.ts'
import { Kernel, type Translation } from '../../src/wire/kernel.ts'
import { agentTranslation } from '../../src/wire/translations/agent.ts'
import { jaegerTranslation } from '../../src/wire/translations/jaeger.ts'
import { zipkinTranslation } from '../../src/wire/translations/zipkin.ts'
import { zipkinJsonV1, zipkinJsonV2 } from '../../src/wire/zipkin-json/index.ts'
import { type JudgeEntry, judgeEntries } from './jaeger-judge.ts'
import { type PlainItem, spansOfOtlp } from './plain-spans.ts'

const translations: Readonly<Record<JudgeEntry, Translation>> = {
  grpc: jaegerTranslation('proto', 'otlp'),
  'http-binary': jaegerTranslation('thrift_binary', 'otlp'),
  'udp-binary': agentTranslation('binary', 'otlp'),
  'udp-compact': agentTranslation('compact', 'otlp'),
  'zipkin-v1-json': zipkinTranslation('thrift_binary'),
  'zipkin-v1-thrift': zipkinTranslation('thrift_binary'),
  'zipkin-v2-json': zipkinTranslation('proto'),
  'zipkin-v2-proto': zipkinTranslation('proto'),
}
const kernel = new Kernel()
const DATA = path.resolve(import.meta.dirname, '../data')

export interface Recorded {
  readonly protocol: 'jaeger' | 'zipkin'
  readonly file: string
  readonly entry: JudgeEntry
  readonly payload: Buffer
}

/** The payloads of real clients in test/data; the name of each file says where it goes in. */
export const recorded: readonly Recorded[] = (['jaeger', 'zipkin'] as const).flatMap((protocol) =>
  readdirSync(path.join(DATA, protocol))
    .filter((file) => !file.endsWith('.md'))
    .map((file) => ({
      protocol,
      file,
      entry: entryOf(protocol, file),
      payload: readFileSync(path.join(DATA, protocol, file)),
    })),
)

function entryOf(protocol: 'jaeger' | 'zipkin', file: string): JudgeEntry {
  const words = file.split('.').slice(1).join('-').replace(/-bin$/, '')
  const name = protocol === 'zipkin' ? `zipkin-${words}` : words
  const entry = judgeEntries.find((one) => one === name)
  if (entry === undefined) throw new Error(`${file} names no entry`)
  return entry
}

/** The spans of a payload as it came in. Throws when the translation refuses it. */
export function translated(entry: JudgeEntry, payload: Buffer): PlainItem[] {
  const message = binaryOf(entry, payload)
  kernel.begin()
  kernel.putPlain([message], message.length)
  const bytes = kernel.translate(translations[entry])
  if (bytes < 0) throw new Error(`${entry}: the translation ends with ${bytes}`)
  return spansOfOtlp(kernel.payloadCopy())
}

function binaryOf(entry: JudgeEntry, payload: Buffer): Buffer {
  if (entry !== 'zipkin-v1-json' && entry !== 'zipkin-v2-json') return payload
  const convert = entry === 'zipkin-v1-json' ? zipkinJsonV1 : zipkinJsonV2
  const converted = convert([payload], payload.length, limits.expandedBytesMax)
  if ('problem' in converted) throw new Error(`${converted.problem} at byte ${converted.at}`)
  return converted.message
}
