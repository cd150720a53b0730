/** Files of test/data. */
import { readFile } from 'node:fs/promises'

export function readData(name: string): Promise<Buffer> {
  return readFile(new URL(`../data/${name}`, import.meta.url))
}
