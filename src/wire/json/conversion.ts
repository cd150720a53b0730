/** From a text to a message, or to the problem that its sender is told: what converters of all formats have in common. */
import { Malformed } from './malformed.ts'
import type { Path } from './path.ts'
import { Scanner } from './scanner.ts'

export type FromJson =
  | { readonly message: Buffer }
  | {
      /** For the sender: where, in which field, and what was expected there. */
      readonly problem: string
      /** Index of the byte. */
      readonly at: number
      readonly isTooLarge?: true
    }

export interface Conversion {
  readonly path: Path
  /** Reads the one value of the text. @throws Malformed */
  read(): void
  /** The message that was written, also when the text holds no value. */
  finish(): Buffer
}

/**
 * `chunks` hold `bytes` bytes together and are borrowed for the call; the message is the caller's. Never throws for what
 * the text is.
 */
export function convert(
  chunks: readonly Buffer[],
  bytes: number,
  begin: (scanner: Scanner) => Conversion,
): FromJson {
  const [first] = chunks
  const input = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes)
  const scanner = new Scanner(input)
  const conversion = begin(scanner)
  try {
    if (scanner.peek() >= 0) conversion.read()
    if (scanner.peek() >= 0) throw scanner.unexpected('the end after the request')
    return { message: conversion.finish() }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
    const at = error.isTooLarge ? scanner.at : error.at
    const path = conversion.path.toString()
    const problem = `at byte ${at}${path === '' ? '' : ` in ${path}`}: ${error.message}`
    return error.isTooLarge ? { problem, at, isTooLarge: true } : { problem, at }
  }
}
