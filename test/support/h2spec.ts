/** h2spec, a client that tries what a server of HTTP/2 must take, refuse or pass over; built by h2spec/build. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'

const BUILD = path.join(import.meta.dirname, 'h2spec/build')
const BUILD_MS_MAX = 600_000
/** Of one case; h2spec takes silence for that long as an answer. */
const CASE_SECONDS_MAX = 3
const RUN_MS_MAX = 180_000

async function build(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(BUILD, args, { timeout: BUILD_MS_MAX, maxBuffer: 2 ** 26 })
  return stdout.trim()
}

/** For `requireReal`: builds it unless it is there, where it must be. False when it is, else what is missing. */
export async function h2specAvailable(): Promise<string | false> {
  try {
    await build('--find')
    return false
  } catch {
    // It is not there yet.
  }
  const isWanted = process.env['CI'] === 'true' || process.env['GUIDEPOST_REAL'] === 'require'
  if (!isWanted) return 'it is not built yet; about a minute, with Go: test/support/h2spec/build'
  try {
    await build()
    return false
  } catch (error) {
    return `it could not be built (${error instanceof Error ? error.message.slice(-2000) : String(error)})`
  }
}

export interface H2specResult {
  readonly cases: number
  readonly skipped: number
  /** `section: what was tried`, of each case that failed. */
  readonly failed: readonly string[]
}

/**
 * Runs all cases, or those of the sections. `folder`: for its report. `headerBytes`: of one header value; five of them
 * must be more than the server takes in a frame, and one not more than it takes as a head.
 */
export async function runH2spec(
  port: number,
  folder: string,
  headerBytes: number,
  sections: readonly string[] = [],
): Promise<H2specResult> {
  const report = path.join(folder, 'h2spec.xml')
  const args = ['-p', `${port}`, '-o', `${CASE_SECONDS_MAX}`, '-j', report]
  args.push('--max-header-length', `${headerBytes}`, ...sections)
  try {
    await promisify(execFile)(await build('--find'), args, { timeout: RUN_MS_MAX, maxBuffer: 2 ** 26 })
  } catch (error) {
    // It ends with 1 when a case failed.
    if ((error as { code?: unknown }).code !== 1) throw error
  }
  return readReport(await readFile(report, 'utf8'))
}

function readReport(xml: string): H2specResult {
  const failed: string[] = []
  let cases = 0
  let skipped = 0
  for (const [, attributes = '', body = ''] of xml.matchAll(
    /<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs,
  )) {
    cases++
    if (body.includes('<skipped')) skipped++
    if (!/<(failure|error)/.test(body)) continue
    failed.push(`${attributeOf(attributes, 'package')}: ${attributeOf(attributes, 'classname')}`)
  }
  return { cases, skipped, failed }
}

function attributeOf(attributes: string, name: string): string {
  const text = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? ''
  return text.replaceAll('&#34;', '"').replaceAll('&amp;', '&')
}
