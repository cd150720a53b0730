/** A spool that is switched off while records are in it: they were acknowledged, and somebody has to be told. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { Program } from '../support/program.ts'
import { temporaryDirectory } from '../support/running.ts'

test('the log names the folder of a spool that is off and holds records', {
  timeout: 120_000,
}, async (context) => {
  const directory = await temporaryDirectory(context)
  const spool = path.join(directory, 'spool')
  const started = (): Promise<Program> =>
    Program.start({ bus: `log:${directory}/log`, env: { GUIDEPOST_SPOOL_DIRECTORY: spool } })
  const told = ({ logs }: Program) => logs.filter(({ msg }) => msg?.startsWith('The spool is off') === true)

  const clean = await started()
  assert.equal(await clean.stop(), 0)
  assert.deepEqual(told(clean), [])

  await mkdir(path.join(spool, 'worker-2'), { recursive: true })
  await writeFile(path.join(spool, 'worker-2', '00000000000000000000.seg'), Buffer.alloc(5_000))
  const program = await started()
  assert.equal(await program.stop(), 0)
  const [line, ...more] = told(program)
  assert.deepEqual([line?.level, line?.['directory'], more.length], ['error', spool, 0])
})
