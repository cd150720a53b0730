/** Which folders of a log directory are topics. */
import type { FileSystem } from '../../segment/file-system.ts'

/** Others are not ours: `lost+found` at the root of a volume, hidden folders of backup programs. */
const topicPattern = /^[a-z][a-z0-9_-]{0,99}$/

/** The spool of a Kafka bus lies here unless told otherwise; as a topic it would be subject to retention. */
const spoolFolder = 'spool'

/** Rising by name. Throws what listing the directory throws. */
export async function listTopics(fs: FileSystem, directory: string): Promise<string[]> {
  const entries = await fs.list(directory)
  const folders = entries.filter(
    (entry) => entry.kind === 'directory' && topicPattern.test(entry.name) && entry.name !== spoolFolder,
  )
  return folders.map((entry) => entry.name).sort()
}
