/** What lies in the folders of a spool that nobody opens, because it was switched off. Changes nothing. */
import { join } from 'node:path'
import { type FileSystem, nodeFileSystem } from '../segment/file-system.ts'
import { fileHeaderBytes } from '../segment/format.ts'
import { parkedIn, parkedName, workerName, workersIn } from './layout.ts'

/**
 * Bytes of the records in the segments of all workers, and of those that they have parked: what is delivered was deleted,
 * a part of a segment aside. What cannot be read does not count. Never rejects.
 */
export async function bytesLeftBehind(directory: string, fs: FileSystem = nodeFileSystem): Promise<number> {
  let bytes = 0
  for (const number of await workersIn(fs, directory).catch(() => [])) {
    const worker = join(directory, workerName(number))
    bytes += await bytesIn(fs, worker)
    for (const parked of await parkedIn(fs, worker).catch(() => [])) {
      bytes += await bytesIn(fs, join(worker, parkedName(parked)))
    }
  }
  return bytes
}

async function bytesIn(fs: FileSystem, directory: string): Promise<number> {
  const entries = await fs.list(directory).catch(() => [])
  const sizes = entries
    .filter(({ name, kind }) => kind === 'file' && name.endsWith('.seg'))
    .map(async ({ name }) => {
      const { bytes } = await fs.stat(join(directory, name)).catch(() => ({ bytes: 0 }))
      return Math.max(0, bytes - fileHeaderBytes)
    })
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0)
}
