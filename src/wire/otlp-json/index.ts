/** OTLP requests as JSON, made into the protobuf that everything behind expects. */
import type { OtlpSignal } from '../formats/otlp.ts'
import { type CompiledMessage, compile } from './compiled.ts'
import { Converter } from './converter.ts'
import { Malformed } from './malformed.ts'
import { type Message, requests } from './messages.ts'
import { Output } from './output.ts'
import { Scanner } from './scanner.ts'

export type OtlpFromJson =
  | { readonly message: Buffer }
  | {
      /** For the sender: where, in which field, and what was expected there. */
      readonly problem: string
      /** Index of the byte. */
      readonly at: number
      readonly isTooLarge?: true
    }

const pathCharactersMax = 300
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
  const [first] = chunks
  const input = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes)
  const scanner = new Scanner(input)
  const output = new Output(Math.ceil(bytes / 2) + bytesExpectedMin, outputBytesMax)
  const converter = new Converter(scanner, output)
  try {
    if (scanner.peek() < 0) return { message: Buffer.alloc(0) }
    converter.message(compile(requests[signal], compiled))
    if (scanner.peek() >= 0) throw scanner.unexpected('the end after the request')
    return { message: output.finish() }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    const at = error.isTooLarge ? scanner.at : error.at
    const path = converter.path === '' ? '' : ` in ${shortened(converter.path)}`
    const problem = `at byte ${at}${path}: ${error.message}`
    return error.isTooLarge ? { problem, at, isTooLarge: true } : { problem, at }
  }
}

function shortened(path: string): string {
  const half = pathCharactersMax / 2
  return path.length <= pathCharactersMax ? path : `${path.slice(0, half)}…${path.slice(-half)}`
}
