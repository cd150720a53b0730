/** The configurations that the README shows are taken as they stand there, and do what it says of them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { formatProblem, loadConfig } from '../../src/config/load.ts'
import { readText } from '../support/source-tree.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'guidepost-readme-'))
after(() => rmSync(folder, { recursive: true }))

/** Those with the program's own options: they say so, or are about guids alone. */
const blocks = [...readText('README.md').matchAll(/```yaml\n(.*?)```/gs)]
  .map(([, text = '']) => text)
  .filter((text) => text.startsWith('# guidepost.yaml') || text.startsWith('guid:'))

function load(text: string): Config {
  const file = path.join(folder, 'guidepost.yaml')
  writeFileSync(file, text)
  const result = loadConfig({ env: {}, cwd: folder, file })
  if (result.config === undefined) assert.fail(result.problems.map(formatProblem).join('\n'))
  return result.config
}

test('each of them is valid', () => {
  assert.ok(blocks.length >= 3, `${blocks.length} blocks`)
  for (const block of blocks) assert.notDeepEqual(load(block), load(''), block)
})

test('with the one for a Jaeger agent on the same host no port is opened that the agent opens', () => {
  const block = blocks.find((text) => 'listeners' in (parse(text) as object)) ?? ''
  const portsOf = ({ listeners, admin }: Config): number[] =>
    [...Object.values(listeners), admin].flatMap((listener) => listener?.port ?? [])
  // jaegertracing/jaeger v1.62.0, cmd/agent/app/builder.go and ports/ports.go.
  const agentPorts = [5775, 6831, 6832, 5778, 14271]
  const opened = portsOf(load(block))
  assert.deepEqual(
    agentPorts.filter((port) => opened.includes(port)),
    [],
  )
  assert.deepEqual(portsOf(load('')).length - opened.length, 4, 'the others stay open')
})
