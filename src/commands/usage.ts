/**
 * The command line: what each command takes, how it is read, and what `--help` says, all from one table. A word that
 * is not known is answered with the one that was probably meant.
 */
import { parseArgs } from 'node:util'
import { nearest } from '../config/suggest.ts'

export interface OptionUsage {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  /** How its value is called in the help. */
  readonly value?: string
  readonly doc: string
}

export interface CommandUsage {
  readonly summary: string
  readonly details: string
  /** Names of the arguments that are no options. */
  readonly takes: readonly string[]
  readonly options: Readonly<Record<string, OptionUsage>>
}

const help = { type: 'boolean', short: 'h', doc: 'Say what is possible.' } as const
const config = {
  type: 'string',
  short: 'c',
  value: 'FILE',
  doc: 'The configuration file; also GUIDEPOST_CONFIG.',
} as const
const bus = {
  type: 'string',
  value: 'URL',
  doc: 'log:DIRECTORY or kafka://host:9092,host2:9092; also GUIDEPOST_BUS. log:./data unless set.',
} as const

export const commands = {
  run: {
    summary: 'Take telemetry in, stamp it, and hand it to the bus.',
    details: 'SIGTERM and Ctrl-C finish what is in flight and end it; SIGHUP reads the configuration again.',
    takes: [],
    options: {
      config,
      bus,
      guid: {
        type: 'string',
        value: 'G',
        doc: 'The guid of everything that brings none; also GUIDEPOST_GUID.',
      },
      help,
    },
  },
  check: {
    summary: 'Check a configuration file and list all that is wrong with it.',
    details: 'GUIDEPOST_* variables count, as they do for run. Ends with 1 when there are problems.',
    takes: ['FILE'],
    options: {
      schema: { type: 'boolean', doc: 'Print the JSON schema of the file instead, for editors.' },
      help,
    },
  },
  tail: {
    summary: 'Show what lies on the bus, one JSON object a line.',
    details: 'Starts at the beginning and ends at the last record, unless told otherwise.',
    takes: [],
    options: {
      config,
      bus,
      topic: { type: 'string', value: 'T', doc: 'Only this topic; several with commas.' },
      guid: { type: 'string', value: 'G', doc: 'Only records of this guid.' },
      from: {
        type: 'string',
        value: 'begin|end',
        doc: 'Where to start: begin (default), or end for new records.',
      },
      limit: { type: 'string', short: 'n', value: 'N', doc: 'Stop after this many records.' },
      follow: {
        type: 'boolean',
        short: 'f',
        doc: 'Wait for further records. After a reader such as head is gone, the next one ends it.',
      },
      summary: { type: 'boolean', doc: 'Leave out the payload.' },
      raw: {
        type: 'string',
        value: 'DIR',
        doc: 'Also write each value to a file in this folder, and name it in the line.',
      },
      help,
    },
  },
  inspect: {
    summary: 'Say what a log or spool folder holds, and name its bad records.',
    details:
      'Reads all of it and changes nothing, unless told to repair it. Ends with 1 when something is damaged.',
    takes: ['DIR'],
    options: {
      json: { type: 'boolean', doc: 'One JSON document instead of a table.' },
      repair: {
        type: 'boolean',
        doc: 'Say of each problem what it costs and how it would be repaired. Still changes nothing.',
      },
      yes: { type: 'boolean', doc: 'With --repair: do it. The gateway must be stopped.' },
      ledger: {
        type: 'boolean',
        doc: 'Instead, whether the books of a gateway are even: --ledger [URL of its admin port].',
      },
      help,
    },
  },
} as const satisfies Readonly<Record<string, CommandUsage>>

export type CommandName = keyof typeof commands

export interface Arguments {
  readonly flags: ReadonlySet<string>
  readonly values: ReadonlyMap<string, string>
  readonly names: readonly string[]
}

export function isCommand(word: string): word is CommandName {
  return Object.hasOwn(commands, word)
}

/** Reads the arguments after the command's name; a sentence that says what is wrong otherwise. */
export function readArguments(usage: CommandUsage, argv: readonly string[]): Arguments | string {
  const options = Object.fromEntries(
    Object.entries(usage.options).map(([name, { type, short }]) => [
      name,
      short ? { type, short } : { type },
    ]),
  )
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const flags = new Set<string>()
  const values = new Map<string, string>()
  const names: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') names.push(token.value)
    if (token.kind !== 'option') continue
    const option = Object.hasOwn(usage.options, token.name) ? usage.options[token.name] : undefined
    if (option === undefined) {
      const near = nearest(token.name, Object.keys(usage.options))
      return `there is no option ${token.rawName}.${near === undefined ? '' : ` Did you mean --${near}?`}`
    }
    if (option.type === 'boolean') {
      if (token.value !== undefined) return `--${token.name} takes no value`
      flags.add(token.name)
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
      return `--${token.name} needs a value: --${token.name} ${option.value}`
    } else if (values.has(token.name)) {
      return `--${token.name} is given twice`
    } else {
      values.set(token.name, token.value)
    }
  }
  return { flags, values, names }
}

export function programHelp(): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
  return [
    'guidepost stamps the right guid on every item of telemetry and answers success only when it is durable.',
    '',
    'Usage: guidepost COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...table(rows),
    '',
    'guidepost COMMAND --help says more; guidepost --version names the version.',
    'Exit codes: 0 it went well, 1 problems were found or it failed, 2 the command line was wrong.',
    '',
  ].join('\n')
}

export function commandHelp(name: CommandName): string {
  const usage: CommandUsage = commands[name]
  const rows = Object.entries(usage.options).map(([option, { short, value, doc }]) => {
    const long = value === undefined ? `--${option}` : `--${option} ${value}`
    return [short === undefined ? `    ${long}` : `-${short}, ${long}`, doc] as const
  })
  return [
    `Usage: guidepost ${[name, ...usage.takes].join(' ')} [OPTIONS]`,
    '',
    usage.summary,
    usage.details,
    '',
    'Options:',
    ...table(rows),
    '',
  ].join('\n')
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
