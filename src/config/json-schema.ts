/** The schema as JSON Schema (draft-07, which editors understand), printed by `guidepost check --schema`. */
import { bytesPattern } from './bytes.ts'
import { schema } from './schema.ts'
import type { Block, Option } from './schema-nodes.ts'

type Json = Record<string, unknown>

export function jsonSchema(): Json {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'guidepost', ...block(schema) }
}

function block(node: Block): Json {
  const entries = Object.entries(node.keys).filter(([, option]) => option.type !== 'reserved')
  const object = {
    description: node.doc,
    type: ['object', 'null'],
    properties: Object.fromEntries(entries.map(([key, option]) => [key, describe(option)])),
    additionalProperties: false,
  }
  const words = [...(node.on ? [true, 'on'] : []), ...(node.off ? [false, 'off'] : [])]
  return words.length === 0 ? object : { description: node.doc, anyOf: [object, { enum: words }] }
}

function describe(option: Option): Json {
  if (option.type === 'block') return block(option)
  const hasDefault = 'default' in option && option.type !== 'custom'
  const description = option.doc
  return {
    description,
    ...(hasDefault ? { default: option.default } : {}),
    anyOf: [shape(option), { type: 'null' }],
  }
}

function shape(option: Exclude<Option, Block>): Json {
  switch (option.type) {
    case 'string':
      return { type: 'string', ...(option.pattern === undefined ? {} : { pattern: option.pattern.source }) }
    case 'integer':
      return { type: 'integer', minimum: option.min, maximum: option.max }
    case 'bytes':
      return {
        anyOf: [
          { type: 'integer', minimum: option.min, maximum: option.max },
          { type: 'string', pattern: `${bytesPattern.source}|^\\d+$` },
        ],
      }
    case 'boolean':
      return { enum: [true, false, 'on', 'off'] }
    case 'choice':
      return { enum: [...option.values] }
    case 'custom':
      return { ...option.json }
    case 'reserved':
      return { not: {} }
  }
}
