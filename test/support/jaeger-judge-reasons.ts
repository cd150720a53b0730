/**
 * Where the gateway's translation differs from the Collector's on purpose. Each reason says what docs/jaeger.md and
 * docs/zipkin.md list, and explains a difference only when the rest of the span bears it out.
 */
import type { Difference, Judged, Reason } from './jaeger-judge.ts'
import { type PlainAttributes, type PlainItem, type PlainValue, textOf } from './plain-spans.ts'

const isThrift = ({ entry }: Judged): boolean => entry !== 'grpc'

function attribute(having: PlainAttributes, key: string): PlainValue | undefined {
  return having.attributes.find(([name]) => name === key)?.[1]
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** The key of an attribute of the span itself that one of the two lacks. */
function keyOf({ field }: Difference): string {
  return field.startsWith('attributes ') ? field.slice('attributes '.length) : ''
}

/** A tag that we keep and that they took, though it says nothing that the field could hold. */
function isWithoutMeaning(key: string, value: PlainValue, { span }: PlainItem): boolean {
  switch (key) {
    case 'span.kind':
      return !isText(value) || !/^(internal|server|client|producer|consumer)$/.test(value)
    case 'otel.status_code':
      if (isText(value) && /^ok$/i.test(value)) return span.status.code === 2
      return !isText(value) || !/^error$/i.test(value)
    case 'otel.status_description':
      return !isText(value) || span.status.code === 0
    case 'w3c.tracestate':
    case 'otel.scope.name':
      return !isText(value)
    case 'otel.scope.version':
      return !isText(value) || attribute(span, 'otel.scope.name') !== undefined
    default:
      return false
  }
}

const keptWhereItSaysNothing: Reason = {
  name: 'A tag with a special meaning whose type or text has none stays an attribute; there it is lost',
  row: 'a tag whose type or text has no meaning where it has a special one (`span.kind=blue`, `error="yes"`)',
  explains: (difference, { theirs, ours }) => {
    const { field } = difference
    if (field === 'event attributes event') return difference.theirs === undefined && !isText(difference.ours)
    if (field === 'scope version') {
      // Without a name there is no scope for us.
      return ours.scope.name === '' && attribute(ours.span, 'otel.scope.version') === theirs.scope.version
    }
    if (field === 'status') return isStatusOfDescription(theirs, ours)
    const key = keyOf(difference)
    return difference.theirs === undefined && isWithoutMeaning(key, difference.ours as PlainValue, ours)
  },
}

/** They make the description a message of a status that is unset, or an empty message of one that is no text. */
function isStatusOfDescription(theirs: PlainItem, ours: PlainItem): boolean {
  const description = attribute(ours.span, 'otel.status_description')
  const [left, right] = [theirs.span.status, ours.span.status]
  if (description === undefined || left.code !== right.code) return false
  if (isText(description)) return left.code === 0 && left.message === description && right.message === ''
  return left.message === '' && right.message === attribute(ours.span, 'http.status_message')
}

const repeated: Reason = {
  name: 'Of a repeated key the last value counts, also for the scope, and the others are counted as dropped',
  row: 'a key that comes twice',
  explains: ({ field, theirs, ours }, judged) => {
    if (field.endsWith('droppedAttributesCount')) return theirs === 0 && Number(ours) > 0
    // They take the first `otel.scope.name` and `otel.scope.version` and leave the others.
    const left = (key: string): PlainValue | undefined => attribute(judged.theirs.span, key)
    const names = left('otel.scope.name') !== undefined || left('otel.scope.version') !== undefined
    const isScope = field.startsWith('scope ') || field.startsWith('attributes otel.scope.')
    return judged.entry === 'grpc' && isScope && (names || judged.ours.span.droppedAttributesCount > 0)
  },
}

const scopeOfThrift: Reason = {
  name: 'The scope is read from Thrift too; there from protobuf alone',
  row: 'scope and trace state from Thrift',
  explains: (difference, judged) => isThrift(judged) && isScopeOfTags(difference, judged),
}

/** What the one has as a scope the other has as two attributes. */
function isScopeOfTags({ field, theirs, ours }: Difference, judged: Judged): boolean {
  if (judged.theirs.scope.name !== '' || judged.theirs.scope.version !== '') return false
  const { name, version } = judged.ours.scope
  const there = (key: string): PlainValue | undefined => attribute(judged.theirs.span, key)
  switch (field) {
    case 'scope name':
      return name === there('otel.scope.name')
    case 'scope version':
      return version === there('otel.scope.version')
    case 'attributes otel.scope.name':
      return ours === undefined && theirs === name
    case 'attributes otel.scope.version':
      return ours === undefined && theirs === version
    default:
      return false
  }
}

const traceStateOfThrift: Reason = {
  name: 'The trace state is read from Thrift too; there from protobuf alone',
  row: 'scope and trace state from Thrift',
  explains: ({ field, theirs, ours }, judged) => {
    if (!isThrift(judged)) return false
    const state = attribute(judged.theirs.span, 'w3c.tracestate')
    if (field === 'traceState') return theirs === '' && ours === state
    return (
      field === 'attributes w3c.tracestate' && ours === undefined && theirs === judged.ours.span.traceState
    )
  },
}

const flags: Reason = {
  name: 'Flags other than `sampled` alone become the attribute `jaeger.flags`; there they are lost',
  row: 'flags other than 0 and 1',
  explains: ({ field, theirs, ours }) =>
    field === 'attributes jaeger.flags' && theirs === undefined && typeof ours === 'bigint' && ours > 1n,
}

const warnings: Reason = {
  name: 'Warnings become the attribute `@jaeger@warnings`, as in Jaeger 2; there they are lost',
  row: 'warnings',
  explains: ({ field, theirs, ours }) =>
    field === 'attributes @jaeger@warnings' &&
    theirs === undefined &&
    typeof ours === 'object' &&
    ours !== null &&
    'list' in ours,
}

const version: Reason = {
  name: 'A `jaeger.version` that is no text stays as it is; there it becomes `Jaeger-`',
  row: 'a `jaeger.version` that is no text',
  explains: ({ field, theirs, ours }, judged) => {
    const key = 'resource attributes '
    if (isText(attribute(judged.ours.resource, 'jaeger.version'))) return false
    if (field === `${key}opencensus.exporterversion`) return theirs === 'Jaeger-' && ours === undefined
    return field === `${key}jaeger.version` && theirs === undefined
  },
}

const links: Reason = {
  name: 'A reference to a span of another trace that has the parent’s id is a link; there it is lost',
  row: "a reference to a span of another trace that has the parent's id",
  explains: ({ field, theirs }, { ours: { span } }) => {
    if (field !== 'links') return false
    const others = span.links.filter(({ traceId, spanId, attributes }) => {
      const isChild = attributes.some(([, type]) => type === 'child_of')
      return !isChild || spanId !== span.parentSpanId || traceId === span.traceId
    })
    return textOf(others) === textOf(theirs)
  },
}

export const jaegerReasons: readonly Reason[] = [
  keptWhereItSaysNothing,
  scopeOfThrift,
  traceStateOfThrift,
  flags,
  warnings,
  version,
  links,
]

/** For lists of tags in which a key may come again. */
export const repeatedReasons: readonly Reason[] = [repeated]

const marks: Reason = {
  name: '`shared` and `debug` become the attributes `zipkin.shared` and `zipkin.debug`; there they are lost',
  row: '`shared` and `debug`',
  explains: ({ field, theirs, ours }) =>
    /^attributes zipkin\.(shared|debug)$/.test(field) && theirs === undefined && ours === true,
}

const isVersion1 = ({ entry }: Judged): boolean => entry.startsWith('zipkin-v1')

const localAddress: Reason = {
  name: 'Version 1: where a span was recorded is `net.host.ip` and `net.host.port`, as of version 2; there it is `ipv4` and `port` of the resource',
  row: 'local address in version 1',
  explains: ({ field, theirs, ours }, judged) => {
    if (!isVersion1(judged)) return false
    const names = { 'net.host.ip': 'ipv4', 'net.host.port': 'port' }
    return Object.entries(names).some(([here, there]) => {
      const [left, right] = [attribute(judged.theirs.resource, there), attribute(judged.ours.span, here)]
      if (left === undefined || `${right}` !== left) return false
      if (field === `attributes ${here}`) return theirs === undefined
      return field === `resource attributes ${there}` && ours === undefined
    })
  },
}

const peer: Reason = {
  name: 'Version 1: the addresses `sa`, `ca` and `ma` are the peer, as of version 2; there each is an attribute `true`',
  row: '`sa`, `ca`, `ma`',
  explains: ({ field, theirs, ours }, judged) => {
    if (!isVersion1(judged)) return false
    if (/^attributes [scm]a$/.test(field)) return theirs === true && ours === undefined
    const hasAddress = ['sa', 'ca', 'ma'].some((key) => attribute(judged.theirs.span, key) === true)
    return (
      hasAddress && /^attributes (peer\.service|net\.peer\.(ip|port))$/.test(field) && theirs === undefined
    )
  },
}

const ends: Reason = {
  name: 'Version 1: an annotation such as `cr` whose time is not that of the span’s begin or end stays an event; there it is lost',
  row: 'a core annotation of version 1 that says another time or host than the span',
  explains: ({ field, theirs, ours }, judged) => {
    if (!isVersion1(judged) || field !== 'events') return false
    const { startTimeUnixNano, endTimeUnixNano } = judged.ours.span
    const others = (ours as PlainItem['span']['events']).filter(
      ({ name, timeUnixNano }) =>
        !/^(c[sr]|s[sr]|m[sr]|w[sr])$/.test(name) ||
        timeUnixNano === startTimeUnixNano ||
        timeUnixNano === endTimeUnixNano,
    )
    return textOf(others) === textOf(theirs)
  },
}

const error: Reason = {
  name: 'Version 1: the text of `error` stays an attribute, as of version 2; there it is lost',
  row: 'the text of `error` in version 1',
  explains: ({ field, theirs, ours }, judged) =>
    isVersion1(judged) &&
    field === 'attributes error' &&
    theirs === undefined &&
    isText(ours) &&
    ours !== 'true',
}

const scope: Reason = {
  name: 'The scope is read from `otel.scope.name` and `otel.scope.version`, as exporters write it today; there from `otel.library.…` alone',
  row: 'scope of `otel.scope.*`; scope, trace state and links in version 1',
  explains: isScopeOfTags,
}

const statusText: Reason = {
  name: 'An `otel.status_code` of `OK` or `ERROR` is the status, as OpenTelemetry says; there it is lost but for `Ok` and `Error`',
  row: 'status `OK`, `ERROR`, `UNSET` in capitals',
  explains: (difference, { theirs, ours }) =>
    difference.field === 'status' &&
    theirs.span.status.code === 0 &&
    ours.span.status.code !== 0 &&
    theirs.span.status.message === ours.span.status.message &&
    attribute(ours.span, 'otel.status_code') === undefined,
}

export const zipkinReasons: readonly Reason[] = [marks, localAddress, peer, ends, error, scope, statusText]
