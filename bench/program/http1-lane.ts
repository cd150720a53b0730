/**
 * A keep-alive HTTP/1.1 connection (RFC 9112) over which ready-made requests are written. A raw socket, because an HTTP
 * client would take as much of the machine as the program that is measured.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Lane, LaneFailed } from './load-lane.ts'

const headEnd = '\r\n\r\n'

export class Http1Lane implements Lane {
  readonly #socket: Socket
  readonly #next: () => Uint8Array
  readonly #success: string
  readonly #failed: LaneFailed
  #answered: () => void = () => undefined
  #answer = ''

  /** `next` makes a whole request; `success` is the one status that counts. */
  constructor(port: number, success: 200 | 202 | 204, next: () => Uint8Array, failed: LaneFailed) {
    this.#next = next
    this.#success = `HTTP/1.1 ${success} `
    this.#failed = failed
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', (chunk) => this.#read(chunk))
    this.#socket.on('error', (error) => failed(error.message))
    this.#socket.on('close', () => failed('the program closed a connection'))
  }

  async open(): Promise<this> {
    await once(this.#socket, 'connect')
    return this
  }

  send(answered: () => void): void {
    this.#answered = answered
    this.#socket.write(this.#next())
  }

  close(): void {
    this.#socket
      .removeAllListeners()
      .on('error', () => undefined)
      .destroy()
  }

  #read(chunk: Buffer): void {
    this.#answer += chunk.toString('latin1')
    const headBytes = this.#answer.indexOf(headEnd) + headEnd.length
    if (headBytes < headEnd.length) return
    const answer = this.#answer
    if (!answer.startsWith(this.#success)) {
      this.#failed(answer)
      return
    }
    const length = Number(/^content-length: *(\d+)/im.exec(answer)?.[1] ?? 0)
    if (answer.length < headBytes + length) return
    if (answer.length > headBytes + length || /^transfer-encoding:/im.test(answer)) {
      this.#failed(`an answer of another form: ${answer}`)
      return
    }
    this.#answer = ''
    this.#answered()
  }
}
