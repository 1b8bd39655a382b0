import { type FileHandle, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { COMPRESSED, compressedHolds, isCompressed } from './compressed-file.ts'
import type { FilePlace } from './place.ts'
import { factsOf, holds, TailFile } from './tail-file.ts'

/** Of a directory full of old logs only the newest are looked into. */
const CANDIDATES_MAX = 100

/**
 * Whether a file of this name may be what another has become by rotation: `app.log` becomes `app.log.1`, `app.log-20261121.gz`, `app-2026-11-21.log`.
 * Its name is longer in each case, so a new `app.log` is never taken for an old one.
 */
export function mayBeRotated(path: string, from: string): boolean {
  if (dirname(path) !== dirname(from)) return false
  const name = basename(path)
  const old = basename(from)
  const stem = old.slice(0, Math.max(1, old.indexOf('.') < 0 ? old.length : old.indexOf('.')))
  return name.length > old.length && name.startsWith(stem) && /^[._-]/.test(name.slice(stem.length))
}

/** A file that was come upon, and the numbers by which the file system knows it. */
export interface FoundFile {
  readonly path: string
  readonly device: string
  readonly inode: string
}

/** What rotation puts into a name: a number or a time, such as `.1`, `-20261121`, `.20261121-120000`. */
const ROTATION = /^[._-]\d[\dTZ:._-]*$/

/** Whether a file of this name is beyond doubt what `from` has become by rotation: only a number or a time was put into its name. */
function isRotationOf(path: string, from: string): boolean {
  const name = basename(path).replace(COMPRESSED, '')
  const old = basename(from)
  if (name.startsWith(old)) return ROTATION.test(name.slice(old.length))
  const dot = old.indexOf('.')
  if (dot <= 0 || !name.startsWith(old.slice(0, dot)) || !name.endsWith(old.slice(dot))) return false
  return name.length > old.length && ROTATION.test(name.slice(dot, name.length - old.length + dot))
}

/**
 * Files that `path` has become by rotation since `sinceMs`, oldest first, with their inodes: those that came and went while nobody looked are among them.
 */
export async function rotationsOf(path: string, sinceMs: number): Promise<readonly FoundFile[]> {
  const found: (FoundFile & { readonly changedMs: number })[] = []
  for (const name of await readdir(dirname(path)).catch(() => [])) {
    const other = join(dirname(path), name)
    if (!isRotationOf(other, path)) continue
    const facts = await stat(other, { bigint: true }).catch(() => undefined)
    if (facts === undefined || !facts.isFile() || Number(facts.mtimeMs) < sinceMs) continue
    found.push({
      path: other,
      device: String(facts.dev),
      inode: String(facts.ino),
      changedMs: Number(facts.mtimeNs / 1000n),
    })
  }
  return found.sort((a, b) => a.changedMs - b.changedMs)
}

/** Whether the file at `path` holds what was read up to `place`; false where it cannot be read. */
export async function fileHolds(path: string, place: FilePlace): Promise<boolean> {
  if (isCompressed(path)) return compressedHolds(path, place)
  let handle: FileHandle | undefined
  try {
    handle = await TailFile.handleOf(path)
    return await holds(handle, place, (await factsOf(handle)).size)
  } catch {
    return false
  } finally {
    await handle?.close()
  }
}

/**
 * The file that has the rest of what was read up to `place`: the same inode under another name, or a copy, perhaps compressed. `isTaken` says that a
 * file is another one of ours. Undefined where there is none, or not yet.
 */
export async function findRotated(
  place: FilePlace,
  isTaken: (file: FoundFile) => Promise<boolean>,
): Promise<string | undefined> {
  const directory = dirname(place.path)
  const copies: (FoundFile & { readonly changedMs: number })[] = []
  let names: readonly string[]
  try {
    names = await readdir(directory)
  } catch {
    return undefined
  }
  for (const name of names) {
    const path = join(directory, name)
    const facts = await stat(path, { bigint: true }).catch(() => undefined)
    if (facts === undefined || !facts.isFile()) continue
    const isSame = String(facts.ino) === place.inode && String(facts.dev) === place.device
    if (isSame && !isCompressed(path) && (await fileHolds(path, place))) return path
    if (!mayBeRotated(path, place.path)) continue
    copies.push({ path, device: String(facts.dev), inode: String(facts.ino), changedMs: Number(facts.mtimeMs) })
  }
  // What was never read has no content to be known by.
  if (place.offset === 0) return undefined
  copies.sort((a, b) => b.changedMs - a.changedMs)
  for (const copy of copies.slice(0, CANDIDATES_MAX)) {
    if ((await fileHolds(copy.path, place)) && !(await isTaken(copy))) return copy.path
  }
  return undefined
}
