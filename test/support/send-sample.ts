/**
 * `npm run send-sample`: sends one real sample in remote write 1.0, with nothing but what Node has, so that the whole
 * message can be read here.
 *
 *     npm run send-sample -- [--url http://127.0.0.1:10000/write] [--guid G] [--metric NAME] [--value N]
 *
 * WriteRequest.timeseries = 1; TimeSeries.labels = 1, samples = 2; Label.name = 1, value = 2; Sample.value = 1 (double),
 * timestamp = 2 (Unix ms): prometheus/prometheus, prompb/types.proto. The body is a snappy block, whose format allows
 * one that compresses nothing: the length, then literals (google/snappy, format_description.txt).
 */
import { parseArgs } from 'node:util'

const USAGE = `Sends one sample in Prometheus remote write 1.0.

  npm run send-sample -- [options]

  --url URL       where to (http://127.0.0.1:10000/write)
  --guid GUID     sent as the label guid; without it the gateway's rules decide
  --metric NAME   the metric (guidepost_first_sample)
  --value NUMBER  the value (1)
`

const BYTES = 2
const VARINT = 0
const BITS64 = 1

// A reader that goes away (`| head -1`) is no failure; what it would have read is dropped.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
process.exitCode = await main()

async function main(): Promise<number> {
  const options = read()
  if (options === undefined) return 2
  if (options.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const labels: [string, string][] = [['__name__', options.metric]]
  // The labels have to be in the order of their bytes: `__name__` is before `guid`, which is before `job`.
  if (options.guid !== undefined) labels.push(['guid', options.guid])
  labels.push(['job', 'send-sample'])
  const headers = {
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    'x-prometheus-remote-write-version': '0.1.0',
    'user-agent': 'guidepost-send-sample',
  }
  const body = snappyBlock(writeRequest(labels, options.value, Date.now()))
  try {
    const answer = await fetch(options.url, { method: 'POST', headers, body: new Uint8Array(body) })
    const text = (await answer.text()).trim()
    process.stdout.write(`${answer.status} ${answer.statusText}${text === '' ? '' : `: ${text}`}\n`)
    if (!answer.ok) return 1
    const told = labels.map(([name, value]) => `${name}="${value}"`).join(', ')
    process.stdout.write(
      `sent, and durable: {${told}} ${options.value}\nread it back: npx guidepost tail --from begin\n`,
    )
    return 0
  } catch (error) {
    const { cause } = error as Error
    process.stderr.write(
      `nobody answers at ${options.url} (${cause instanceof Error ? cause.message : error})\n`,
    )
    process.stderr.write('start the gateway with: npm start\n')
    return 1
  }
}

interface Options {
  readonly url: string
  readonly guid: string | undefined
  readonly metric: string
  readonly value: number
  readonly help: boolean
}

/** The options, or undefined when they make no sense and that was said. */
function read(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string', default: 'http://127.0.0.1:10000/write' },
        guid: { type: 'string' },
        metric: { type: 'string', default: 'guidepost_first_sample' },
        value: { type: 'string', default: '1' },
        help: { type: 'boolean', default: false },
      },
    })
    const value = Number(values.value)
    if (values.value.trim() === '' || Number.isNaN(value))
      throw new Error(`--value ${values.value} is no number`)
    if (!URL.canParse(values.url)) throw new Error(`--url ${values.url} is no URL`)
    return { ...values, guid: values.guid, value }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    return undefined
  }
}

function writeRequest(labels: readonly [string, string][], value: number, timestampMs: number): Buffer {
  const double = Buffer.alloc(8)
  double.writeDoubleLE(value)
  const sample = Buffer.concat([tag(1, BITS64), double, tag(2, VARINT), varint(timestampMs)])
  const fields = labels.map(([name, text]) =>
    field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(text))])),
  )
  return field(1, Buffer.concat([...fields, field(2, sample)]))
}

function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([tag(number, BYTES), varint(bytes.length), bytes])
}

function tag(number: number, type: number): Buffer {
  return varint(number * 8 + type)
}

/** Seven bits a byte, the lowest first, the top bit set on all but the last. */
function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) + 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Buffer.from([...bytes, rest])
}

/** A snappy block of literals of at most 60 bytes, whose length fits the six bits of their tag. */
function snappyBlock(bytes: Buffer): Buffer {
  const parts = [varint(bytes.length)]
  for (let start = 0; start < bytes.length; start += 60) {
    const literal = bytes.subarray(start, start + 60)
    parts.push(Buffer.from([(literal.length - 1) << 2]), literal)
  }
  return Buffer.concat(parts)
}
