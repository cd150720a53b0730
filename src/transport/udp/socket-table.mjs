/**
 * What Linux tells of a UDP socket in `/proc/net/udp` and `/proc/net/udp6` (Documentation/networking/proc_net_tcp.rst; the
 * columns are printed by net/ipv4/udp.c, `udp4_format_sock`): its inode, and how many datagrams it has dropped because its
 * receive buffer was full or a checksum was wrong. The inode leads to the descriptor, by the links in `/proc/self/fd`.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * One socket of this process: the table that has it, its inode, its descriptor.
 *
 * @typedef {{ readonly table: string, readonly inode: string, readonly descriptor: number }} KnownSocket
 */

const LOCAL_ADDRESS = 1
const INODE = 9
const DROPS = 12

/**
 * The datagrams that a socket has dropped, as the text of its table says; undefined: it is not there.
 *
 * @param {string} text
 * @param {string} inode
 */
export function dropsOf(text, inode) {
  const drops = Number(rows(text).find((row) => row[INODE] === inode)?.[DROPS])
  return Number.isSafeInteger(drops) ? drops : undefined
}

/**
 * The inodes of the sockets that are bound to a port.
 *
 * @param {string} text of a table
 * @param {number} port
 */
export function inodesOf(text, port) {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return rows(text)
    .filter((row) => row[LOCAL_ADDRESS]?.endsWith(suffix))
    .map((row) => row[INODE] ?? '')
}

/**
 * Finds the socket of this process that is bound to a port. Undefined where the system does not tell, or when this
 * process has several on that port.
 *
 * @param {number} family 4 or 6
 * @param {number} port
 * @returns {KnownSocket | undefined}
 */
export function findSocket(family, port) {
  const table = family === 4 ? '/proc/net/udp' : '/proc/net/udp6'
  try {
    const inodes = new Set(inodesOf(readFileSync(table, 'latin1'), port))
    const found = readdirSync('/proc/self/fd').flatMap((name) => {
      const inode = socketInode(`/proc/self/fd/${name}`)
      return inode !== undefined && inodes.has(inode) ? [{ table, inode, descriptor: Number(name) }] : []
    })
    return found.length === 1 ? found[0] : undefined
  } catch {
    return undefined
  }
}

/**
 * The inode of a socket, by the link of its descriptor; undefined for what is no socket or is closed by now.
 *
 * @param {string} link
 */
function socketInode(link) {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1]
  } catch {
    return undefined
  }
}

/** @param {string} text of a table */
function rows(text) {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
}
