/** OTLP requests as JSON, made into the protobuf that everything behind expects. */
import type { OtlpSignal } from '../formats/otlp.ts'
import { convert, type FromJson } from '../json/conversion.ts'
import { Output } from '../json/output.ts'
import { type CompiledMessage, compile } from './compiled.ts'
import { Converter } from './converter.ts'
import { type Message, requests } from './messages.ts'

export type OtlpFromJson = FromJson

const bytesExpectedMin = 64

const compiled = new Map<Message, CompiledMessage>()

/**
 * The export request of that signal, its fields in the order of the text.
 *
 * Trace and span ids may have any length here. Keys that are not known are left out; a text without any value is an
 * empty request. `chunks` hold `bytes` bytes together and are borrowed for the call; the message is the caller's. Besides
 * them it takes, for as long as it runs, at most a copy of the text and twice `outputBytesMax`. Never throws for what the
 * text is.
 */
export function jsonToOtlp(
  signal: OtlpSignal,
  chunks: readonly Buffer[],
  bytes: number,
  outputBytesMax: number,
): OtlpFromJson {
  return convert(chunks, bytes, (scanner) => {
    const output = new Output(Math.ceil(bytes / 2) + bytesExpectedMin, outputBytesMax)
    const converter = new Converter(scanner, output)
    return {
      path: converter.path,
      read: () => converter.message(compile(requests[signal], compiled)),
      finish: () => output.finish(),
    }
  })
}
