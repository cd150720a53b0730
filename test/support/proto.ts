/** The messages in `proto/`, as protobufjs reads them, for tests; nothing is shared with `src/`. */
import path from 'node:path'
import protobuf from 'protobufjs'

export type OtlpSignal = 'traces' | 'metrics' | 'logs'
export const otlpSignals: readonly OtlpSignal[] = ['traces', 'metrics', 'logs']

/** `files` are below `proto/`, and so is what they import, unless protobufjs brings it along. Not yet resolved. */
export function protoRoot(files: readonly string[], options: protobuf.IParseOptions = {}): protobuf.Root {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) =>
    target.startsWith('google/protobuf') ? target : path.join(import.meta.dirname, '../../proto', target)
  return root.loadSync([...files], options)
}

/** Where the service of a signal is declared, and its name. */
const services = {
  traces: ['trace', 'Trace'],
  metrics: ['metrics', 'Metrics'],
  logs: ['logs', 'Logs'],
} as const

/** The file with the service and the messages of a signal. */
export function otlpFile(signal: OtlpSignal): string {
  const [folder] = services[signal]
  return `opentelemetry/proto/collector/${folder}/v1/${folder}_service.proto`
}

/** The full name of the request, or of the response, of a signal's Export. */
export function otlpMessage(signal: OtlpSignal, kind: 'Request' | 'Response' = 'Request'): string {
  const [folder, name] = services[signal]
  return `opentelemetry.proto.collector.${folder}.v1.Export${name}Service${kind}`
}
