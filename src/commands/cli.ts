/** From the command line to a command. Never ends the process: it returns the exit code. */
import { nearest } from '../config/suggest.ts'
import { version } from '../telemetry/version.ts'
import { exitCodes, type Io } from './io.ts'
import { type Arguments, commandHelp, commands, isCommand, programHelp, readArguments } from './usage.ts'

export interface RunOptions {
  readonly config: string | undefined
  readonly bus: string | undefined
  readonly guid: string | undefined
}

/** What the wiring brings along. */
export interface Injected {
  /** Serves until it is told to stop; returns the exit code. */
  readonly run: (options: RunOptions, io: Io) => Promise<number>
}

/** `argv`: the arguments after the program's name. */
export async function cli(argv: readonly string[], io: Io, { run }: Injected): Promise<number> {
  const [word, ...rest] = argv
  if (word === '--version' || word === '-v') {
    io.stdout.write(`guidepost ${version} (Node.js ${process.version})\n`)
    return exitCodes.ok
  }
  if (word === 'help' || word === '--help' || word === '-h') {
    const [about] = rest
    io.stdout.write(about !== undefined && isCommand(about) ? commandHelp(about) : programHelp())
    return exitCodes.ok
  }
  if (word === undefined) {
    io.stderr.write(programHelp())
    return exitCodes.usage
  }
  if (!isCommand(word)) {
    const near = nearest(word, Object.keys(commands))
    const hint =
      near === undefined ? `Commands are ${Object.keys(commands).join(', ')}.` : `Did you mean ${near}?`
    return misused(io, `there is no command ${word}. ${hint}`)
  }
  const read = readArguments(commands[word], rest)
  if (typeof read === 'string') return misused(io, read, word)
  if (read.flags.has('help')) {
    io.stdout.write(commandHelp(word))
    return exitCodes.ok
  }
  if (word === 'inspect' && read.flags.has('ledger')) return await ledger(read, io)
  const takes = read.flags.has('schema') ? [] : commands[word].takes
  if (read.names.length > takes.length) return misused(io, `does not take ${read.names[takes.length]}`, word)
  if (read.names.length < takes.length) return misused(io, `needs ${takes[read.names.length]}`, word)
  return await dispatch(word, read, io, run)
}

function misused(io: Io, message: string, command?: string): number {
  const name = command === undefined ? 'guidepost' : `guidepost ${command}`
  io.stderr.write(`${name}: ${message}\nTry ${name} --help.\n`)
  return exitCodes.usage
}

/** `inspect --ledger [URL]`, which reads a gateway and no folder. */
async function ledger({ flags, names }: Arguments, io: Io): Promise<number> {
  const [url, tooMany] = names
  if (tooMany !== undefined) return misused(io, `does not take ${tooMany}`, 'inspect')
  const other = ['repair', 'yes'].find((flag) => flags.has(flag))
  if (other !== undefined)
    return misused(io, `--${other} is about a folder, --ledger about a gateway`, 'inspect')
  const { inspectLedger } = await import('./inspect-ledger.ts')
  return await inspectLedger({ url, json: flags.has('json') }, io)
}

/** Each command is loaded only when it is called: `check` need not wait for what `tail` reads with. */
async function dispatch(
  command: keyof typeof commands,
  { flags, values, names }: Arguments,
  io: Io,
  run: Injected['run'],
): Promise<number> {
  const common = { config: values.get('config'), bus: values.get('bus'), guid: values.get('guid') }
  const [name = ''] = names
  switch (command) {
    case 'run':
      return await run(common, io)
    case 'check': {
      const { check } = await import('./check.ts')
      return check({ file: name, schema: flags.has('schema') }, io)
    }
    case 'inspect': {
      const options = { directory: name, json: flags.has('json') }
      if (flags.has('repair')) {
        const { repair } = await import('./repair.ts')
        return await repair({ ...options, yes: flags.has('yes') }, io)
      }
      if (flags.has('yes')) return misused(io, '--yes belongs to --repair', command)
      const { inspect } = await import('./inspect.ts')
      return await inspect(options, io)
    }
    case 'tail': {
      const { from = 'begin', limit } = Object.fromEntries(values)
      if (from !== 'begin' && from !== 'end') return misused(io, '--from is begin or end', command)
      if (limit !== undefined && !/^[1-9]\d{0,14}$/.test(limit)) {
        return misused(io, '--limit is a whole number from 1', command)
      }
      const { tail } = await import('./tail.ts')
      const topics = values.get('topic')?.split(',') ?? []
      return await tail(
        {
          ...common,
          topics: topics.filter((topic) => topic !== ''),
          from,
          limit: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit),
          follow: flags.has('follow'),
          summary: flags.has('summary'),
          raw: values.get('raw'),
        },
        io,
      )
    }
  }
}
