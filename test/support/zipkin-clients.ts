/** A real client of Zipkin as a child process: npm's zipkin with zipkin-transport-http. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'

export interface ZipkinJob {
  /** Such as `http://127.0.0.1:9411/api/v2/spans`; the path says in which form of JSON. */
  readonly endpoint: string
  /** Tags of every span. */
  readonly tags: Readonly<Record<string, string>>
  readonly ids: readonly string[]
}

/** Sends two spans, `ID` and `ID at the server`, for each id in one request. Throws unless the answer is 200 or 202. */
export async function sendFromZipkin({ endpoint, tags, ids }: ZipkinJob): Promise<void> {
  const file = path.join(import.meta.dirname, 'zipkin-clients-application.ts')
  const own = Object.entries(process.env).filter(
    ([name]) => name !== 'NODE_TEST_CONTEXT' && name !== 'NODE_OPTIONS',
  )
  const env = { ...Object.fromEntries(own), ZIPKIN_ENDPOINT: endpoint, ZIPKIN_TAGS: JSON.stringify(tags) }
  await promisify(execFile)(process.execPath, [file, ...ids], { env, timeout: 60_000 })
}
