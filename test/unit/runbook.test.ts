/** docs/runbook.md has what somebody may meet at night, and nothing that is gone. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { parse } from 'yaml'
import { events } from '../../src/telemetry/events.ts'
import { handedOn, logMessages } from '../support/log-messages.ts'
import { projectFiles, readText } from '../support/source-tree.ts'

const runbook = readText('docs/runbook.md')

test('every message that is logged above level info has its row', () => {
  const { messages } = logMessages()
  const rows = new Set(rowsOf('Log lines'))
  const missing = messages.filter(({ message }) => !rows.has(message))
  assert.deepEqual(
    missing.map(({ place, message }) => `${place}: | \`${message}\` | what it means | what to do |`),
    [],
    'add these rows to the table "Log lines" of docs/runbook.md',
  )
  const known = new Set(messages.map(({ message }) => message))
  assert.deepEqual(
    [...rows].filter((row) => !known.has(row)),
    [],
    'no code logs these any more: take their rows out of the table "Log lines" of docs/runbook.md',
  )
})

test('every place that logs says what, or is known to hand on what others say', () => {
  const other = new Set(logMessages().other)
  assert.deepEqual(
    [...other].filter((place) => handedOn[place] === undefined),
    [],
    'log a text or a template here; or name the place in `handedOn` of test/support/log-messages.ts, with where its text is',
  )
  const unneeded = Object.keys(handedOn).filter((place) => !other.has(place))
  assert.deepEqual(unneeded, [], 'take these out of `handedOn` of test/support/log-messages.ts')
})

test('every event has its row, and happens somewhere', () => {
  const names = Object.keys(events)
  assert.deepEqual(rowsOf('Events'), names, '`node test/support/manuals.ts` writes the table of events')
  const sources = projectFiles().filter(
    (file) => /^src\/.*\.ts$/.test(file) && file !== 'src/telemetry/events.ts',
  )
  const text = sources.map(readText).join('\n')
  const unused = names.filter((name) => !new RegExp(`'${name}'|^ {2}${name}:`, 'm').test(text))
  assert.deepEqual(unused, [], 'nothing counts these: take them out of src/telemetry/events.ts')
})

test('every error code has its row', () => {
  const codes = [...readText('src/errors.ts').matchAll(/^ {2}\| '(GP_[A-Z_]+)'$/gm)].map(([, code]) => code)
  assert.deepEqual(
    rowsOf('Error codes').toSorted(),
    codes.toSorted(),
    'mend the table "Error codes" of docs/runbook.md',
  )
})

test('every alert has a section that says what it means, what to see, do, and not do', () => {
  const groups = parse(readText('deploy/prometheus/alerts.yaml')).groups as readonly {
    readonly rules: readonly { readonly alert: string }[]
  }[]
  const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
  const sections = [...sectionOf('Alerts').matchAll(/^### (\w+)\n([\s\S]*?)(?=^##|$(?![\s\S]))/gm)]
  assert.deepEqual(
    sections.map(([, name]) => name),
    alerts,
    'each alert of deploy/prometheus/alerts.yaml, in its order, has a section ### in docs/runbook.md',
  )
  for (const [, name, text = ''] of sections)
    for (const part of ['**Means**', '**Users**', '- **See**', '- **Do**', '- **Do not**'])
      assert.ok(text.includes(part), `${name} has no ${part}`)
})

test('what the runbook points to is there', () => {
  const headings = new Set([...runbook.matchAll(/^#+ (.+)$/gm)].map(([, title]) => anchorOf(title ?? '')))
  for (const [, target = ''] of runbook.matchAll(/\]\(#([^)]+)\)/g))
    assert.ok(headings.has(target), `#${target}`)
  const files = new Set(projectFiles())
  for (const [, target = ''] of runbook.matchAll(/\]\((?!#)([^)#]+)/g)) {
    const file = target.startsWith('../') ? target.slice('../'.length) : `docs/${target}`
    assert.ok(files.has(file), file)
  }
})

test('the collector of messages sees what there is to see', () => {
  const { messages } = logMessages()
  const found = new Set(messages.map(({ message }) => message))
  // A method's argument, a table's entry, a template with a constant in it, a function's result.
  for (const message of [
    'a record went to the dead letters',
    'A damaged record in the log is skipped',
    'Kafka acknowledged …-… at offset … after …: the topic was made anew, or has lost its last records',
    'acknowledged records can be lost with one broker (…); use 3 replicas and min.insync.replicas 2',
    'datagrams were lost: …',
  ])
    assert.ok(found.has(message), message)
})

function sectionOf(title: string): string {
  const [, text] = new RegExp(`^## ${title}\\n([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, 'm').exec(runbook) ?? []
  assert.ok(text, `docs/runbook.md has no section ${title}`)
  return text
}

/** The first cells of a section's table, which stand in backticks. */
function rowsOf(title: string): string[] {
  return [...sectionOf(title).matchAll(/^\| `(.+?)` \| .+ \| .+ \|$/gm)].map(([, cell]) => cell ?? '')
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}
