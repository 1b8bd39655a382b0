import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory and the entries above it that had to be made, and puts those entries on stable storage: a file is only as durable as the
 * directories that name it.
 */
export function makeDurableDirectory(directory: string): void {
  const path = resolve(directory)
  const firstMade = mkdirSync(path, { recursive: true })
  if (firstMade === undefined) return
  for (let made = path; ; made = dirname(made)) {
    syncDirectory(dirname(made))
    if (made === resolve(firstMade)) return
  }
}

/** Puts the entries of a directory on stable storage. */
export function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
