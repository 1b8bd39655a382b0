import { hash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'

/** One file as it goes out: the bytes of each encoding, made at build time. */
export interface StaticFile {
  readonly type: string
  /** Strong, of the bytes that are not encoded. */
  readonly etag: string
  /** Named by its content, so that it never changes. */
  readonly isImmutable: boolean
  readonly bytes: Uint8Array
  readonly encoded: Readonly<Partial<Record<Encoding, Uint8Array>>>
}

type Encoding = 'br' | 'gzip'

/** File name suffix of what the build has compressed already. */
const SUFFIXES: Readonly<Record<Encoding, string>> = { br: '.br', gzip: '.gz' }

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
}

/** What the build names by its content: `assets/search-page-Bq3kX9_z.js`. */
const HASHED = /^assets\/.+-[\w-]{8}\.\w+$/

const INDEX = 'index.html'

/**
 * The files of a built folder, all in memory (some 500 KB). Names are looked up in a map and never become paths, so that no request can
 * leave the folder. Read when first asked for, and again when the index has changed.
 */
export class StaticFiles {
  readonly #folder: string
  #files: ReadonlyMap<string, StaticFile> = new Map()
  #indexChangedMs = Number.NaN
  #reading: Promise<void> | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The index as it is now; undefined when nothing was built. */
  async index(): Promise<StaticFile | undefined> {
    await this.#refresh()
    return this.#files.get(INDEX)
  }

  /** A file by its name relative to the folder, with slashes. */
  async file(name: string): Promise<StaticFile | undefined> {
    if (!this.#files.has(name)) await this.#refresh()
    return this.#files.get(name)
  }

  async #refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  async #read(): Promise<void> {
    const changedMs = await stat(join(this.#folder, INDEX)).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.NaN,
    )
    if (changedMs === this.#indexChangedMs) return
    this.#files = Number.isNaN(changedMs) ? new Map() : await readFolder(this.#folder)
    this.#indexChangedMs = changedMs
  }
}

/** Of the encodings that a client takes, the smallest that there is. */
export function encodedFor(file: StaticFile, acceptEncoding: string): { bytes: Uint8Array; encoding?: Encoding } {
  const accepted = new Set(
    acceptEncoding
      .toLowerCase()
      .split(',')
      .filter((part) => !/;\s*q=0(?:\.0*)?\s*$/.test(part))
      .map((part) => part.split(';')[0]!.trim()),
  )
  for (const encoding of ['br', 'gzip'] as const) {
    const bytes = file.encoded[encoding]
    if (bytes !== undefined && accepted.has(encoding)) return { bytes, encoding }
  }
  return { bytes: file.bytes }
}

async function readFolder(folder: string): Promise<Map<string, StaticFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => posix.join(entry.parentPath.slice(folder.length).replaceAll('\\', '/'), entry.name))
    .map((name) => name.replace(/^\/+/, ''))
  const there = new Set(names)
  const files = new Map<string, StaticFile>()
  for (const name of names) {
    const type = TYPES[posix.extname(name)]
    if (type === undefined) continue
    const bytes = await readFile(join(folder, name))
    const encoded: Partial<Record<Encoding, Uint8Array>> = {}
    for (const [encoding, suffix] of Object.entries(SUFFIXES) as [Encoding, string][]) {
      if (there.has(name + suffix)) encoded[encoding] = await readFile(join(folder, name + suffix))
    }
    const etag = `"${hash('sha256', bytes, 'base64url').slice(0, 22)}"`
    files.set(name, { type, etag, isImmutable: HASHED.test(name), bytes, encoded })
  }
  return files
}
