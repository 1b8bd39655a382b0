import { WeirError } from './errors.ts'

/** What a refused write says, by errno: the disk is full, over quota, read-only, over the file size limit, or broken. */
const REFUSALS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission is denied',
  EPERM: 'the operation is not permitted',
  EFBIG: 'the file may not grow further',
  EIO: 'the device is full or reports an error',
  ENOMEM: 'memory or address space is exhausted',
  ENOTDIR: 'a part of the path is not a directory',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on the machine',
}

/** Linux errno numbers of the same, for libraries that give the bare number. */
const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  5: 'EIO',
  12: 'ENOMEM',
  13: 'EACCES',
  23: 'ENFILE',
  24: 'EMFILE',
  27: 'EFBIG',
  28: 'ENOSPC',
  30: 'EROFS',
  122: 'EDQUOT',
}

/** The errno name (`ENOSPC`) that `error` carries as `code`, as a string or as a number of either sign. */
function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  const { code } = error
  if (typeof code === 'string') return code in REFUSALS ? code : undefined
  return typeof code === 'number' ? ERRNO_NAMES[Math.abs(code)] : undefined
}

/**
 * `error` as a WeirError: itself when it is one, storage_unavailable (with `details.errno`) when the operating system refused,
 * `internal` otherwise. `what` names the operation and its file, for the message.
 */
export function diskError(error: unknown, what: string): WeirError {
  if (error instanceof WeirError) return error
  const errno = errnoOf(error)
  if (errno !== undefined) {
    return new WeirError('storage_unavailable', `${what}: ${REFUSALS[errno]}`, { errno }, { cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new WeirError('internal', `${what}: ${message}`, {}, { cause: error })
}

/**
 * Why an asynchronous LMDB commit failed: the library rejects with a general error that carries a promise of the cause, which must be
 * waited for, or its rejection counts as unhandled.
 */
export async function causeOfFailedCommit(error: unknown): Promise<unknown> {
  if (typeof error !== 'object' || error === null || !('commitError' in error)) return error
  try {
    await error.commitError
    return error
  } catch (cause) {
    return cause
  }
}
