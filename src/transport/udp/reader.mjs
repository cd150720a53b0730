/**
 * The thread that reads all UDP ports of this process, so that what the main thread is busy with costs no datagram: the
 * system's own buffer lasts for a millisecond or two of a fast sender. `port-reader.mjs` reads one port; here are the orders
 * that open and close them, and what they share: the thread's loop, a buffer, and the look at what the system has dropped.
 */
import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { PortReader } from './port-reader.mjs'

/**
 * @import { MessagePort } from 'node:worker_threads'
 * @import { Addressed, PortOrder, PortStart, PortWord, ThreadStart } from './words.ts'
 */

class ReaderThread {
  #bounds
  #port
  #buffer
  /** @type {Map<number, PortReader>} */
  #readers = new Map()

  /**
   * @param {ThreadStart} bounds
   * @param {MessagePort} port
   */
  constructor(bounds, port) {
    this.#bounds = bounds
    this.#port = port
    this.#buffer = Buffer.allocUnsafeSlow(bounds.readBytes)
    port.on('message', (/** @type {Addressed<PortOrder>} */ { number, content }) =>
      this.#onOrder(number, content),
    )
    setInterval(() => void this.#look(), bounds.countMs)
  }

  /**
   * @param {number} number
   * @param {PortOrder} order
   */
  #onOrder(number, order) {
    if (order.kind === 'open') {
      this.#open(number, order.start)
      return
    }
    // A port that has closed by itself is not known any more.
    const reader = this.#readers.get(number)
    if (order.kind === 'peer') reader?.askPeer(order.needsPeer)
    else if (order.kind === 'drain') reader?.drain()
    else {
      reader?.close()
      this.#readers.delete(number)
    }
  }

  /**
   * @param {number} number
   * @param {PortStart} start
   */
  #open(number, start) {
    const reader = new PortReader(start, this.#bounds, this.#buffer, (content) => {
      if (content.kind === 'closed') this.#readers.delete(number)
      /** @type {Addressed<PortWord>} */
      const word = { number, content }
      this.#port.postMessage(word)
    })
    this.#readers.set(number, reader)
    void reader.open()
  }

  /** Counts what the system has dropped since the last look; a table is read once for all ports. */
  async #look() {
    const tables = new Set([...this.#readers.values()].flatMap((reader) => reader.tables))
    const texts = new Map()
    for (const table of tables) texts.set(table, await readFile(table, 'latin1').catch(() => ''))
    for (const reader of this.#readers.values()) reader.lookForDrops(texts)
  }
}

if (parentPort !== null) new ReaderThread(workerData, parentPort)
