/**
 * Disks that are full or read-only, for one process: a mount that only it sees, where the system allows that to whoever
 * runs the tests. Otherwise something near: another user, or a bound on the length of files.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Arguments that begin a command line; the command follows. The process keeps its id. */
export type Prefix = readonly string[]

const mount = ['unshare', '-rm', 'sh', '-c'] as const
const nobody = '65534'

const canMount = spawnSync(mount[0], [...mount.slice(1), 'mount -t tmpfs -o size=1m none /mnt']).status === 0

/** The command cannot write below `directory`: EROFS, or EACCES where a mount is not allowed. */
export function readOnly(directory: string): Prefix {
  if (canMount)
    return [...mount, 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"', directory]
  setRights(directory, 0o555, 0o444)
  if (process.getuid?.() !== 0) return []
  return ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--inh-caps=-all']
}

/** Gives a folder that was `readOnly` back, so that it can be removed. */
export function writable(directory: string): void {
  setRights(directory, 0o755, 0o644)
}

/**
 * The command finds a disk of `bytes` bytes mounted at `directory`, on which `prepare` (a shell command, `$0` is the
 * directory) has run. Undefined where a mount is not allowed.
 */
export function smallDisk(directory: string, bytes: number, prepare = 'true'): Prefix | undefined {
  if (!canMount) return undefined
  const script = `mount -t tmpfs -o size=${bytes} none "$0" && { ${prepare}; } && exec "$@"`
  return [...mount, script, directory]
}

function setRights(directory: string, ofFolders: number, ofFiles: number): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? ofFolders : ofFiles)
  }
  chmodSync(directory, ofFolders)
}
