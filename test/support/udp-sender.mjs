/** A thread that sends numbered datagrams to a port of this machine as fast as it can; see udp.ts. */
import { createSocket } from 'node:dgram'
import { parentPort, workerData } from 'node:worker_threads'

const { port, count, bytes } = workerData
/** Sent in one turn of the loop, before what the system did not take at once is looked after. */
const TURN = 500

const socket = createSocket('udp4')
socket.connect(port, '127.0.0.1', () => {
  let sent = 0
  let done = 0
  const onSent = () => {
    if (++done < count) return
    socket.close()
    parentPort?.close()
  }
  const send = () => {
    for (let i = 0; i < TURN && sent < count; i++) {
      const datagram = Buffer.alloc(bytes, sent % 251)
      datagram.writeUInt32LE(sent++)
      socket.send(datagram, onSent)
    }
    if (sent < count) setImmediate(send)
  }
  send()
})
