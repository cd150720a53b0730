/** Servers on the addresses of a host. */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { listenError } from './listen-error.ts'

export interface Place {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** The block of the configuration that has both, for messages. */
  readonly block: string
}

/**
 * Listens on each address of the host, `localhost` may have two, with a server of its own and the same port, which it
 * returns. Each server is handed over to `made` before it listens. An address that the system does not have is passed
 * over where the host has another: `/etc/hosts` names ::1 also where IPv6 is off, as in many containers. Rejects with
 * GP_PORT_TAKEN, or GP_CONFIG when the host cannot be used.
 */
export async function listenOn<S extends Server>(
  { host, port, block }: Place,
  make: () => S,
  made: (server: S) => void,
): Promise<number> {
  let chosen = port
  let missing: unknown
  let open = 0
  try {
    for (const address of await addressesOf(host)) {
      const server = make()
      made(server)
      server.listen(chosen, address)
      try {
        await once(server, 'listening')
      } catch (error) {
        if (!isMissing(error)) throw error
        missing = error
        continue
      }
      open++
      chosen = (server.address() as AddressInfo).port
    }
    if (open === 0) throw missing
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, host, chosen, block)
  }
  return chosen
}

/** Whether it says that the system does not have the address. */
function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (host !== 'localhost') return [host]
  return (await lookup(host, { all: true })).map(({ address }) => address)
}
