/** The version of the program, as package.json says it. */
import { readFileSync } from 'node:fs'

function read(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || !('version' in parsed)) return 'unknown'
  return String(parsed.version)
}

export const version = read()
