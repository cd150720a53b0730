/** What a spool that cannot be used means for an operator. */
import { GuidepostError, permanent, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { fileErrorCode } from '../../segment/file-system.ts'

/** What the file system said of a folder of the spool, as an outcome; it passes when the disk is mended. */
export function diskErrorOf(directory: string, error: unknown): GuidepostError {
  if (error instanceof GuidepostError) return error
  const code = fileErrorCode(error)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  const text = `The spool ${directory} cannot be opened (${code}): ${adviceFor(code)}`
  return retryable(isFull ? 'GP_DISK_FULL' : 'GP_DISK_FAILED', text, error)
}

/** The error with which the program does not start: another process has the folder, or the path cannot be one. */
export function mistakeIn(error: GuidepostError): GuidepostError | undefined {
  if (error.code === 'GP_CONFIG') return error
  const code = fileErrorCode(error.cause)
  return code === 'ENOTDIR' || code === 'EEXIST' ? permanent('GP_CONFIG', error.message, error) : undefined
}

export function lateError(directory: string): GuidepostError {
  const text = `The spool ${directory} did not answer within ${limits.logStartMsMax} ms: ${adviceFor('')}`
  return retryable('GP_DISK_FAILED', text)
}

function adviceFor(code: string): string {
  const other = 'set spool.directory to a folder on a disk, or switch it off with spool.enabled: false'
  switch (code) {
    case 'EROFS':
      return `the file system is read-only; mount it writable, ${other}`
    case 'EACCES':
    case 'EPERM':
      return `give the user of this process the right to write there, ${other}`
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full; make room'
    case 'ENOTDIR':
    case 'EEXIST':
      return `a part of the path is a file; ${other}`
    default:
      return `look after the disk, ${other}`
  }
}
