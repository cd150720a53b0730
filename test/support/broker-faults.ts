/** Ways in which a broker is away for a while, each with its end. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { freePorts, KafkaBroker, type KafkaOptions } from './kafka.ts'
import { until } from './until.ts'

const run = promisify(execFile)

const goneMsMax = 60_000
const controllerId = 100
/** Below it a broker cannot make the index of a new segment, which it makes of its full size. */
const indexBytes = 16 * 1024
const fileBytesMax = 4 * indexBytes

export interface BrokerFault {
  readonly broker: KafkaBroker
  /** Settles when the broker takes nothing more. */
  begin(): Promise<void>
  /** Settles when it runs again. */
  end(): Promise<void>
  /** Ends what there is and removes its files. */
  remove(): Promise<void>
}

/** What can be done to the broker, by name. */
export const faults = { killed, frozen, controllerless, full } as const satisfies Record<
  string,
  () => Promise<BrokerFault>
>

export type FaultName = keyof typeof faults

/** SIGKILL, and a start on the same data. */
async function killed(): Promise<BrokerFault> {
  const broker = await KafkaBroker.started()
  return {
    broker,
    begin: () => broker.kill(),
    end: () => broker.start(),
    remove: () => broker.remove(),
  }
}

/** SIGSTOP: connections stay open and nothing answers. */
async function frozen(): Promise<BrokerFault> {
  const broker = await KafkaBroker.started()
  return {
    broker,
    begin: () => broker.freeze(),
    end: () => Promise.resolve(broker.thaw()),
    remove: () => broker.remove(),
  }
}

/** The quorum of controllers is empty, and the broker is restarted meanwhile: it comes up when there is one again. */
async function controllerless(): Promise<BrokerFault> {
  const [brokerPorts, controllerPorts] = await freePorts(2)
  if (brokerPorts === undefined || controllerPorts === undefined) throw new Error('no ports')
  const quorum = { 'controller.quorum.voters': `${controllerId}@127.0.0.1:${controllerPorts.controller}` }
  const alone = (role: string, id: number, listener: string): KafkaOptions['properties'] => ({
    ...quorum,
    'process.roles': role,
    'node.id': `${id}`,
    listeners: listener,
    'advertised.listeners': listener,
  })
  const controller = await KafkaBroker.started({
    heapMiB: 256,
    // Its only port is what tells that it is up.
    ports: { ...controllerPorts, plain: controllerPorts.controller },
    properties: alone('controller', controllerId, `CONTROLLER://127.0.0.1:${controllerPorts.controller}`)!,
  })
  let broker: KafkaBroker | undefined
  const remove = async (): Promise<void> => {
    await broker?.remove()
    await controller.remove()
  }
  try {
    const started = await KafkaBroker.started({
      ports: brokerPorts,
      properties: alone('broker', 1, `PLAINTEXT://127.0.0.1:${brokerPorts.plain}`)!,
    })
    broker = started
    let restarting: Promise<void> = Promise.resolve()
    const begin = async (): Promise<void> => {
      await controller.kill()
      await started.kill()
      restarting = started.start()
      restarting.catch(() => undefined)
    }
    const end = async (): Promise<void> => {
      await controller.start()
      await restarting
    }
    return { broker: started, begin, end, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/**
 * The broker may write no file of more than some KiB, as if its disk were full: it gives up its only directory, and itself.
 * Afterwards there is room.
 */
async function full(): Promise<BrokerFault> {
  const properties = { 'log.index.size.max.bytes': `${indexBytes}` }
  const broker = await KafkaBroker.started({ properties })
  const begin = async (): Promise<void> => {
    await run('prlimit', ['--pid', `${broker.pid}`, `--fsize=${fileBytesMax}`])
    await until('the broker gives up', goneMsMax, () => broker.pid === undefined)
  }
  return { broker, begin, end: () => broker.start(), remove: () => broker.remove() }
}
