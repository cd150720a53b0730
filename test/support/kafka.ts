/**
 * A real Kafka broker for tests: one process in KRaft mode on loopback, random free ports, data in a folder of its
 * own that goes with it. It can be killed, restarted on the same data, frozen and thawed.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kafkaClassPath } from './kafka-jars.ts'

export { kafkaAvailable } from './kafka-jars.ts'

const run = promisify(execFile)

const startMsMax = 60_000
const stopMsMax = 20_000
const storePassword = 'guidepost-test'

export interface KafkaOptions {
  /** Also listen with SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) for the user `gateway`. */
  readonly sasl?: boolean
  /** Also listen with TLS, with a certificate for 127.0.0.1 that signs itself. */
  readonly tls?: boolean
  readonly messageBytesMax?: number
  /** Further lines of server.properties. */
  readonly properties?: Readonly<Record<string, string>>
  /** Ports to listen on; free ones unless given. */
  readonly ports?: Ports
  /** MiB of the process's heap; 1,024 unless given. */
  readonly heapMiB?: number
}

export const saslUser = { username: 'gateway', password: 'gateway-secret' } as const

export interface Ports {
  readonly plain: number
  readonly controller: number
  readonly sasl: number
  readonly tls: number
}

/** Free ports for so many brokers. They are held at the same time, so no two are alike. */
export async function freePorts(brokers: number): Promise<Ports[]> {
  const servers = Array.from({ length: brokers * 4 }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return Array.from({ length: brokers }, (_, index) => {
    const [plain, controller, sasl, tls] = ports.slice(index * 4)
    return { plain: plain!, controller: controller!, sasl: sasl!, tls: tls! }
  })
}

function serverProperties(directory: string, ports: Ports, options: KafkaOptions): string {
  const listeners = [`PLAINTEXT://127.0.0.1:${ports.plain}`, `CONTROLLER://127.0.0.1:${ports.controller}`]
  const user = `username="${saslUser.username}" password="${saslUser.password}"`
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL',
    'log.dirs': join(directory, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'num.partitions': '1',
    // After SIGKILL the controller takes the broker back only when the session of the dead one has run out.
    'broker.session.timeout.ms': '1500',
    'broker.heartbeat.interval.ms': '300',
  }
  if (options.messageBytesMax !== undefined) properties['message.max.bytes'] = `${options.messageBytesMax}`
  if (options.sasl) {
    listeners.push(`SASL://127.0.0.1:${ports.sasl}`)
    const prefix = 'listener.name.sasl'
    const security = 'org.apache.kafka.common.security'
    properties['sasl.enabled.mechanisms'] = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'
    properties[`${prefix}.plain.sasl.jaas.config`] =
      `${security}.plain.PlainLoginModule required ${user} user_${saslUser.username}="${saslUser.password}";`
    for (const name of ['scram-sha-256', 'scram-sha-512']) {
      properties[`${prefix}.${name}.sasl.jaas.config`] = `${security}.scram.ScramLoginModule required;`
    }
  }
  if (options.tls) {
    listeners.push(`TLS://127.0.0.1:${ports.tls}`)
    properties['ssl.keystore.type'] = 'PKCS12'
    properties['ssl.keystore.location'] = join(directory, 'server.p12')
    properties['ssl.keystore.password'] = storePassword
  }
  properties['listeners'] = listeners.join(',')
  properties['advertised.listeners'] = listeners.filter((name) => !name.startsWith('CONTROLLER')).join(',')
  Object.assign(properties, options.properties)
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

async function makeCertificate(directory: string): Promise<string> {
  const store = [
    '-keystore',
    join(directory, 'server.p12'),
    '-storetype',
    'PKCS12',
    '-storepass',
    storePassword,
  ]
  const names = ['-dname', 'CN=kafka', '-ext', 'san=ip:127.0.0.1,dns:localhost', '-validity', '2']
  await run('keytool', ['-genkeypair', '-alias', 'kafka', '-keyalg', 'EC', ...names, ...store])
  const { stdout } = await run('keytool', ['-exportcert', '-rfc', '-alias', 'kafka', ...store])
  return stdout
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}

export class KafkaBroker {
  readonly directory: string
  /** PEM text of the certificate that the TLS listener shows; empty without `tls`. */
  readonly certificate: string
  readonly #ports: Ports
  readonly #heapMiB: number
  #process: ChildProcess | undefined
  #output = ''

  private constructor(directory: string, ports: Ports, certificate: string, heapMiB: number) {
    this.directory = directory
    this.#ports = ports
    this.#heapMiB = heapMiB
    this.certificate = certificate
  }

  /** Formats a fresh broker without starting it: its address refuses connections until `start`. */
  static async prepare(options: KafkaOptions = {}): Promise<KafkaBroker> {
    const directory = await mkdtemp(join(tmpdir(), 'guidepost-kafka-'))
    try {
      const ports = options.ports ?? (await freePorts(1))[0]!
      const certificate = options.tls ? await makeCertificate(directory) : ''
      const file = join(directory, 'server.properties')
      await writeFile(file, serverProperties(directory, ports, options))
      const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${saslUser.username},password=${saslUser.password}]`,
      ])
      const format = ['format', '-t', 'Z3VpZGVwb3N0LXRlc3QtMQ', '-c', file, ...(options.sasl ? scram : [])]
      await run('java', ['-Xshare:auto', '-cp', kafkaClassPath(), 'kafka.tools.StorageTool', ...format])
      return new KafkaBroker(directory, ports, certificate, options.heapMiB ?? 1024)
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  static async started(options: KafkaOptions = {}): Promise<KafkaBroker> {
    const broker = await KafkaBroker.prepare(options)
    try {
      await broker.start()
      return broker
    } catch (error) {
      await broker.remove()
      throw error
    }
  }

  get address(): string {
    return `127.0.0.1:${this.#ports.plain}`
  }
  get saslAddress(): string {
    return `127.0.0.1:${this.#ports.sasl}`
  }
  get tlsAddress(): string {
    return `127.0.0.1:${this.#ports.tls}`
  }

  /** The process that runs; undefined when there is none, or when it has ended by itself. */
  get pid(): number | undefined {
    const child = this.#process
    return child?.exitCode === null && child.signalCode === null ? child.pid : undefined
  }

  /** Starts the process and waits until it takes connections. */
  async start(): Promise<void> {
    const heap = [`-Xmx${this.#heapMiB}m`, `-Xms${Math.min(256, this.#heapMiB)}m`]
    const flags = [...heap, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
    const args = [...flags, '-cp', kafkaClassPath(), 'kafka.Kafka', join(this.directory, 'server.properties')]
    const child = spawn('java', args, { cwd: this.directory, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-8192)
      })
    }
    const deadlineMs = Date.now() + startMsMax
    while (!(await canConnect(this.#ports.plain))) {
      if (child.exitCode !== null || Date.now() > deadlineMs) {
        await this.kill()
        throw new Error(`Kafka did not come up: ${this.#output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** SIGKILL: what the broker had not flushed stays in the page cache, as after a crash of the process. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  /** SIGTERM: the broker hands its partitions over first, if there is a controller to do it with. */
  async stop(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax)
    await exit
    clearTimeout(timer)
    this.#process = undefined
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** SIGSTOP: the sockets stay open and nothing answers. Settles when the last of its threads has stopped. */
  async freeze(): Promise<void> {
    const child = this.#process
    if (child === undefined) throw new Error('the broker is not running')
    child.kill('SIGSTOP')
    const tasks = `/proc/${child.pid}/task`
    for (;;) {
      const stats = await Promise.all(
        (await readdir(tasks)).map((task) => readFile(join(tasks, task, 'stat'), 'utf8').catch(() => ') T')),
      )
      if (stats.every((stat) => /\) [Tt]/.test(stat.slice(stat.lastIndexOf(')'))))) return
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  /** CPU seconds that the broker has used, from /proc. */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.#process?.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  /** Ends the process and removes its folder. */
  async remove(): Promise<void> {
    await this.kill()
    await rm(this.directory, { recursive: true, force: true })
  }
}
