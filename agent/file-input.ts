import { type FileHandle, glob, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { AgentCounts } from './agent-metrics.ts'
import type { Batcher } from './batcher.ts'
import { CompressedFile, isCompressed } from './compressed-file.ts'
import type { CursorStore } from './cursor-store.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { LineSplitter, type LineTaker } from './line-splitter.ts'
import type { FilePlace } from './place.ts'
import type { RecordWriter } from './record-writer.ts'
import { type FoundFile, fileHolds, findRotated, mayBeRotated, rotationsOf } from './rotated-file.ts'
import { type FileFacts, factsOf, holds, readBuffer, TailFile } from './tail-file.ts'

/** Files that are read alike. */
export interface FileGroup {
  /** Of the input; places remember it. */
  readonly name: string
  readonly paths: readonly string[]
  readonly exclude: readonly string[]
  /** Where files stand at first that are there when the shipper runs for the first time; later ones are read from their beginning. */
  readonly readFrom: 'beginning' | 'end'
  readonly lineBytesMax: number
  /** What becomes of the lines of a file; undefined: the file is not wanted. */
  reader(path: string, place: FilePlace | undefined): FileReader | undefined
}

export interface FileReader {
  readonly writer: RecordWriter
  readonly taker: LineTaker
}

export interface FileInputOptions {
  readonly groups: readonly FileGroup[]
  readonly batcher: Batcher
  readonly cursors: CursorStore
  readonly clock: Clock
  readonly logger: Logger
  readonly counts: AgentCounts
  /** Read to the end of all files, once. */
  readonly once: boolean
  readonly pollMs: number
  readonly scanEveryMs: number
  /** A file that was renamed or removed is read until it has been quiet for so long. */
  readonly rotateWaitMs: number
  /** For so long the rest of a file is looked for that went before it was read to the end. */
  readonly lostSearchMs: number
  /** Multi-line records whose next line does not come are whole after this. */
  readonly flushMs: number
}

interface Followed {
  readonly file: TailFile
  readonly group: FileGroup
}

const FILES_MAX = 4096
const FINISHED_KEEP_MS = 24 * 3600 * 1000

/** Follows files: finds them, reads each a piece at a time, and does not lose them when they are rotated. */
export class FileInput {
  readonly #options: FileInputOptions
  readonly #buffer: Buffer
  /** By device and inode. */
  readonly #files = new Map<string, Followed>()
  readonly #watch: DirectoryWatch
  /** Places whose files were not found, by id: until when they are looked for, monotonic ms. */
  readonly #lost = new Map<string, number>()
  /** Device and inode of compressed files that are being read. */
  readonly #compressed = new Set<string>()
  /** Compressed files of the time before the first run, where that is not wanted: device, inode and path. */
  readonly #unwanted = new Set<string>()
  #compressedReads: Promise<void> = Promise.resolve()
  #compressedWaiting = 0
  /** Paths that have got a new file: the time of the last change of the one before, ms since the epoch, and the group. */
  readonly #replaced = new Map<string, { readonly sinceMs: number; readonly group: FileGroup }>()
  #scanDueMs = 0
  #hasToldOfMax = false
  #isFirstScan = true
  readonly #isFirstRun: boolean

  constructor(options: FileInputOptions) {
    this.#options = options
    this.#isFirstRun = options.cursors.places.size === 0
    this.#buffer = readBuffer(Math.max(1, ...options.groups.map(({ lineBytesMax }) => lineBytesMax)))
    this.#watch = new DirectoryWatch(options.clock)
  }

  get length(): number {
    return this.#files.size
  }

  /** Follows the files until `signal` aborts; with `once`, until all are read. Rejects with what nobody expected. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, batcher, once, pollMs } = this.#options
    try {
      for (;;) {
        signal.throwIfAborted()
        if (clock.monotonicMs() >= this.#scanDueMs) await this.#scan(signal)
        let isBusy = false
        for (const followed of [...this.#files.values()]) {
          if (!followed.file.isBusy && !followed.file.hasChanged() && !(await this.#idle(followed, signal))) continue
          await batcher.room(signal)
          if (await this.#turn(followed)) isBusy = true
        }
        if (isBusy) continue
        if (once && this.#compressedWaiting === 0) break
        const hasNews = await this.#watch.changed(pollMs, signal)
        // A name that was not there before.
        if (hasNews === 'rename') this.#scanDueMs = Math.min(this.#scanDueMs, clock.monotonicMs())
      }
      await this.#compressedReads
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      this.#watch.close()
      await this.#compressedReads
      for (const { file } of this.#files.values()) await file.close()
    }
    if (once)
      for (const { file } of this.#files.values()) if (file.taker.flush(Number.POSITIVE_INFINITY)) batcher.touch(file)
  }

  /** Reads a piece of a file; true when there may be more. */
  async #turn(followed: Followed): Promise<boolean> {
    const { file } = followed
    const turn = await file.turn(this.#buffer, this.#options.once)
    if (turn === 'rewritten') await this.#rewritten(followed)
    return turn !== 'idle'
  }

  /** Looks after a file in which nothing is new; true when it is to be read all the same. */
  async #idle({ file }: Followed, signal: AbortSignal): Promise<boolean> {
    const { clock, batcher, flushMs, rotateWaitMs, once } = this.#options
    const nowMs = clock.monotonicMs()
    if (file.taker.pending() !== undefined && !once) {
      await batcher.room(signal)
      if (file.taker.flush(nowMs - flushMs)) batcher.touch(file)
    }
    if (file.rotatedMs === undefined) {
      if (nowMs < file.lookDueMs) return false
      file.lookDueMs = nowMs + this.#options.pollMs
      const facts = await stat(file.path, { bigint: true }).catch(() => undefined)
      if (facts !== undefined && String(facts.ino) === file.inode && String(facts.dev) === file.device) return false
      file.rotatedMs = nowMs
      this.#scanDueMs = 0
    }
    if (nowMs - Math.max(file.rotatedMs, file.readMs) < rotateWaitMs) return false
    await batcher.room(signal)
    while ((await file.turn(this.#buffer, true)) === 'read') await batcher.room(signal)
    file.taker.flush(Number.POSITIVE_INFINITY)
    file.end('finished', clock.nowMs())
    this.#files.delete(keyOf(file))
    await file.close()
    return false
  }

  /** The file holds something else now: its old content is looked for, and the new one read from the beginning. */
  async #rewritten({ file, group }: Followed): Promise<void> {
    const { clock, logger } = this.#options
    logger.info('a file was truncated or written anew; its rest is looked for among rotated files', { file: file.path })
    const { handle, path } = file
    const facts = await factsOf(handle)
    this.#replaced.set(file.path, { sinceMs: file.place().changedMs, group })
    this.#files.delete(keyOf(file))
    file.end('lost', clock.nowMs())
    this.#lost.set(file.id, clock.monotonicMs() + this.#options.lostSearchMs)
    this.#lostPlaces.set(file.id, file.place())
    this.#scanDueMs = 0
    await this.#follow(path, group, handle, facts, this.#options.cursors.newId())
  }

  /** As known here, which may be further than what is durable. */
  readonly #lostPlaces = new Map<string, FilePlace>()

  async #scan(signal: AbortSignal): Promise<void> {
    const { groups, clock, scanEveryMs, once } = this.#options
    const found: { path: string; group: FileGroup; changedMs: number }[] = []
    const known = new Set<string>()
    for (const group of groups) {
      for await (const name of glob([...group.paths], { exclude: [...group.exclude] })) {
        const path = resolve(name)
        const facts = await stat(path, { bigint: true }).catch(() => undefined)
        if (facts === undefined || !facts.isFile()) continue
        const key = keyOf({ device: String(facts.dev), inode: String(facts.ino) })
        if (known.has(key)) continue
        known.add(key)
        this.#watch.add(path)
        const followed = this.#files.get(key)
        if (followed === undefined) found.push({ path, group, changedMs: Number(facts.mtimeMs) })
        else await this.#renamed(followed.file, path)
      }
    }
    // Old ones first, as they were written.
    found.sort((a, b) => a.changedMs - b.changedMs)
    for (const { path, group } of found) {
      signal.throwIfAborted()
      await this.#adopt(path, group, signal)
    }
    if (this.#isFirstScan) this.#missUnclaimed()
    await this.#seekLost(signal)
    await this.#seekBetween(signal)
    this.#forget(known)
    this.#isFirstScan = false
    this.#scanDueMs = clock.monotonicMs() + (once ? 0 : scanEveryMs)
  }

  /** A followed file is found under another name: that is its name, unless the old one is still its own. */
  async #renamed(file: TailFile, path: string): Promise<void> {
    if (file.path === path) return
    const facts = await stat(file.path, { bigint: true }).catch(() => undefined)
    if (facts !== undefined && String(facts.ino) === file.inode && String(facts.dev) === file.device) return
    file.path = path
    file.rotatedMs ??= this.#options.clock.monotonicMs()
  }

  /** A file that is not followed: known from before, the rest or a copy of another, or new. */
  async #adopt(path: string, group: FileGroup, signal: AbortSignal): Promise<void> {
    const { cursors, clock, logger, once } = this.#options
    if (this.#files.size >= FILES_MAX) {
      if (!this.#hasToldOfMax) logger.warn('more files are to be followed than may; the rest waits', { max: FILES_MAX })
      this.#hasToldOfMax = true
      return
    }
    let handle: FileHandle
    try {
      handle = await TailFile.handleOf(path)
    } catch {
      return // gone again, or not ours to read
    }
    const facts = await factsOf(handle)
    const key = keyOf(facts)
    let isKept = false
    try {
      if (this.#compressed.has(key) || this.#unwanted.has(`${key} ${path}`)) return
      for (const [id, place] of this.#places()) {
        if (keyOf(place) !== key || place.state === 'lost') continue
        if (isCompressed(path)) {
          // An inode is used again when its file is gone.
          if (place.path !== path && !(await fileHolds(path, place))) continue
          if (place.state !== 'finished') this.#readCompressed(path, group, facts, id, place, signal)
          return
        }
        if (await holds(handle, place, facts.size)) {
          if (place.state === 'finished' && facts.size === place.offset) return
          isKept = true
          await this.#follow(path, group, handle, facts, id, place)
          return
        }
        if (place.state === 'open') this.#lose(id, place)
      }
      for (const [id, place] of this.#places()) {
        if (place.offset === 0 || !mayBeRotated(path, place.path) || !(await fileHolds(path, place))) continue
        // A copy of a file that is still there: it will be truncated, or removed, and then this is the rest of it.
        if (place.state === 'open' && !this.#lost.has(id)) return
        const ownId = place.state === 'finished' ? cursors.newId() : id
        this.#lost.delete(id)
        if (isCompressed(path)) this.#readCompressed(path, group, facts, ownId, place, signal)
        else {
          isKept = true
          await this.#follow(path, group, handle, facts, ownId, place, true)
        }
        return
      }
      const before = [...this.#places()].filter(([, place]) => place.path === path).map(([, place]) => place.changedMs)
      if (before.length > 0) this.#replaced.set(path, { sinceMs: Math.max(...before), group })
      const id = cursors.newId()
      if (isCompressed(path)) {
        if (this.#isFirstRun && this.#isFirstScan && group.readFrom === 'end') this.#unwanted.add(`${key} ${path}`)
        else this.#readCompressed(path, group, facts, id, undefined, signal)
        return
      }
      isKept = true
      const atEnd = this.#isFirstRun && this.#isFirstScan && group.readFrom === 'end' && !once
      await this.#follow(
        path,
        group,
        handle,
        facts,
        id,
        atEnd ? await endOf(handle, facts, group, path, clock.nowMs()) : undefined,
      )
    } finally {
      if (!isKept) await handle.close()
    }
  }

  async #follow(
    path: string,
    group: FileGroup,
    handle: FileHandle,
    facts: FileFacts,
    id: string,
    place?: FilePlace,
    isRotated = false,
  ): Promise<void> {
    const { batcher, counts, clock } = this.#options
    const reader = group.reader(path, place)
    if (reader === undefined) {
      await handle.close()
      return
    }
    const splitter = new LineSplitter({ ...reader, batcher, counts, clock, lineBytesMax: group.lineBytesMax })
    const file = await TailFile.open({
      id,
      input: group.name,
      path,
      handle,
      facts,
      splitter,
      taker: reader.taker,
      batcher,
      clock,
      ...(place === undefined ? {} : { place }),
    })
    if (isRotated) file.rotatedMs = clock.monotonicMs()
    this.#files.set(keyOf(facts), { file, group })
    this.#lostPlaces.delete(id)
    // A new file has a place from the start: its inode is known when it comes again.
    batcher.touch(file)
  }

  #readCompressed(
    path: string,
    group: FileGroup,
    facts: FileFacts,
    id: string,
    place: FilePlace | undefined,
    signal: AbortSignal,
  ): void {
    const { batcher, counts, clock, logger, lostSearchMs } = this.#options
    const reader = group.reader(path, place)
    if (reader === undefined) return
    const key = keyOf(facts)
    this.#compressed.add(key)
    this.#compressedWaiting++
    this.#lostPlaces.delete(id)
    const splitter = new LineSplitter({ ...reader, batcher, counts, clock, lineBytesMax: group.lineBytesMax })
    const file = new CompressedFile({
      id,
      input: group.name,
      path,
      facts,
      splitter,
      taker: reader.taker,
      batcher,
      nowMs: clock.nowMs(),
      ...(place === undefined ? {} : { place }),
    })
    // One after the other: each has a decompressor.
    this.#compressedReads = this.#compressedReads.then(async () => {
      try {
        await file.readAll(signal)
      } catch (error) {
        if (signal.aborted) return
        // Still being written, perhaps: it is tried again from where it came to, for a while.
        logger.warn('a compressed file cannot be read to its end', { file: path, error })
        this.#lostPlaces.set(id, file.place())
        if (!this.#lost.has(id)) this.#lost.set(id, clock.monotonicMs() + lostSearchMs)
      } finally {
        this.#compressed.delete(key)
        this.#compressedWaiting--
      }
    })
  }

  /** Places by id, as far as they are known here. */
  *#places(): IterableIterator<[string, FilePlace]> {
    const live = new Map([...this.#files.values()].map(({ file }) => [file.id, file]))
    for (const [id, place] of this.#lostPlaces) if (!live.has(id)) yield [id, place]
    for (const [id, file] of live) yield [id, file.place()]
    for (const [id, place] of this.#options.cursors.places) {
      if (place.kind === 'file' && !live.has(id) && !this.#lostPlaces.has(id)) yield [id, place]
    }
  }

  /** Files of the last run that no name has led to. */
  #missUnclaimed(): void {
    const live = new Set([...this.#files.values()].map(({ file }) => file.id))
    for (const [id, place] of this.#options.cursors.places) {
      if (place.kind !== 'file' || place.state === 'finished' || live.has(id)) continue
      if (!this.#compressed.has(keyOf(place))) this.#lose(id, place)
    }
  }

  #lose(id: string, place: FilePlace): void {
    this.#lostPlaces.set(id, { ...place, state: 'lost' })
    if (!this.#lost.has(id)) this.#lost.set(id, this.#options.clock.monotonicMs() + this.#options.lostSearchMs)
  }

  /** Looks for the rest of files that went before they were read to the end. */
  async #seekLost(signal: AbortSignal): Promise<void> {
    const { groups, cursors, clock, logger, counts } = this.#options
    for (const [id, untilMs] of [...this.#lost]) {
      const place = this.#lostPlaces.get(id)
      const group = groups.find(({ name }) => name === place?.input)
      if (place === undefined || group === undefined) {
        this.#lost.delete(id)
        continue
      }
      const path = await findRotated(place, (file) => this.#isTaken(file, id))
      if (path !== undefined && (await this.#followRest(id, place, group, path, signal))) {
        this.#lost.delete(id)
        logger.info('found the rest of a rotated file', { file: place.path, rest: path, offset: place.offset })
      } else if (clock.monotonicMs() >= untilMs) {
        this.#lost.delete(id)
        this.#lostPlaces.delete(id)
        counts.filesLost++
        logger.warn('the rest of a rotated file was not found; if there was one, it is lost', {
          file: place.path,
          offset: place.offset,
        })
        cursors.apply({ [id]: { ...place, state: 'finished', sinceMs: clock.nowMs() } })
      }
    }
  }

  /** Whether a file is another of ours than that of place `except`. */
  async #isTaken(file: FoundFile, except: string): Promise<boolean> {
    const key = keyOf(file)
    if (this.#files.has(key) || this.#compressed.has(key)) return true
    for (const [id, place] of this.#places()) {
      // An inode is used again when its file is gone.
      if (id !== except && keyOf(place) === key && place.offset > 0 && (await fileHolds(file.path, place))) return true
    }
    return false
  }

  /** Looks for files that were at a path and were rotated away before they were seen there. */
  async #seekBetween(signal: AbortSignal): Promise<void> {
    const { cursors, logger } = this.#options
    const replaced = [...this.#replaced]
    this.#replaced.clear()
    for (const [path, { sinceMs, group }] of replaced) {
      for (const rotation of await rotationsOf(path, sinceMs)) {
        let isKnown = await this.#isTaken(rotation, '')
        for (const [, place] of [...this.#places()]) {
          if (place.offset > 0 && mayBeRotated(rotation.path, place.path))
            isKnown ||= await fileHolds(rotation.path, place)
        }
        if (!isKnown && (await this.#followRest(cursors.newId(), undefined, group, rotation.path, signal))) {
          logger.info('found a file that was rotated away before it was seen', { file: path, rotated: rotation.path })
        }
      }
    }
  }

  async #followRest(
    id: string,
    place: FilePlace | undefined,
    group: FileGroup,
    path: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const handle = await TailFile.handleOf(path).catch(() => undefined)
    if (handle === undefined) return false
    const facts = await factsOf(handle)
    if (isCompressed(path)) {
      await handle.close()
      this.#readCompressed(path, group, facts, id, place, signal)
    } else await this.#follow(path, group, handle, facts, id, place, true)
    return true
  }

  /** Finished files that are no longer there need no place; `known` are those that are. */
  #forget(known: ReadonlySet<string>): void {
    const { cursors, clock } = this.#options
    const beforeMs = clock.nowMs() - FINISHED_KEEP_MS
    for (const [id, place] of cursors.places) {
      if (place.kind !== 'file' || place.state !== 'finished') continue
      if (place.sinceMs < beforeMs && !known.has(keyOf(place))) cursors.forget(id)
    }
  }
}

function keyOf({ device, inode }: { readonly device: string; readonly inode: string }): string {
  return `${device}:${inode}`
}

/** The place behind the last whole line of a file. */
async function endOf(
  handle: FileHandle,
  facts: FileFacts,
  group: FileGroup,
  path: string,
  nowMs: number,
): Promise<FilePlace> {
  return { ...(await TailFile.placeAtEnd(handle, facts)), input: group.name, path, state: 'open', sinceMs: nowMs }
}
