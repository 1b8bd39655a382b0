import { present } from '../../base/assert.ts'
import { corruptData } from '../../base/bytes.ts'
import type { Clock } from '../../base/clock.ts'
import { asWeirError } from '../../base/errors.ts'
import { type ByteRange, resolveRange } from './byte-range.ts'
import { ContentHash, contentHashOfKey } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { PAGE_BYTES, PageCache } from './page-cache.ts'

/** Pages that lie together and are absent are fetched by one request, up to so many. */
const FETCH_PAGES_MAX = 8
/** Pages fetched and not yet on the local disk; beyond it they are not kept. */
const WRITING_BYTES_MAX = 32 * 1024 * 1024
/** Bytes hashed at once (T2). */
const HASH_BYTES_AT_ONCE = 4 * 1024 * 1024

/** A store far away, whose answers tell the size of the whole object. */
export interface RemoteObjectStore extends ObjectStore {
  read(key: string, range?: ByteRange): Promise<SizedBytes>
  close(): void
}

interface SizedBytes {
  readonly bytes: Uint8Array
  readonly objectBytes: number
}

export interface CachedOptions {
  readonly remote: RemoteObjectStore
  /** Of this store alone. */
  readonly directory: string
  readonly bytesMax: number
  readonly clock: Clock
  /** For each page that a read needed: whether it was on the local disk. */
  readonly onLookup?: ((isHit: boolean) => void) | undefined
  /** The local disk did not take a page; the read or put succeeds all the same. */
  readonly onFailure?: ((code: string) => void) | undefined
  /** Objects that are cached: those that never change. Default: whose key ends in their content hash. */
  readonly isCached?: (key: string) => boolean
}

/** ObjectStore with a cache on the local disk before it. */
export interface CachedObjectStore extends ObjectStore {
  /** Bytes on the local disk. */
  readonly cachedBytes: number
  /** Resolves when nothing is written any more. */
  close(): Promise<void>
}

/** A page on its way from afar to the disk. */
interface ComingPage {
  readonly fetched: Promise<SizedBytes>
  /** Resolves when it is on the disk, or will not be. */
  readonly kept: Promise<void>
}

/**
 * Puts a cache on the local disk before `remote`. Objects are kept by pages, those that are put here too, so that a node does not fetch what it has
 * written. What comes as a whole must have the content hash that its key names, else it is corrupt_data and not kept. A disk that fails makes reads slow,
 * never wrong. Throws storage_unavailable when the directory cannot be used.
 */
export async function openCachedObjectStore(options: CachedOptions): Promise<CachedObjectStore> {
  const { directory, bytesMax, clock } = options
  return new CachedStore(options, await PageCache.open(directory, bytesMax, clock))
}

class CachedStore implements CachedObjectStore {
  readonly #options: CachedOptions
  readonly #remote: RemoteObjectStore
  readonly #pages: PageCache
  /** Pages that are fetched, then written to the disk, by `key#page`: whoever needs one meanwhile has it from here. */
  readonly #coming = new Map<string, ComingPage>()
  #writingBytes = 0

  constructor(options: CachedOptions, pages: PageCache) {
    this.#options = options
    this.#remote = options.remote
    this.#pages = pages
  }

  get cachedBytes(): number {
    return this.#pages.bytes
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#remote.put(key, bytes)
    if (!this.#isCached(key)) return
    for (let page = 0; page < pageCount(bytes.length); page++) {
      const { start, end } = placeOf(page, bytes.length)
      await this.#keep(key, page, bytes.subarray(start, end), bytes.length)
    }
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    if (!this.#isCached(key)) return this.#remote.get(key, range)
    const objectBytes = this.#pages.objectBytes(key)
    if (objectBytes !== undefined) return this.#getKnown(key, range, objectBytes)
    // The last page tells the size, and is most often the one that is wanted.
    const last = await this.#lastPage(key)
    return this.#getKnown(key, range, last.objectBytes, last.bytes)
  }

  size(key: string): Promise<number | undefined> {
    return this.#remote.size(key)
  }

  list(prefix: string): AsyncIterable<string> {
    return this.#remote.list(prefix)
  }

  async delete(key: string): Promise<void> {
    await this.#remote.delete(key)
    await this.#forget(key)
  }

  async close(): Promise<void> {
    this.#remote.close()
    await Promise.all([...this.#coming.values()].map(({ kept }) => kept))
    this.#pages.close()
  }

  #isCached(key: string): boolean {
    return this.#options.isCached?.(key) ?? contentHashOfKey(key) !== undefined
  }

  /** The range of an object whose size is known. `lastPage` is given when it has just been read. */
  async #getKnown(
    key: string,
    range: ByteRange | undefined,
    objectBytes: number,
    lastPage?: Uint8Array,
  ): Promise<Uint8Array> {
    const { start, end } = resolveRange(range, objectBytes)
    if (start === end) return new Uint8Array(0)
    const pieces = piecesOf(start, end, objectBytes)
    const local = new Map<number, Uint8Array>()
    const absent: number[] = []
    for (const { page, from, to } of pieces) {
      const isGiven = page === 0 && lastPage !== undefined
      const piece = isGiven ? lastPage.slice(from, to) : await this.#pages.read(key, page, from, to)
      if (!isGiven) this.#options.onLookup?.(piece !== undefined)
      if (piece === undefined) absent.push(page)
      else if (pieces.length === 1) return piece
      else local.set(page, piece)
    }
    const fetched = this.#fetchAll(key, absent, objectBytes)
    const bytes = new Uint8Array(end - start)
    let at = 0
    for (const { page, from, to } of pieces) {
      const piece =
        local.get(page) ?? (await present(fetched.get(page), 'a page that was absent')).bytes.subarray(from, to)
      bytes.set(piece, at)
      at += piece.length
    }
    if (bytes.length === objectBytes && objectBytes > PAGE_BYTES && !(await this.#isAsNamed(key, bytes))) {
      await this.#forget(key)
      throw notAsNamed(key)
    }
    return bytes
  }

  /** The last page, from the local disk or from afar, of an object whose size need not be known. */
  async #lastPage(key: string): Promise<SizedBytes> {
    const bytes = await this.#pages.read(key, 0)
    const objectBytes = this.#pages.objectBytes(key)
    const isHit = bytes !== undefined && objectBytes !== undefined
    this.#options.onLookup?.(isHit)
    if (isHit) return { bytes, objectBytes }
    return this.#once(key, 0, async () => {
      const read = await this.#remote.read(key, { offset: -PAGE_BYTES })
      if (read.bytes.length !== Math.min(PAGE_BYTES, read.objectBytes)) throw endsEarly(key)
      const isWhole = read.bytes.length === read.objectBytes
      if (isWhole && !(await this.#isAsNamed(key, read.bytes))) throw notAsNamed(key)
      return read
    })
  }

  /** Begins to fetch pages, given in descending order; runs of them together. */
  #fetchAll(key: string, pages: readonly number[], objectBytes: number): Map<number, Promise<SizedBytes>> {
    const fetches = new Map<number, Promise<SizedBytes>>()
    let run: number[] = []
    const fetchRun = () => {
      if (run.length === 0) return
      const [highest, lowest] = [run[0]!, run[run.length - 1]!]
      run = []
      const fetched = this.#fetchRun(key, highest, lowest, objectBytes)
      for (let page = highest; page >= lowest; page--) {
        const { start, end } = placeOf(page, objectBytes)
        const from = start - placeOf(highest, objectBytes).start
        const bytes = fetched.then((all) => ({ bytes: all.subarray(from, from + end - start), objectBytes }))
        fetches.set(
          page,
          this.#once(key, page, () => bytes),
        )
      }
    }
    for (const page of pages) {
      const underWay = this.#coming.get(nameOf(key, page))?.fetched
      const isApart = run.length > 0 && run[run.length - 1] !== page + 1
      if (underWay !== undefined || isApart || run.length === FETCH_PAGES_MAX) fetchRun()
      if (underWay === undefined) run.push(page)
      else fetches.set(page, underWay)
    }
    fetchRun()
    // Of several that fail the first is told; the others must not count as unheard.
    for (const fetch of fetches.values()) fetch.catch(() => undefined)
    return fetches
  }

  async #fetchRun(key: string, highest: number, lowest: number, objectBytes: number): Promise<Uint8Array> {
    const { start } = placeOf(highest, objectBytes)
    const { end } = placeOf(lowest, objectBytes)
    const read = await this.#remote.read(key, { offset: start, length: end - start })
    if (read.bytes.length !== end - start || read.objectBytes !== objectBytes) throw endsEarly(key)
    return read.bytes
  }

  #once(key: string, page: number, fetch: () => Promise<SizedBytes>): Promise<SizedBytes> {
    const name = nameOf(key, page)
    const underWay = this.#coming.get(name)
    if (underWay !== undefined) return underWay.fetched
    const fetched = fetch()
    const keep = async () => {
      try {
        await this.#keepUnlessBusy(key, page, await fetched)
      } catch {
        // Those who wait for the page hear of it.
      } finally {
        this.#coming.delete(name)
      }
    }
    this.#coming.set(name, { fetched, kept: keep() })
    return fetched
  }

  /** Whether a whole object has the content hash in its key, if there is one. */
  async #isAsNamed(key: string, bytes: Uint8Array): Promise<boolean> {
    const wanted = contentHashOfKey(key)
    if (wanted === undefined) return true
    const hash = new ContentHash()
    for (let at = 0; at < bytes.length; at += HASH_BYTES_AT_ONCE) {
      if (at > 0) await this.#options.clock.yieldTurn()
      hash.update(bytes.subarray(at, at + HASH_BYTES_AT_ONCE))
    }
    return hash.text() === wanted
  }

  async #forget(key: string): Promise<void> {
    const coming = [...this.#coming].filter(([name]) => name.startsWith(nameOf(key, '')))
    await Promise.all(coming.map(([, { kept }]) => kept))
    try {
      await this.#pages.forget(key)
    } catch (error) {
      this.#options.onFailure?.(asWeirError(error).code)
    }
  }

  /** Behind the back of the reader, who has the bytes already. */
  async #keepUnlessBusy(key: string, page: number, { bytes, objectBytes }: SizedBytes): Promise<void> {
    if (this.#writingBytes + bytes.length > WRITING_BYTES_MAX) return
    this.#writingBytes += bytes.length
    await this.#keep(key, page, bytes, objectBytes)
    this.#writingBytes -= bytes.length
  }

  /** Never fails: a page that is not kept is fetched again. */
  async #keep(key: string, page: number, bytes: Uint8Array, objectBytes: number): Promise<void> {
    try {
      const isKept = await this.#pages.write(key, page, bytes, objectBytes)
      if (!isKept) this.#options.onFailure?.('disk_full')
    } catch (error) {
      this.#options.onFailure?.(asWeirError(error).code)
    }
  }
}

/** No key has a `#` in it. */
function nameOf(key: string, page: number | ''): string {
  return `${key}#${page}`
}

/** Pages are counted from the end; an empty object has one, which is empty. */
function pageCount(objectBytes: number): number {
  return Math.max(1, Math.ceil(objectBytes / PAGE_BYTES))
}

/** The parts of pages, in order of their bytes, that make up the bytes from `start` to `end`. */
function piecesOf(start: number, end: number, objectBytes: number): { page: number; from: number; to: number }[] {
  const pieces: { page: number; from: number; to: number }[] = []
  for (let page = Math.floor((objectBytes - 1 - start) / PAGE_BYTES); page >= 0; page--) {
    const place = placeOf(page, objectBytes)
    if (place.start >= end) break
    pieces.push({ page, from: Math.max(start - place.start, 0), to: Math.min(end, place.end) - place.start })
  }
  return pieces
}

function placeOf(page: number, objectBytes: number): { readonly start: number; readonly end: number } {
  const end = objectBytes - page * PAGE_BYTES
  return { start: Math.max(0, end - PAGE_BYTES), end }
}

function notAsNamed(key: string): Error {
  return corruptData('an object is not what its name says', { key })
}

function endsEarly(key: string): Error {
  return corruptData('an object ends early', { key })
}
