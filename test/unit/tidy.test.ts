/**
 * The rules of the house that no compiler and no formatter checks. Each exception stands here with its reason; an
 * exception that is no longer needed fails as well, so that the lists cannot rot.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { localImports, numberLiterals, projectFiles, readText } from '../support/source-tree.ts'

/** What a file may import: its own layer and those after it. */
const LAYERS = [
  'main.ts',
  'workers',
  'gateway.ts',
  'lifecycle.ts',
  'greeting.ts',
  'listeners.ts',
  'commands',
  'admin',
  'receivers',
  'transport',
  'stamp',
  'translate',
  'route',
  'bus',
  'spool',
  'segment',
  'wire',
  'telemetry',
  'config',
  'clock.ts',
  'limits.ts',
  'errors.ts',
]

/** `from → to` pairs that go up, each with its reason. */
const UPWARD: Record<string, string> = {}

/**
 * Layers whose protocols must not know each other. A file is of the protocol that its name begins with (`otlp-http.ts`:
 * otlp); `shared` are those that all may use, `registry` those that know all.
 */
const SIBLINGS: Record<string, { readonly shared: readonly string[]; readonly registry?: string }> = {
  receivers: {
    shared: [
      'intake.ts',
      'forward.ts',
      'refusals.ts',
      'resource-name.ts',
      'http-body.ts',
      'spans.ts',
      'spans-http.ts',
    ],
    registry: 'receivers.ts',
  },
  stamp: { shared: ['guid.ts', 'guid-rules.ts', 'stamp.ts'], registry: 'stampings.ts' },
}

/** Files of src/ that something other than an import starts. */
const ENTRIES: Record<string, string> = {
  'src/guidepost.mjs': 'the program itself, named in package.json',
  'src/main.ts': 'loaded by the launcher',
  'src/workers/worker.ts': 'a process that the primary starts',
  'src/wire/kernel/build.ts': 'npm run kernel',
}

/** Numbers of 1,000 and more that bound nothing: `file: literal`, with what they are. */
const NUMBERS: Record<string, string> = {
  'src/guidepost.mjs: 32 * 1024 * 1024': 'what glibc calls a large buffer; the launcher imports nothing',
  'src/guidepost.mjs: 64 * 1024 * 1024': 'free memory that glibc keeps',
  'src/guidepost.mjs: 16 * 1024 * 1024': 'memory that glibc takes at once',
  'src/bus/log/log-bus.ts: 3_600_000': 'milliseconds of an hour',
  'src/segment/retention.ts: 3_600_000': 'milliseconds of an hour',
  'src/bus/kafka/record-batch.ts: 2 ** 31': 'sequence numbers have 31 bits',
  'src/bus/partition.ts: 0x9747b28c': "murmur2's seed",
  'src/bus/partition.ts: 0x5bd1e995': "murmur2's multiplier",
  'src/bus/partition.ts: 0x7fffffff': 'the mask that makes a hash positive, as Kafka does',
  'src/commands/decode-message.ts: 0x7ff0000000000002n': 'the bits of the staleness marker',
  'src/commands/inspect.ts: 1024 ** 2': 'bytes of a MiB, to print a size',
  'src/config/bus-url.ts: 9092': "Kafka's port",
  'src/config/bus-url.ts: 65_535': 'the last port',
  'src/config/bytes.ts: 1e6': 'unit MB',
  'src/config/bytes.ts: 1e9': 'unit GB',
  'src/config/bytes.ts: 1e12': 'unit TB',
  'src/config/bytes.ts: 2 ** 10': 'unit KiB',
  'src/config/bytes.ts: 2 ** 20': 'unit MiB',
  'src/config/bytes.ts: 2 ** 30': 'unit GiB',
  'src/config/bytes.ts: 2 ** 40': 'unit TiB',
  'src/config/load.ts: 100_000': 'sorts by line, then column',
  'src/config/schema.ts: 1_000': 'milliseconds of a second; the largest value of an option',
  'src/config/schema.ts: 3_600': 'seconds of an hour',
  'src/config/schema-receivers.ts: 86_400': 'seconds of a day, the largest value of an option',
  'src/transport/grpc/call-start.ts: 3_600_000': 'milliseconds of an hour',
  'src/transport/grpc/call-start.ts: 60_000': 'milliseconds of a minute',
  'src/transport/grpc/call-start.ts: 1e6': 'nanoseconds of a millisecond',
  'src/transport/http2/frames.ts: 65_535': 'the window of the specification',
  'src/transport/http2/frames.ts: 2 ** 31': 'a window has 31 bits',
  'src/transport/http2/frames.ts: 16_384': 'the bytes of a frame that everybody takes',
  'src/transport/http2/frames.ts: 2 ** 24': 'the length of a frame has 24 bits',
  'src/transport/http2/huffman.ts: 1 << 16': 'the bit behind two octets',
  'src/transport/inflate.ts: 1032': 'the most that deflate makes of one byte',
  'src/config/schema.ts: 10_000': 'the largest value of an option',
  'src/config/schema.ts: 10_001': 'the default port of admin',
  'src/config/schema.ts: 1024 * 1024': 'GiB of a PiB, the largest value of an option',
  'src/config/schema.ts: 10 * 366 * 24': 'hours of ten years, the largest value of an option',
  'src/config/schema.ts: 1024': 'GiB of a TiB, the largest value of an option',
  'src/config/schema.ts: 1_000_000': 'the largest value of an option',
  'src/segment/encode.ts: 0xffff': 'what two bytes of the format hold',
  'src/segment/encode.ts: 0xffffffff': 'what four bytes of the format hold',
}

/** Files whose numbers are a format's, or generated. */
const NUMBERS_ALLOWED = [
  /^src\/limits\.ts$/,
  // The ports by which each protocol is known.
  /^src\/config\/schema-listeners\.ts$/,
  /^src\/wire\//,
  /^src\/translate\//,
  /^src\/segment\/format/,
  /-generated\.ts$/,
]

/** Between milliseconds and seconds. */
const UNIT = '1e3'

const LINES_MAX = 500
/** Longer files, with the reason. */
const LONG: Record<string, string> = {}

const KERNEL_SOURCE = 'src/wire/kernel/assembly/'
const files = projectFiles()
const sources = files.filter(
  (file) => /^src\/.*(?<!\.d)\.(ts|mjs)$/.test(file) && !file.startsWith(KERNEL_SOURCE),
)

test('a layer imports only itself and the layers below it', () => {
  const found = new Set<string>()
  for (const file of sources) {
    for (const target of localImports(file)) {
      if (target.startsWith('src/') && !file.endsWith('.mjs') && goesUp(file, target))
        found.add(`${file} → ${target}`)
    }
  }
  assertExactly(found, UPWARD)
})

test('implementations of one interface do not know each other', () => {
  const found: string[] = []
  for (const file of sources) {
    for (const target of localImports(file)) {
      if (knowsSibling(file, target)) found.push(`${file} → ${target}`)
    }
  }
  assert.deepEqual(found, [])
})

test('every source file is imported by another', () => {
  const imported = new Set(sources.flatMap((file) => localImports(file).filter((target) => target !== file)))
  const orphans = sources.filter((file) => !imported.has(file) && ENTRIES[file] === undefined)
  assert.deepEqual(orphans, [])
})

test('every bound is in limits.ts', () => {
  const found = new Set<string>()
  const places: string[] = []
  for (const file of sources.filter((source) => !NUMBERS_ALLOWED.some((pattern) => pattern.test(source)))) {
    for (const { line, text, value } of numberLiterals(file)) {
      if (value < 1000 || text === UNIT) continue
      found.add(`${file}: ${text}`)
      if (NUMBERS[`${file}: ${text}`] === undefined) places.push(`${file}:${line}: ${text}`)
    }
  }
  assert.deepEqual(places, [], 'move them to src/limits.ts, or say in this test why they bound nothing')
  assertExactly(found, NUMBERS)
})

test('nothing is left for later, no test is switched off, and no machine is named', () => {
  const rules: readonly (readonly [name: string, pattern: RegExp])[] = [
    [
      'a note for later',
      new RegExp(`\\b(${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')}|${['X', 'XX'].join('')})\\b`),
    ],
    ['a single test', /\b(test|it|describe|suite)\.only\(/],
    ['a test switched off', /\b(test|it|describe|suite)\.skip\(/],
    ['a folder of one machine', /(^|[\s'"`(=:])\/(home\/\w|Users\/\w|root\/|work\/|tmp\/\w)/m],
    [
      'a registry',
      /"resolved": "|https?:\/\/(registry\.|repo1?\.maven|[\w.-]*(artifactory|nexus|verdaccio))/,
    ],
  ]
  const found: string[] = []
  for (const file of files.filter(isText)) {
    for (const [index, line] of readText(file).split('\n').entries()) {
      for (const [name, pattern] of rules) if (pattern.test(line)) found.push(`${file}:${index + 1}: ${name}`)
    }
  }
  assert.deepEqual(found, [])
})

test(`no file is longer than ${LINES_MAX} lines`, () => {
  const code = files.filter((file) => /\.(ts|mjs|js)$/.test(file) && !isGenerated(file))
  const found = new Set(code.filter((file) => readText(file).split('\n').length > LINES_MAX + 1))
  assertExactly(found, LONG)
})

test('the rules see what they forbid', () => {
  assert.equal(goesUp('src/wire/a.ts', 'src/bus/bus.ts'), true)
  assert.equal(goesUp('src/bus/log/a.ts', 'src/segment/b.ts'), false)
  assert.equal(goesUp('src/errors.ts', 'src/limits.ts'), true)
  assert.equal(knowsSibling('src/bus/kafka/a.ts', 'src/bus/kafkajs/b.ts'), true)
  assert.equal(knowsSibling('src/bus/kafka/a.ts', 'src/bus/headers.ts'), false)
  assert.equal(knowsSibling('src/receivers/zipkin-http.ts', 'src/receivers/otlp-http.ts'), true)
  assert.equal(knowsSibling('src/receivers/otlp-http.ts', 'src/receivers/otlp.ts'), false)
  assert.ok(sources.length > 20, 'the sources were not found')
  assert.ok(numberLiterals('src/limits.ts').some(({ value }) => value === 1_000_000))
  assert.ok(localImports('src/config/config.ts').length === 0 && localImports('src/bus/bus.ts').length > 0)
})

function layerOf(file: string): string {
  return file.split('/')[1] ?? ''
}

function goesUp(file: string, target: string): boolean {
  const from = LAYERS.indexOf(layerOf(file))
  const to = LAYERS.indexOf(layerOf(target))
  assert.ok(from !== -1, `${file} is in no layer`)
  assert.ok(to !== -1, `${file} imports ${target}, which is in no layer`)
  return to < from
}

function knowsSibling(file: string, target: string): boolean {
  const layer = layerOf(file)
  if (layer !== layerOf(target)) return false
  // Folders of one layer are implementations (the buses); what lies beside the folders is shared.
  const [from, to] = [file, target].map((name) => name.split('/').slice(2))
  if (from === undefined || to === undefined) return false
  if (layer === 'bus' && from.length > 1 && to.length > 1 && from[0] !== to[0]) return true
  const siblings = SIBLINGS[layer]
  if (siblings === undefined || siblings.shared.includes(to.join('/'))) return false
  return from.join('/') !== siblings.registry && protocolOf(from) !== protocolOf(to)
}

function protocolOf([name = '']: readonly string[]): string {
  return name.replace(/\.ts$/, '').split('-')[0] ?? ''
}

function isText(file: string): boolean {
  return !/\.(snappy|bin|png|ico|wasm)$/.test(file) && !isGenerated(file) && file !== 'test/unit/tidy.test.ts'
}

function isGenerated(file: string): boolean {
  return file === 'src/wire/kernel/kernel-wasm.ts' || file.endsWith('-generated.ts')
}

/** Every exception is needed, and nothing is found beyond the exceptions. */
function assertExactly(found: ReadonlySet<string>, allowed: Readonly<Record<string, string>>): void {
  const beyond = [...found].filter((entry) => allowed[entry] === undefined)
  const unneeded = Object.keys(allowed).filter((entry) => !found.has(entry))
  assert.deepEqual({ beyond, unneeded }, { beyond: [], unneeded: [] })
}
