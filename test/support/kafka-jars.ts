/**
 * Kafka as Maven Central publishes it, fetched once into a cache folder that all test runs share: `GUIDEPOST_CACHE`,
 * else `~/.cache/guidepost`.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const version = '4.1.0'
const fetchMsMax = 300_000

// log4j-slf4j-impl only makes the broker's own errors visible when it does not come up.
const pom = `<project><modelVersion>4.0.0</modelVersion>
<groupId>guidepost.test</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
</dependencies></project>
`

function cacheDirectory(): string {
  return process.env['GUIDEPOST_CACHE'] ?? join(homedir(), '.cache', 'guidepost')
}

/** The class path of the broker. Only after `kafkaAvailable` returned false. */
export function kafkaClassPath(): string {
  return join(cacheDirectory(), `kafka_2.13-${version}`, '*')
}

async function works(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, [...args], { timeout: 60_000 })
    return true
  } catch {
    return false
  }
}

async function isFetched(target: string): Promise<boolean> {
  try {
    return (await readdir(target)).some((name) => name.startsWith('kafka_2.13-'))
  } catch {
    return false
  }
}

/** Test files run in processes of their own: each fetches into a folder of its own, and the first to finish wins. */
async function fetchJars(target: string): Promise<void> {
  await mkdir(cacheDirectory(), { recursive: true })
  const work = await mkdtemp(join(cacheDirectory(), 'fetch-'))
  try {
    await writeFile(join(work, 'pom.xml'), pom)
    const args = ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime']
    await run('mvn', [...args, `-DoutputDirectory=${join(work, 'jars')}`], { cwd: work, timeout: fetchMsMax })
    await rename(join(work, 'jars'), target).catch(async (error: unknown) => {
      if (!(await isFetched(target))) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** False when a broker can be started here, else one line that says what is missing and how to have it. */
export async function kafkaAvailable(): Promise<string | false> {
  if (!(await works('java', ['-version']))) {
    return 'Java 17 or later is missing; on Debian: apt-get install openjdk-17-jre-headless maven'
  }
  const target = join(cacheDirectory(), `kafka_2.13-${version}`)
  if (await isFetched(target)) return false
  if (!(await works('mvn', ['-version']))) {
    return 'Maven is missing, which fetches Kafka from Maven Central; on Debian: apt-get install maven'
  }
  try {
    await fetchJars(target)
    return false
  } catch (error) {
    const text = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return `Kafka ${version} could not be fetched from Maven Central (${text}); try again with a network`
  }
}
