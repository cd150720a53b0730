import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cli, type RunOptions } from '../../../src/commands/cli.ts'
import { commands } from '../../../src/commands/usage.ts'
import { type FakeIo, fakeIo } from './fake-io.ts'

async function call(...argv: string[]): Promise<{ code: number; io: FakeIo; ran: RunOptions[] }> {
  const io = fakeIo()
  const ran: RunOptions[] = []
  const run = async (options: RunOptions) => {
    ran.push(options)
    return 0
  }
  return { code: await cli(argv, io, { run }), io, ran }
}

test('the program and each command explain themselves', async () => {
  for (const argv of [['--help'], ['-h'], ['help']]) {
    const { code, io } = await call(...argv)
    assert.equal(code, 0)
    for (const name of Object.keys(commands)) assert.match(io.stdout.text, new RegExp(`^  ${name} `, 'm'))
  }
  for (const [name, { options }] of Object.entries(commands)) {
    for (const argv of [
      [name, '--help'],
      ['help', name],
    ]) {
      const { code, io } = await call(...argv)
      assert.equal(code, 0)
      for (const option of Object.keys(options)) assert.ok(io.stdout.text.includes(`--${option}`), option)
      assert.equal(io.stderr.text, '')
    }
  }
})

test('help is at most 120 columns wide', async () => {
  for (const argv of [['help'], ...Object.keys(commands).map((name) => ['help', name])]) {
    const { io } = await call(...argv)
    for (const line of io.stdout.lines) assert.ok(line.length <= 120, line)
  }
})

test('the version is named', async () => {
  const { code, io } = await call('--version')
  assert.equal(code, 0)
  assert.match(io.stdout.text, /^guidepost \d+\.\d+\.\d+ \(Node\.js v\d/)
})

test('run hands its options on', async () => {
  const { ran } = await call('run', '--config', 'a.yaml', '--bus=log:./x', '--guid', 'team-a')
  assert.deepEqual(ran, [{ config: 'a.yaml', bus: 'log:./x', guid: 'team-a' }])
  const bare = await call('run', '-c', 'b.yaml')
  assert.deepEqual(bare.ran, [{ config: 'b.yaml', bus: undefined, guid: undefined }])
})

for (const [argv, expected] of [
  [[], /^guidepost stamps/],
  [['chekc'], /there is no command chekc\. Did you mean check\?/],
  [['frobnicate'], /there is no command frobnicate\. Commands are run, check, tail, inspect\./],
  [
    ['run', '--confg', 'x'],
    /guidepost run: there is no option --confg\. Did you mean --config\?\nTry guidepost run --help\./,
  ],
  [['run', '-x'], /there is no option -x\./],
  [['run', '--config'], /--config needs a value: --config FILE/],
  [['run', '--config', '--bus', 'x'], /--config needs a value/],
  [['run', '--bus', 'a', '--bus', 'b'], /--bus is given twice/],
  [['run', 'extra'], /does not take extra/],
  [['check'], /guidepost check: needs FILE/],
  [['check', 'a', 'b'], /does not take b/],
  [['check', '--schema', 'a'], /does not take a/],
  [['inspect'], /needs DIR/],
  [['tail', '--from', 'middle'], /--from is begin or end/],
  [['tail', '--limit', '0'], /--limit is a whole number from 1/],
  [['tail', '--limit', 'x'], /--limit is a whole number from 1/],
  [['tail', '--follow=yes'], /--follow takes no value/],
  [['tail', '--__proto__'], /there is no option --__proto__/],
] as const) {
  test(`wrong: ${argv.join(' ') || '(nothing)'}`, async () => {
    const { code, io, ran } = await call(...argv)
    assert.equal(code, 2)
    assert.match(io.stderr.text, expected)
    assert.equal(io.stdout.text, '')
    assert.deepEqual(ran, [])
  })
}
