import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { assert } from '../../base/assert.ts'
import { checksum } from '../../base/checksum.ts'
import type { Clock } from '../../base/clock.ts'
import { type DirectoryObjectStore, openDirectoryObjectStore } from './directory.ts'

/**
 * Bytes of a page: large enough that a fetch is worth its round trip, small enough that a query of few columns does not fetch the object. The pages
 * of an object are counted from its end, where its index is; so its tail can be fetched before its size is known.
 */
export const PAGE_BYTES = 1024 * 1024
/** Behind the bytes of a page: size of the object, magic, CRC-32 of all before. */
const TRAILER_BYTES = 16
const MAGIC = 0x57_50_47_31 // WPG1
const FILE = /^([0-9a-f]{30})-(\d+)$/
/** The cache shares its disk with what is not yet published, which must not run out of it. */
const DISK_FREE_MIN_SHARE = 0.05
/** Files looked at together when the cache is opened. */
const STATS_AT_ONCE = 64

interface Page {
  readonly bytes: number
  /** Its checksum was right once since the cache was opened, or this process has written it. */
  isVerified: boolean
}

/** Pages of one object, in the order of their coming. */
interface CachedObject {
  /** Undefined until a page has been read. */
  objectBytes: number | undefined
  readonly pages: Map<number, Page>
}

/**
 * Pages of immutable objects on the local disk: an LRU of objects bounded by bytes, kept over restarts. Losing any of it is harmless, so nothing is
 * synced, and each page is checked when it is first read. One thread a directory.
 */
export class PageCache {
  readonly #directory: string
  readonly #files: DirectoryObjectStore
  readonly #bytesMax: number
  /** In order of last use, oldest first. By the name that an object has here. */
  readonly #objects = new Map<string, CachedObject>()
  #bytes = 0

  private constructor(directory: string, files: DirectoryObjectStore, bytesMax: number) {
    this.#directory = directory
    this.#files = files
    this.#bytesMax = bytesMax
  }

  /** Throws storage_unavailable when the directory cannot be made or read. */
  static async open(directory: string, bytesMax: number, clock: Clock): Promise<PageCache> {
    const files = await openDirectoryObjectStore(directory, clock, { isDurable: false })
    const cache = new PageCache(directory, files, bytesMax)
    try {
      await cache.#takeStock()
      await cache.#makeRoom(0)
    } catch (error) {
      files.close()
      throw error
    }
    return cache
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return this.#bytes
  }

  /** Size of the object, when it is known from its pages. */
  objectBytes(key: string): number | undefined {
    return this.#objects.get(nameOf(key))?.objectBytes
  }

  /**
   * The bytes from `start` to `end` of a page, in memory of their own, and the size of the object; undefined when the page is not here, or no
   * longer as it was written.
   */
  async read(key: string, page: number, start = 0, end = PAGE_BYTES): Promise<Uint8Array | undefined> {
    const name = nameOf(key)
    const object = this.#objects.get(name)
    const known = object?.pages.get(page)
    if (object === undefined || known === undefined) return undefined
    this.#objects.delete(name)
    this.#objects.set(name, object)
    const length = known.bytes - TRAILER_BYTES
    try {
      if (known.isVerified) {
        const wanted = Math.max(0, Math.min(end, length) - start)
        const bytes = await this.#files.get(fileOf(name, page), { offset: start, length: wanted })
        if (bytes.length === wanted) return bytes
      }
      const file = await this.#files.get(fileOf(name, page))
      const objectBytes = checkedSize(file)
      if (objectBytes !== undefined && file.length === known.bytes) {
        known.isVerified = true
        object.objectBytes = objectBytes
        return file.slice(start, Math.min(end, length))
      }
    } catch {
      // A cache that cannot be read is a cache that has nothing.
    }
    await this.#drop(name, object, page)
    return undefined
  }

  /**
   * Keeps a page; the oldest go when there is no room. False when the disk is too full for any. Throws storage_unavailable.
   */
  async write(key: string, page: number, bytes: Uint8Array, objectBytes: number): Promise<boolean> {
    assert(bytes.length <= PAGE_BYTES, 'a page has its size')
    const name = nameOf(key)
    const fileBytes = bytes.length + TRAILER_BYTES
    if (this.#objects.get(name)?.pages.has(page) === true) return true
    if (!(await this.#makeRoom(fileBytes))) return false
    await this.#files.put(fileOf(name, page), withTrailer(bytes, objectBytes))
    const object = this.#objects.get(name) ?? { objectBytes, pages: new Map<number, Page>() }
    this.#objects.set(name, object)
    object.objectBytes = objectBytes
    if (object.pages.has(page)) return true
    object.pages.set(page, { bytes: fileBytes, isVerified: true })
    this.#bytes += fileBytes
    return true
  }

  /** Lets go of an object that is no more. */
  async forget(key: string): Promise<void> {
    const name = nameOf(key)
    const object = this.#objects.get(name)
    if (object !== undefined) for (const page of [...object.pages.keys()]) await this.#drop(name, object, page)
  }

  close(): void {
    this.#files.close()
  }

  async #drop(name: string, object: CachedObject, page: number): Promise<void> {
    const known = object.pages.get(page)
    if (known === undefined) return
    object.pages.delete(page)
    this.#bytes -= known.bytes
    if (object.pages.size === 0 && this.#objects.get(name) === object) this.#objects.delete(name)
    await this.#files.delete(fileOf(name, page))
  }

  /** Makes room for so many bytes; false when there is none to be made. */
  async #makeRoom(bytes: number): Promise<boolean> {
    if (bytes > this.#bytesMax) return false
    const { bavail, blocks, bsize } = await fs.promises.statfs(this.#directory)
    const missing = blocks * bsize * DISK_FREE_MIN_SHARE - bavail * bsize
    // On a disk that is short, a page comes only for pages that go.
    const target = Math.min(this.#bytesMax - bytes, missing > 0 ? this.#bytes - bytes : Number.POSITIVE_INFINITY)
    if (target < 0) return false
    for (const [name, object] of this.#objects) {
      for (const page of object.pages.keys()) {
        if (this.#bytes <= target) return true
        await this.#drop(name, object, page)
      }
    }
    return this.#bytes <= target
  }

  /** Finds what an earlier process left, the least recently written first. */
  async #takeStock(): Promise<void> {
    const found: { name: string; page: number; bytes: number; writtenMs: number }[] = []
    for (const folder of await fs.promises.readdir(this.#directory)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue
      const files = await fs.promises.readdir(join(this.#directory, folder))
      for (let i = 0; i < files.length; i += STATS_AT_ONCE) {
        const looks = files.slice(i, i + STATS_AT_ONCE).map(async (file) => {
          const [, rest, page] = FILE.exec(file) ?? []
          if (rest === undefined || page === undefined) return
          const { size, mtimeMs } = await fs.promises.stat(join(this.#directory, folder, file))
          found.push({ name: folder + rest, page: Number(page), bytes: size, writtenMs: mtimeMs })
        })
        await Promise.all(looks)
      }
    }
    found.sort((a, b) => a.writtenMs - b.writtenMs)
    for (const { name, page, bytes } of found) {
      const object = this.#objects.get(name) ?? { objectBytes: undefined, pages: new Map<number, Page>() }
      this.#objects.delete(name)
      this.#objects.set(name, object)
      object.pages.set(page, { bytes, isVerified: false })
      this.#bytes += bytes
    }
  }
}

/** Keys are longer than the names of files may be, and one object is one name. */
function nameOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32)
}

function fileOf(name: string, page: number): string {
  return `${name.slice(0, 2)}/${name.slice(2)}-${page}`
}

function withTrailer(page: Uint8Array, objectBytes: number): Uint8Array {
  const file = new Uint8Array(page.length + TRAILER_BYTES)
  file.set(page)
  const view = new DataView(file.buffer)
  view.setFloat64(page.length, objectBytes, true)
  view.setUint32(page.length + 8, MAGIC)
  view.setUint32(page.length + 12, checksum(file.subarray(0, -4)), true)
  return file
}

/** The size of the object that a page is of; undefined when the file is damaged. */
function checkedSize(file: Uint8Array): number | undefined {
  const at = file.length - TRAILER_BYTES
  if (at < 0) return undefined
  const view = new DataView(file.buffer, file.byteOffset + at)
  const isWhole = view.getUint32(8) === MAGIC && view.getUint32(12, true) === checksum(file.subarray(0, -4))
  return isWhole ? view.getFloat64(0, true) : undefined
}
