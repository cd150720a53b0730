/** What is wrong with a text that people wrote, and in which line. */
import { Malformed } from './malformed.ts'
import { Scanner } from './scanner.ts'

/** `message` says what was expected; `line` is from 1. Undefined for valid JSON of at most `levels` levels. */
export function jsonProblem(
  text: Buffer,
  levels: number,
): { readonly line: number; readonly message: string } | undefined {
  const scanner = new Scanner(text)
  try {
    scanner.skip(levels)
    if (scanner.peek() === -1) return undefined
    throw scanner.unexpected('the end')
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    const line = text.toString('latin1', 0, error.at).split('\n').length
    return { line, message: error.message }
  }
}
