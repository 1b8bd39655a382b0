import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory and those above it that are absent, and puts their entries on stable storage: a file is only as durable as the
 * directories that name it. (Node's own recursive mkdir says ENOENT where the file system is read-only.)
 */
export function makeDurableDirectory(directory: string): void {
  const path = resolve(directory)
  try {
    mkdirSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeDurableDirectory(dirname(path))
    mkdirSync(path)
  }
  syncDirectory(dirname(path))
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
