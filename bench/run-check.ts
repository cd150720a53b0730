/**
 * `npm run bench:check`: holds the parts to what bench/baseline.json says of them.
 *
 *     npm run bench:check                  fails when a part has become slower by more than the tolerance
 *     npm run bench:check -- otlp crc      only the parts whose name holds one of these texts
 *     npm run bench:check -- --write       stores what is measured instead: the median of three measurements
 *     options: --baseline FILE
 *
 * A part that is found slower is measured again, up to three times, and the best counts: work is never faster than it can
 * be, and often slower for what runs beside it. A part that the baseline does not know, and one that only the
 * baseline knows, fail as well. Some 20 s of CPU time.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { allCases, chooseCases } from './cases.ts'
import { type Baseline, judge, judgement, medianOf, readBaseline, writeBaseline } from './support/baseline.ts'
import { timesCopy } from './support/held.ts'
import { describeMachine } from './support/machine.ts'
import { say } from './support/output.ts'

const retriesMax = 3
const writeRounds = 3

const parts = allCases.flatMap(({ name, held }) => (held === undefined ? [] : [{ name, held }]))
type Part = (typeof parts)[number]

/** The ratio that counts. */
function measure({ name, held }: Part, stored: number | undefined): number {
  let ratio = timesCopy(held)
  for (let retry = 0; retry < retriesMax && judge(stored, ratio) === 'slower'; retry++) {
    say(`${name} is measured again`)
    ratio = Math.min(ratio, timesCopy(held))
  }
  return ratio
}

function check(chosen: readonly Part[], baseline: Baseline, isWhole: boolean): number {
  const { cpu, node } = describeMachine()
  if (baseline.cpu !== cpu || baseline.node !== node)
    say(
      `WARNING: the baseline is of ${baseline.cpu} with Node ${baseline.node}, and this is ${cpu} with Node ${node}.\n` +
        'What it says may not hold here: store one of an older commit with --baseline FILE --write, and compare with that.\n',
    )
  const failed: string[] = []
  let faster = 0
  for (const part of chosen) {
    const stored = baseline.ratios[part.name]
    const measured = measure(part, stored)
    const line = judgement(part.name, stored, measured)
    const verdict = judge(stored, measured)
    if (verdict === 'slower' || verdict === 'missing') failed.push(line)
    if (verdict === 'faster') faster++
    say(line)
  }
  const known = new Set(parts.map(({ name }) => name))
  for (const name of isWhole ? Object.keys(baseline.ratios) : [])
    if (!known.has(name)) failed.push(`${name}  is in the baseline and nowhere else`)
  if (faster > 0) say(`\n${faster} became faster: --write stores that, so that it stays`)
  if (failed.length === 0) say('\nno part has become slower')
  else say(`\nFAILED, in times of a copy of as many bytes:\n${failed.join('\n')}`)
  return failed.length === 0 ? 0 : 1
}

/** What is not measured this time stays, unless there is no such part any more. */
function write(chosen: readonly Part[], file: string, before: Baseline | undefined): void {
  const ratios: Record<string, number> = {}
  for (const { name } of parts) {
    const stored = before?.ratios[name]
    if (stored !== undefined) ratios[name] = stored
  }
  for (const { name, held } of chosen) {
    const ratio = medianOf(Array.from({ length: writeRounds }, () => timesCopy(held)))
    say(
      ratios[name] === undefined
        ? `${name}  measured ${ratio.toFixed(2)}`
        : judgement(name, ratios[name], ratio),
    )
    ratios[name] = ratio
  }
  const { cpu, node } = describeMachine()
  writeBaseline(file, { cpu, node, ratios })
  say(`written to ${path.relative(process.cwd(), file)}`)
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      write: { type: 'boolean', default: false },
      baseline: { type: 'string', default: path.join(import.meta.dirname, 'baseline.json') },
    },
  })
  const chosen = chooseCases(parts, positionals, () => true)
  if (chosen.length === 0) {
    process.stderr.write(`bench/run-check.ts: no part matches ${positionals.join(' or ')}\n`)
    return 1
  }
  const file = path.resolve(values.baseline)
  if (!values.write) return check(chosen, readBaseline(file), positionals.length === 0)
  write(chosen, file, existingBaseline(file))
  return 0
}

function existingBaseline(file: string): Baseline | undefined {
  try {
    return readBaseline(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

process.exitCode = main()
