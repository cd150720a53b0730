/**
 * Holds plain YAML values against the schema. Every problem is reported, none stops the reading; what comes back is
 * of use only when there was none.
 */
import { limits } from '../limits.ts'
import { formatBytes, parseBytes } from './bytes.ts'
import { isMap } from './guid-rules.ts'
import type { Report } from './report.ts'
import { type Block, type Option, type Scalar, walk } from './schema-nodes.ts'
import { nearest } from './suggest.ts'

/** Reads `value` as `block`, which stands at the root of the file. */
export function readBlock(block: Block, value: unknown, report: Report, root: Block = block): unknown {
  if (block.off && (value === 'off' || value === false)) return undefined
  const isDefault = value === undefined || value === null
  if (isDefault && block.optional) return undefined
  const isOn = block.on && (value === true || value === 'on')
  if (!isDefault && !isOn && !isMap(value)) {
    const keys = Object.keys(block.keys).slice(0, 3).join(', ')
    const words = [block.on ? 'true' : '', block.off ? 'off' : ''].filter((word) => word !== '')
    const or = words.length === 0 ? '' : `, or ${words.join(' or ')}`
    report([], `must be a block, not ${show(value)}`, `It has keys such as ${keys}${or}.`)
  }
  const written = isMap(value) ? value : {}
  for (const key of Object.keys(written)) {
    if (!Object.hasOwn(block.keys, key)) report([key], 'is no option', guess(key, block, root))
  }
  const result: Record<string, unknown> = {}
  for (const [key, option] of Object.entries(block.keys)) {
    const each = Object.hasOwn(written, key) ? written[key] : undefined
    result[key] = readOption(option, each, (path, ...rest) => report([key, ...path], ...rest), root)
  }
  return result
}

function readOption(option: Option, value: unknown, report: Report, root: Block): unknown {
  if (option.type === 'block') return readBlock(option, value, report, root)
  if (value === undefined || value === null) return 'default' in option ? option.default : undefined
  if (option.type === 'reserved') {
    report([], 'is not available yet', 'Its place is kept; leave it out until then.')
    return undefined
  }
  return option.type === 'custom' ? option.read(value, report) : readScalar(option, value, report)
}

function readScalar(option: Scalar, value: unknown, report: Report): unknown {
  if (option.type === 'string') {
    if (typeof value === 'string' && (option.pattern?.test(value) ?? true)) return value
    const shown = option.secret ? '' : `, not ${show(value)}`
    let hint = `Such as ${option.example}.`
    // Only these two: a list may hold what cannot be made a text.
    if (typeof value === 'number' || typeof value === 'boolean') {
      hint = option.secret ? 'Put it in quotes.' : `Put it in quotes: '${value}'.`
    }
    report([], `must be ${option.expects}${shown}`, hint)
    return ''
  }
  if (option.type === 'boolean') {
    if (typeof value === 'boolean') return value
    if (value === 'on' || value === 'off') return value === 'on'
    const meant = value === 'yes' || value === 'no' ? `Write ${value === 'yes'}.` : undefined
    report([], `must be true or false, not ${show(value)}`, meant)
    return option.default
  }
  if (option.type === 'choice') {
    if (option.values.some((each) => each === value)) return value
    const near = typeof value === 'string' ? nearest(value, option.values) : undefined
    const list = `${option.values.slice(0, -1).join(', ')} or ${option.values.at(-1)}`
    const expects = option.values.length === 1 ? option.values[0] : list
    report([], `must be ${expects}, not ${show(value)}`, near && `Did you mean ${near}?`)
    return option.values[0]
  }
  return option.type === 'bytes' ? readBytes(option, value, report) : readInteger(option, value, report)
}

function readInteger(option: Scalar & { type: 'integer' }, value: unknown, report: Report): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    const inText = typeof value === 'string' ? /^\d+$/.exec(value)?.[0] : undefined
    const hint =
      inText === undefined ? `Such as ${option.default ?? option.min}.` : `Without quotes: ${inText}.`
    report([], `must be a whole number (${option.unit}), not ${show(value)}`, hint)
  } else if (value < option.min || value > option.max) {
    report([], `must be from ${option.min} to ${option.max} (${option.unit}), not ${value}`)
  } else {
    return value
  }
  return option.default ?? option.min
}

function readBytes(option: Scalar & { type: 'bytes' }, value: unknown, report: Report): number {
  const bytes = parseBytes(value)
  if (bytes === undefined) {
    const near = typeof value === 'string' ? /^(\d+(?:\.\d+)?) ?([kmgt])i?b?$/i.exec(value.trim()) : null
    const unit = near === null ? '' : `${near[1]}${near[2]!.toUpperCase()}iB`
    const hint =
      unit === '' ? `Such as ${formatBytes(option.default ?? option.min)}.` : `Did you mean ${unit}?`
    report([], `must be a size in bytes or with a unit, not ${show(value)}`, hint)
  } else if (bytes < option.min || bytes > option.max) {
    report([], `must be from ${formatBytes(option.min)} to ${formatBytes(option.max)}, not ${show(value)}`)
  } else {
    return bytes
  }
  return option.default ?? option.min
}

/** The key that was meant: one like it in the same block, or one of the same name elsewhere. */
function guess(key: string, block: Block, root: Block): string {
  const near = nearest(key, Object.keys(block.keys))
  if (near !== undefined) return `Did you mean ${near}?`
  const elsewhere = [...walk(root)].filter(([path]) => path.at(-1)?.toLowerCase() === key.toLowerCase())
  if (elsewhere.length > 0) {
    const named = elsewhere.slice(0, limits.configGuessesMax).map(([path]) => path.join('.'))
    return `Did you mean ${named.join(' or ')}${elsewhere.length > limits.configGuessesMax ? ', or another' : ''}?`
  }
  return `Known here: ${Object.keys(block.keys).join(', ')}.`
}

/** A value as an operator may see it in a message: short, and quoted as it was written. */
export function show(value: unknown): string {
  if (isMap(value)) return 'a block'
  if (Array.isArray(value)) return 'a list'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
