/** The options of `guid` and of the receivers' own `guid` blocks. */
import type { GuidSource } from './config.ts'
import { readGuidAllow, readGuidMissing, readGuidSources } from './guid-rules.ts'

const guidFromDefault: readonly GuidSource[] = [
  { kind: 'listener' },
  { kind: 'path' },
  { kind: 'header', name: 'x-guid', match: undefined },
  { kind: 'header', name: 'x-scope-orgid', match: undefined },
  { kind: 'label', name: 'guid', match: undefined },
  { kind: 'attribute', name: 'guid', match: undefined },
  { kind: 'label', name: 'namespace', match: undefined },
  { kind: 'attribute', name: 'k8s.namespace.name', match: undefined },
  { kind: 'label', name: 'name', match: undefined },
  { kind: 'attribute', name: 'host.name', match: undefined },
  { kind: 'attribute', name: 'hostname', match: undefined },
]

export const guidText = { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$' }
const named = (kind: string) => ({
  type: 'object',
  properties: { [kind]: { type: 'string', minLength: 1 }, match: { type: 'string' } },
  required: [kind],
  additionalProperties: false,
})

const from = {
  type: 'custom',
  doc: 'Where a guid is looked for, in this order; the first source that yields a valid guid wins, for each series, resource or process by itself. Bare words: `listener` (the guid set on the listener) and `path` (`/t/<guid>/…`, over HTTP alone). With a name: `header: x-guid`, `label: namespace`, `attribute: k8s.namespace.name`, `label|attribute: guid` for both (remote write has labels, OTLP attributes of the resource; each passes over the other’s); each of these may carry `match:`, a regular expression with exactly one group that finds the guid inside the value (it may match anywhere unless `^` and `$` say otherwise). Patterns see what senders send, on the thread that serves all of them: a repetition inside a repeated group, as in `(a+)+`, lets one value stop the gateway. `guidepost check` and the start warn of these; other slow ones, such as `(a|a)+`, are not noticed. `peer: { 10.1.0.0/16: team-a }` goes by the sender’s address, the longest prefix wins; `constant: team-a` always yields.',
  neighbour: 'guid.missing',
  read: readGuidSources,
  spelling: 'list of sources',
  json: {
    type: 'array',
    minItems: 1,
    items: {
      anyOf: [
        { enum: ['listener', 'path'] },
        ...['header', 'label', 'attribute', 'label|attribute'].map(named),
        {
          type: 'object',
          properties: { constant: guidText },
          required: ['constant'],
          additionalProperties: false,
        },
        {
          type: 'object',
          properties: { peer: { type: 'object', minProperties: 1, additionalProperties: guidText } },
          required: ['peer'],
          additionalProperties: false,
        },
      ],
    },
  },
} as const

const name = {
  type: 'string',
  expects: 'a name of a label or attribute that does not begin with __',
  pattern: /^(?!__)[A-Za-z_][A-Za-z0-9_.]{0,127}$/,
  example: 'guid',
  doc: 'The label (remote write) or the attribute of the resource (OTLP) that is written. Every other occurrence of this name in the same place is removed; `guid.scope` says what of the other places in OTLP. Only a series’ own labels are stamped and cleaned: labels of exemplars are not looked at and stay as they came.',
} as const

const conflict = {
  type: 'choice',
  values: ['overwrite', 'keep', 'reject'],
  doc: 'What happens to an item that already carries another guid under `guid.name`: the right one replaces it (`overwrite`), it stays (`keep`), or the item is rejected (`reject`). Of several under that name the first is looked at. `keep` chooses between two guids and is no source: with `missing: reject` or `drop` an item for which no source yields a guid is refused even when it carries a valid one under `guid.name`. To let that one count, name it in `guid.from`.',
} as const

const scope = {
  type: 'choice',
  values: ['resource', 'everywhere'],
  doc: 'How far OTLP is searched for attributes of the name `guid.name` that a sender wrote. `resource`: those of a resource are replaced by the stamp; an attribute of the same name in a scope, span, data point or log record is the application’s own and stays. `everywhere`: those are removed too. Remote write has labels in one place only, and does not look at it.',
} as const

const missing = {
  type: 'custom',
  doc: 'What happens to an item for which no source yields a guid: it is stamped with the one given, rejected (the sender is told), or dropped (the sender is not told; it is counted).',
  neighbour: 'guid.allow',
  read: readGuidMissing,
  spelling: '`reject`, `drop` or `{ stamp: GUID }`',
  json: {
    anyOf: [
      { enum: ['reject', 'drop'] },
      { type: 'object', properties: { stamp: guidText }, required: ['stamp'], additionalProperties: false },
    ],
  },
} as const

const allow = {
  type: 'custom',
  doc: 'The guids that are let through; items of any other are rejected. Entries are guids, guids with `*` for any run of characters, or a `/regular expression/` of the whole guid, of which the same is to be said as of `match` in `guid.from`. Every valid guid when not set.',
  neighbour: 'guid.missing',
  read: readGuidAllow,
  spelling: 'list of guids and patterns',
  json: { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
} as const

export const guidBlock = {
  type: 'block',
  doc: 'Which guid an item gets.',
  keys: {
    from: {
      ...from,
      default: guidFromDefault,
      defaultText:
        'listener, path, header x-guid, header x-scope-orgid, label\\|attribute guid, label namespace, attribute k8s.namespace.name, label name, attribute host.name, attribute hostname',
    },
    name: { ...name, default: 'guid' },
    conflict: { ...conflict, default: 'overwrite' },
    scope: { ...scope, default: 'resource' },
    missing: {
      ...missing,
      default: { action: 'stamp', guid: 'unassigned' },
      defaultText: '{ stamp: unassigned }',
    },
    allow,
  },
} as const

/** A receiver's own block: the same options without defaults. `ofFrom`, `ofScope`: what is special about them there. */
export function ownGuidBlock(ofFrom: string, ofScope = '') {
  const as = (key: string, more = '') => ({ doc: `As \`guid.${key}\`. ${more}`.trim() })
  return {
    type: 'block',
    doc: 'Overrides the global `guid` block for this receiver, key by key; a key that is not written here is as there.',
    keys: {
      from: { ...from, ...as('from', ofFrom) },
      name: { ...name, ...as('name') },
      conflict: { ...conflict, ...as('conflict') },
      scope: { ...scope, ...as('scope', ofScope) },
      missing: { ...missing, ...as('missing') },
      allow: { ...allow, ...as('allow') },
    },
  } as const
}
