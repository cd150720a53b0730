/**
 * JSON, random and damaged. Whatever comes, it is taken exactly when JSON.parse takes it, and a damaged request is refused
 * at a place within it or becomes a message that an independent decoder reads.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonToOtlp } from '../../src/wire/otlp-json/index.ts'
import { otlpSignals } from '../support/proto.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { decoded, randomJson, randomMessage, requestTypes } from '../support/random-otlp-json.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const bytesMax = 2 ** 24

const pieces =
  '{ } [ ] , : " "a" "\\u0041" "\\ud83d\\ude00" "\\n" \\ \\u00 \\x 0 1 -0 -1 01 1.5 1. .5 1e3 1E+2 1e -e 12345678901234567890 true false null tru nul NaN é \u0000 \u0001 \n \u00a0 \ufeff /* */ \' \t'
    .split(' ')
    .concat(' ')

function randomGrammar(random: Random, levels: number): string {
  if (random.oneIn(30)) return random.pick(pieces)
  const inner = () => randomGrammar(random, levels - 1)
  const members = () => Array.from({ length: random.below(4) })
  const kind = levels > 0 ? random.below(4) : 2
  if (kind === 0)
    return `[${members()
      .map(inner)
      .join(random.oneIn(40) ? ' ' : ',')}]`
  if (kind === 1) {
    return `{${members()
      .map(() => `"${random.pick(['a', 'b', '__proto__', '\\u0061'])}":${inner()}`)
      .join(',')}}`
  }
  return random.pick([
    '"a"',
    '"\\u0041\\/"',
    '"é😀"',
    '0',
    '-1.5e-3',
    '1E9',
    'true',
    'false',
    'null',
    '{}',
    '[ ]',
  ])
}

function damaged(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  const end = at + random.below(4)
  const kind = random.below(4)
  if (kind === 0) return text.slice(0, at) + random.pick(pieces) + text.slice(at)
  if (kind === 1) return text.slice(0, at) + text.slice(end)
  if (kind === 2) return text.slice(0, at) + random.pick(pieces) + text.slice(end)
  return text.slice(0, at) + text.slice(at, end) + text.slice(at)
}

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('what is JSON and what is not, as JSON.parse has it', () => {
  const random = new Random(seed)
  const end = performance.now() + fuzzMs / 2
  let taken = 0
  let refused = 0
  for (let round = 0; performance.now() < end; round++) {
    let text = randomGrammar(random, 5)
    for (let times = random.below(3); times > 0; times--) text = damaged(random, text)
    // Halves of surrogate pairs are texts of JavaScript, and no texts of UTF-8.
    if (!text.isWellFormed()) continue
    const bytes = Buffer.from(`{"any":${text}}`)
    const result = jsonToOtlp('traces', [bytes], bytes.length, bytesMax)
    const isTaken = 'message' in result
    const about = `seed ${seed}, round ${round}: ${JSON.stringify(text)}`
    assert.equal(
      isTaken,
      parses(bytes.toString()),
      'problem' in result ? `${result.problem}; ${about}` : about,
    )
    if ('problem' in result) assert.ok(result.at >= 0 && result.at <= bytes.length, about)
    if (isTaken) taken += 1
    else refused += 1
  }
  assert.ok(taken > 50 && refused > 50, `taken ${taken}, refused ${refused}`)
})

test('damaged requests are refused at a place, or become messages', () => {
  const random = new Random(seed)
  const end = performance.now() + fuzzMs / 2
  let taken = 0
  let refused = 0
  for (let round = 0; performance.now() < end; round++) {
    const signal = random.pick(otlpSignals)
    const type = requestTypes[signal]
    const bytes = Buffer.from(randomJson(random, type, randomMessage(random, type)))
    for (let times = random.below(3); times > 0; times--) {
      bytes[random.below(bytes.length)] = random.oneIn(2)
        ? random.below(256)
        : random.pick([...Buffer.from('{}[],:"0-e\\n')])
    }
    const result = jsonToOtlp(signal, [bytes], bytes.length, bytesMax)
    const about = `seed ${seed}, round ${round}`
    if ('message' in result) {
      assert.ok(parses(bytes.toString()), about)
      assert.doesNotThrow(() => decoded(type, result.message), about)
      taken += 1
    } else {
      assert.ok(result.at <= bytes.length && result.problem.startsWith(`at byte ${result.at}`), about)
      refused += 1
    }
  }
  assert.ok(taken > 5 && refused > 5, `taken ${taken}, refused ${refused}`)
})
