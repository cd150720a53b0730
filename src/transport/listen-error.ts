/** Why a port could not be listened to, in words for the operator who set it. */
import { permanent } from '../errors.ts'

/** `block`: the block of the configuration that has the host and the port. Other errors come back as they are. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number, block: string): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return permanent(
        'GP_PORT_TAKEN',
        `${host}:${port} is taken; stop what listens there, or move ${block}.port`,
      )
    case 'EACCES':
      return permanent(
        'GP_CONFIG',
        `${host}:${port} may not be used by this user; move ${block}.port above 1023`,
        error,
      )
    case 'ENOTSUP':
      return permanent(
        'GP_CONFIG',
        `this system cannot share UDP port ${port} among several workers; set workers: 1, or ${block}: off`,
        error,
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return permanent('GP_CONFIG', `${host} is no address of this machine; mend ${block}.host`, error)
    default:
      return error
  }
}
