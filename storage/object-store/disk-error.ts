import { WeirError } from '../../base/errors.ts'

/** A disk that refuses now and may not later: full, over quota, read-only, forbidden, failing, out of descriptors. */
const REFUSALS = new Set([
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EROFS',
  'EACCES',
  'EPERM',
  'EIO',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EBUSY',
])
const ABSENCES = new Set(['ENOENT', 'ENOTDIR', 'EISDIR'])

/**
 * What an error of the file system means for an object. Absence is not_found for a read; for a write it means that the store's
 * own directory is gone or is no directory: storage_unavailable.
 */
export function diskError(error: unknown, key: string, access: 'read' | 'write'): WeirError {
  if (error instanceof WeirError) return error
  const errno = errnoOf(error)
  if (access === 'read' && ABSENCES.has(errno)) return new WeirError('not_found', 'there is no such object', { key })
  const refused = REFUSALS.has(errno) || ABSENCES.has(errno)
  const code = refused ? 'storage_unavailable' : 'internal'
  return new WeirError(code, `the disk of the object store refuses (${errno})`, { key, errno }, { cause: error })
}

/** For `catch`: undefined when the file is absent; other errors go on. */
export function undefinedWhenAbsent(error: unknown): undefined {
  if (ABSENCES.has(errnoOf(error))) return undefined
  throw error
}

function errnoOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'unknown'
}
