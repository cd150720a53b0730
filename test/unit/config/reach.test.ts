/** Many ways to switch the listeners and receivers: what is said, and what is on then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkReach, reachOf, receiverNames, receiversOf } from '../../../src/config/reach.ts'
import { readBlock } from '../../../src/config/read.ts'
import { schema, type Written } from '../../../src/config/schema.ts'
import { Random } from '../../support/random.ts'

const switches = [undefined, 'on', 'off'] as const
type Switch = (typeof switches)[number]

const listenerNames = Object.keys(receiversOf) as (keyof typeof receiversOf)[]

interface Way {
  readonly listeners: Readonly<Record<string, Switch>>
  readonly receivers: Readonly<Record<string, Switch>>
}

/** Every way to switch one or two of them, and as many random ways to switch them all. */
const all: readonly Way[] = [...ways()]

function* ways(): Generator<Way> {
  const count = listenerNames.length + receiverNames.length
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  const random = new Random(seed)
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < a; b++) {
      for (const first of switches) {
        for (const second of switches) {
          yield wayOf((i) => (i === a ? first : i === b ? second : undefined))
          yield wayOf((i) => (i === a ? first : i === b ? second : 'off'))
          yield wayOf(() => switches[random.below(switches.length)])
        }
      }
    }
  }
}

function wayOf(switchOf: (index: number) => Switch): Way {
  const values = [...listenerNames, ...receiverNames].map((_, index) => switchOf(index))
  return {
    listeners: Object.fromEntries(listenerNames.map((name, index) => [name, values[index]])),
    receivers: Object.fromEntries(
      receiverNames.map((name, index) => [name, values[listenerNames.length + index]]),
    ),
  }
}

function judge({ listeners, receivers }: Way): { written: Written; problems: string[] } {
  const enabled = Object.entries(receivers).map(([name, on]) => [name, { enabled: on }])
  const values = { listeners, receivers: Object.fromEntries(enabled) }
  const written = readBlock(schema, values, (path, message) => assert.fail(`${path}: ${message}`)) as Written
  const problems: string[] = []
  checkReach(
    written,
    (group, name) => (group === 'listeners' ? listeners : receivers)[name ?? ''] !== undefined,
    (path, message) => problems.push(`${path.join('.')} ${message}`),
  )
  return { written, problems }
}

test('what nothing is said of takes something on each of its listeners', () => {
  let count = 0
  for (const way of all) {
    const { written, problems } = judge(way)
    if (problems.length > 0) continue
    count++
    const on = reachOf(written)
    const shown = JSON.stringify(way)
    assert.ok(on.listeners.size > 0 && on.receivers.size > 0, shown)
    for (const name of on.listeners) {
      assert.notEqual(way.listeners[name], 'off', shown)
      assert.ok(
        receiversOf[name].some((receiver) => on.receivers.has(receiver)),
        shown,
      )
    }
    for (const name of on.receivers) {
      assert.notEqual(way.receivers[name], 'off', shown)
      assert.ok(
        [...on.listeners].some((listener) => receiversOf[listener].includes(name)),
        shown,
      )
    }
    // Whoever asks for something gets it.
    for (const name of listenerNames) assert.ok(way.listeners[name] !== 'on' || on.listeners.has(name), shown)
    for (const name of receiverNames) assert.ok(way.receivers[name] !== 'on' || on.receivers.has(name), shown)
  }
  assert.ok(count > 0 && count < all.length)
})

test('something is said only when nothing is taken, or what was asked for cannot be', () => {
  for (const way of all) {
    const { written, problems } = judge(way)
    if (problems.length === 0) continue
    const on = reachOf(written)
    const isAskedFor =
      listenerNames.some((name) => way.listeners[name] === 'on' && !on.listeners.has(name)) ||
      receiverNames.some((name) => way.receivers[name] === 'on' && !on.receivers.has(name))
    assert.ok(on.receivers.size === 0 || isAskedFor, JSON.stringify({ way, problems }))
  }
})

test('switching off is never a problem while something is taken', () => {
  for (const way of all) {
    const isAskedFor = [...Object.values(way.listeners), ...Object.values(way.receivers)].includes('on')
    const { written, problems } = judge(way)
    if (!isAskedFor && reachOf(written).receivers.size > 0)
      assert.deepEqual(problems, [], JSON.stringify(way))
  }
})
