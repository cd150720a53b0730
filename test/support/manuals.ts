/**
 * The manuals that are made from definitions: docs/configuration.md from the schema, docs/metrics.md from the metric
 * definitions, in docs/runbook.md the table of events, and the alerts once more as Kubernetes takes them.
 * `node test/support/manuals.ts` writes them; a test proves that they are current.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { formatBytes } from '../../src/config/bytes.ts'
import { otherVariables, variableName } from '../../src/config/environment.ts'
import { schema } from '../../src/config/schema.ts'
import { type Block, isScalar, type Option, walk } from '../../src/config/schema-nodes.ts'
import { definitions, type MetricDefinition } from '../../src/telemetry/definitions.ts'
import { type EventDefinition, events } from '../../src/telemetry/events.ts'

const docs = new URL('../../docs/', import.meta.url)

export const manuals: Readonly<Record<string, () => string>> = {
  'configuration.md': configurationManual,
  'metrics.md': metricsManual,
  'runbook.md': runbook,
  '../deploy/kubernetes/kube-prometheus-alerts.yaml': alertsOfKubernetes,
}

const note = (source: string) =>
  `<!-- Made from ${source} by \`node test/support/manuals.ts\`; change it there. -->`

function configurationManual(): string {
  const root: [readonly string[], Option][] = [[[], schema], ...walk(schema)]
  const blocks = root.flatMap(([path, option]) => (option.type === 'block' ? [{ path, block: option }] : []))
  return `${[
    '# Configuration',
    '',
    note('src/config/schema.ts'),
    '',
    ...introduction,
    ...blocks.flatMap(({ path, block }) => section(path, block)),
  ].join('\n')}\n`
}

const introduction = [
  'Nothing needs to be set. What is set stands in a YAML file, named by `--config` or `GUIDEPOST_CONFIG`:',
  '',
  '```yaml',
  'bus: kafka://broker-1:9092,broker-2:9092',
  'host: 0.0.0.0',
  'guid:',
  '  from:',
  '    - path',
  '    - header: x-guid',
  '    - label: namespace',
  "      match: '^team-(.+)$'",
  '  missing: reject',
  'kafka:',
  '  replication: 3',
  '```',
  '',
  '`guidepost check FILE` lists all that is wrong with a file, each with its line and a suggestion, and ends with 1.',
  '`guidepost check --schema` prints a JSON schema; editors that know YAML use it to complete and check while you type.',
  '',
  'The environment overrides the file, and `--bus` and `--guid` override both. Each option with a plain value has a',
  'variable, named in the tables; an empty one counts as not set. Unknown variables that begin with `GUIDEPOST_` are',
  'warned of. Two more are no options of the file:',
  '',
  ...Object.entries(otherVariables).map(([name, doc]) => `- \`${name}\`: ${doc}`),
  '',
  'Sizes are bytes, or a number with a unit: `950kB`, `64MiB`, `1.5GiB`. Durations are whole numbers whose unit is in',
  'the name of the option. Contradictions between options stop the start, and name both.',
  '',
]

function section(path: readonly string[], block: Block): string[] {
  const options = Object.entries(block.keys).filter(([, option]) => option.type !== 'block')
  const title = path.length === 0 ? 'Top level' : `\`${path.join('.')}\``
  const presence = [
    block.optional ? 'Not set by default.' : '',
    block.off && !block.optional ? 'On by default.' : '',
  ].join('')
  const head = [`## ${title}`, '', `${block.doc} ${presence}`.trim(), '']
  if (options.length === 0) return head
  return [
    ...head,
    '| option | value | default | meaning |',
    '|---|---|---|---|',
    ...options.map(([key, option]) => row([...path, key], key, option)),
    '',
  ]
}

function row(path: readonly string[], key: string, option: Option): string {
  const neighbour = option.neighbour === undefined ? '' : ` See also \`${option.neighbour}\`.`
  const variable = isScalar(option) ? ` \`${variableName(path)}\`` : ''
  const cells = [`\`${key}\``, valueText(option), defaultText(option), `${option.doc}${neighbour}${variable}`]
  return `| ${cells.map((cell) => cell.replace(/(?<!\\)\|/g, '\\|')).join(' | ')} |`
}

function valueText(option: Option): string {
  switch (option.type) {
    case 'string':
      return `${option.expects}, such as \`${option.example}\``
    case 'integer':
      return `${option.unit}, ${option.min} to ${option.max}`
    case 'bytes':
      return `size, ${formatBytes(option.min)} to ${formatBytes(option.max)}`
    case 'boolean':
      return '`true` or `false`'
    case 'choice':
      return option.values.map((value) => `\`${value}\``).join(', ')
    case 'custom':
      return option.spelling
    default:
      return ''
  }
}

function defaultText(option: Option): string {
  if ('defaultText' in option && option.defaultText) return option.defaultText
  if (option.type === 'custom') return ''
  if (option.type === 'bytes' && option.default !== undefined) return formatBytes(option.default)
  return 'default' in option && option.default !== undefined ? `\`${option.default}\`` : ''
}

function metricsManual(): string {
  const entries: [string, MetricDefinition][] = Object.entries(definitions)
  return `${[
    '# Metrics',
    '',
    note('src/telemetry/definitions.ts'),
    '',
    'The admin port serves these on `/metrics`, beside those of the runtime (`process_…`, `nodejs_…`, among them the lag of',
    'the event loop). The label `guid` holds the first `metrics.guidsMax` guids by name and the others as `other`; it is',
    'empty for items for which no guid was found. Names and labels are part of the contract.',
    '',
    '| metric | type | labels | what it counts | for the operator |',
    '|---|---|---|---|---|',
    ...entries.map(([name, { type, labels, help, note: text }]) => {
      const shown = labels.map((label) => `\`${label}\``).join(', ')
      return `| \`${name}\` | ${type} | ${shown} | ${help} | ${text} |`
    }),
  ].join('\n')}\n`
}

/** What is there, with the table of events made anew between the two comments around it. */
function runbook(): string {
  const entries: [string, EventDefinition][] = Object.entries(events)
  const table = [
    '| event | means | do |',
    '|---|---|---|',
    ...entries.map(([name, { meaning, action }]) => `| \`${name}\` | ${meaning} | ${action} |`),
  ].join('\n')
  const text = readFileSync(new URL('runbook.md', docs), 'utf8')
  return text.replace(/(?<=<!-- events: .* -->\n)[\s\S]*?(?=<!-- end of events -->)/, () => `\n${table}\n\n`)
}

const monitor = `# The alerts of deploy/prometheus/alerts.yaml for kube-prometheus, and who scrapes the gateway for them. Made by
# \`node test/support/manuals.ts\`; change the rules there. Prometheus finds both when its ruleNamespaceSelector and
# serviceMonitorNamespaceSelector allow this namespace; kube-prometheus-stack wants its label \`release\` on both as well.
#
#   kubectl -n guidepost apply -f kube-prometheus-alerts.yaml
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: guidepost
  labels: { app.kubernetes.io/name: guidepost }
spec:
  selector:
    matchLabels: { app.kubernetes.io/name: guidepost }
  endpoints:
    - { port: admin, path: /metrics, interval: 15s }
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: guidepost
  labels: { app.kubernetes.io/name: guidepost, prometheus: k8s, role: alert-rules }
spec:
`

/** The rules with a head around them. The job of a ServiceMonitor is the name of its service. */
function alertsOfKubernetes(): string {
  const rules = readFileSync(new URL('../deploy/prometheus/alerts.yaml', docs), 'utf8')
  const groups = rules.slice(rules.search(/^groups:/m))
  return monitor + groups.replace(/^(?=.)/gm, '  ')
}

if (import.meta.main) {
  for (const [name, make] of Object.entries(manuals)) writeFileSync(new URL(name, docs), make())
}
