/**
 * The sampling strategies that clients of Jaeger are told: read from a file, and read again when it changes. The file is
 * looked at every `limits.strategiesPollMs` by its name, so that one that was renamed over it counts, and one that a
 * symbolic link now leads to (Kubernetes swaps the files of a ConfigMap so). While a new file cannot be used, the
 * strategies before it stay.
 */
import { readFile, stat } from 'node:fs/promises'
import { GuidepostError, permanent } from '../errors.ts'
import { limits } from '../limits.ts'
import {
  type Answers,
  answersOf,
  defaultAnswers,
  type SamplingStrategy,
} from './jaeger-strategies-answers.ts'
import { readStrategies } from './jaeger-strategies-file.ts'

export interface StrategiesOptions {
  /** Absolute; undefined: 0.001 of the traces of every service, as Jaeger does. */
  readonly file: string | undefined
  readonly told: (level: 'info' | 'warn', fields: object, message: string) => void
  /** A change of the file that was taken over, or was not. */
  readonly event?: (name: StrategiesEvent) => void
  /** Milliseconds between two looks; `limits.strategiesPollMs` unless given. */
  readonly pollMs?: number
}

export type StrategiesEvent = 'sampling_reloaded' | 'sampling_reload_failed'

export class Strategies {
  readonly #options: StrategiesOptions
  readonly #pollMs: number
  #file: string | undefined
  #answers: Answers = defaultAnswers
  /** The state of the file at the last look; empty when it must be read at the next one. */
  #state = ''
  /** The text that was read last, and what is wrong with it. */
  #text: string | undefined
  #refusal: GuidepostError | undefined
  /** What is wrong with the file since it was told. */
  #failure = ''
  /** What was wrong at the last look: it is told when it still is at the next, since a file may be half written. */
  #suspicion = ''
  /** One look after another: a reload waits for the one that is under way. */
  #looking: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(options: StrategiesOptions) {
    this.#options = options
    this.#pollMs = options.pollMs ?? limits.strategiesPollMs
    this.#file = options.file
  }

  /** Reads the file, and looks after it from then on. Throws GP_CONFIG, which names all that is wrong with it. */
  async start(): Promise<void> {
    if (this.#file !== undefined) await this.#read(this.#file)
    this.#schedule()
  }

  /** What a service is told. Never throws, and waits for nothing. */
  strategyOf(service: string): SamplingStrategy {
    return this.#answers.services.get(service) ?? this.#answers.fallback
  }

  /**
   * Reads `file` now, and looks after it from then on. When it cannot be used, that is told and counted, and the
   * strategies stay as they are until it can be. Never rejects.
   */
  async reload(file: string | undefined): Promise<void> {
    this.#looking = this.#looking.then(() => {
      if (file !== this.#file) this.#text = undefined
      this.#file = file
      this.#state = ''
      this.#failure = ''
      return this.#look('asked')
    })
    await this.#looking
  }

  /** Looks no more. What was read last is still told. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#isStopped) return
    const look = (): void => {
      this.#looking = this.#looking.then(() => this.#look('by itself'))
      void this.#looking.then(() => this.#schedule())
    }
    this.#timer = setTimeout(look, this.#pollMs).unref()
  }

  async #look(why: 'asked' | 'by itself'): Promise<void> {
    const file = this.#file
    const answers = this.#answers
    try {
      if (file === undefined) this.#answers = defaultAnswers
      else await this.#read(file)
    } catch (error) {
      const failure = error instanceof GuidepostError ? error : notReadable(String(file), error)
      this.#tellFailure(failure, why === 'asked' || this.#suspicion === failure.message)
      return
    }
    const hadFailed = this.#failure !== ''
    this.#failure = ''
    this.#suspicion = ''
    if (this.#answers === answers && !hadFailed) return
    if (file === undefined)
      this.#changed('there is no file of sampling strategies any more, and the default holds')
    else this.#changed('the sampling strategies were read again')
  }

  #tellFailure({ code, message }: GuidepostError, isSure: boolean): void {
    this.#suspicion = message
    if (!isSure || this.#isStopped || message === this.#failure) return
    this.#failure = message
    this.#options.event?.('sampling_reload_failed')
    this.#options.told(
      'warn',
      { file: this.#file, code },
      `the sampling strategies stay as they were: ${message}`,
    )
  }

  #changed(message: string): void {
    if (this.#isStopped) return
    this.#options.event?.('sampling_reloaded')
    const services = this.#answers.services.size
    this.#options.told('info', { file: this.#file, services }, message)
  }

  /** Takes the file over when it has changed; throws what is wrong with it. */
  async #read(file: string): Promise<void> {
    const { state, isSettled } = await stateOf(file)
    if (state !== this.#state) {
      this.#state = ''
      const text = await readFile(file, 'utf8').catch((error: unknown) => {
        throw notReadable(file, error)
      })
      if (text !== this.#text) {
        this.#text = text
        this.#refusal = this.#take(file, text)
      }
      // A file that was written just now may be written again without a trace in its state.
      if (isSettled) this.#state = state
    }
    if (this.#refusal !== undefined) throw this.#refusal
  }

  /** Takes the strategies over, unless something is wrong with them. */
  #take(file: string, text: string): GuidepostError | undefined {
    const { strategies, problems, warnings } = readStrategies(text)
    if (strategies === undefined) return permanent('GP_CONFIG', `${file}: ${problems.join('; ')}`)
    const answers = answersOf(strategies)
    if (answers === undefined) {
      const why = 'the operations of default_strategy are in the answer of each service'
      const text = `the answers take more than ${limits.strategiesBytesMax} bytes; ${why}`
      return permanent('GP_CONFIG', `${file}: ${text}`)
    }
    this.#answers = answers
    if (this.#isStopped) return undefined
    for (const warning of warnings) this.#options.told('warn', { file }, `sampling strategies: ${warning}`)
    return undefined
  }
}

/** What changes when a file is written, replaced, or another one has its name. Throws GP_CONFIG. */
async function stateOf(file: string): Promise<{ readonly state: string; readonly isSettled: boolean }> {
  const now = Date.now()
  const found = await stat(file, { bigint: true }).catch((error: unknown) => {
    throw notReadable(file, error)
  })
  const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs } = found
  // Reading a pipe or a device may never end.
  if (!found.isFile()) throw permanent('GP_CONFIG', `${file}: is not a file`)
  if (size > limits.configFileBytesMax)
    throw permanent('GP_CONFIG', `${file}: has ${size} bytes; at most ${limits.configFileBytesMax}`)
  const isSettled = now - Number(mtimeMs) > limits.strategiesPollMs
  return { state: [dev, ino, size, mtimeNs, ctimeNs].join(' '), isSettled }
}

function notReadable(file: string, error: unknown): GuidepostError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${String(code ?? error)})`
  return permanent('GP_CONFIG', `${file}: ${why}`, error)
}
