import { fstatSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Batcher, Source } from './batcher.ts'
import type { LineSplitter, LineTaker } from './line-splitter.ts'
import { type FilePlace, HEAD_BYTES, isMarkOf, markOf, TAIL_BYTES } from './place.ts'

/** What reads need beside what they read: the bytes before it, by which a file that was written anew is noticed, and slack behind it. */
const SLACK_BYTES = 16
const READ_BYTES = 256 * 1024

/** A buffer for the reads of all files of an input: a line of `lineBytesMax`, and more than one line otherwise. */
export function readBuffer(lineBytesMax: number): Buffer {
  const bytes = Math.max(READ_BYTES, lineBytesMax + 64 * 1024)
  return Buffer.allocUnsafeSlow(TAIL_BYTES + bytes + SLACK_BYTES)
}

/** Of a file that is open: the numbers by which the file system knows it, and its size. */
export interface FileFacts {
  readonly device: string
  readonly inode: string
  readonly size: number
  /** When it was last changed, ms since the epoch. */
  readonly changedMs: number
}

export async function factsOf(handle: FileHandle): Promise<FileFacts> {
  const { dev, ino, size, mtimeMs } = await handle.stat({ bigint: true })
  return { device: String(dev), inode: String(ino), size: Number(size), changedMs: Number(mtimeMs) }
}

/** Whether the file holds what was read up to `place`, where it was read. */
export async function holds(
  handle: FileHandle,
  place: Pick<FilePlace, 'head' | 'tail' | 'offset'>,
  size: number,
): Promise<boolean> {
  const { head, tail, offset } = place
  if (size < offset || size < head.length) return false
  return (
    isMarkOf(head, await bytesAt(handle, 0, head.length)) &&
    isMarkOf(tail, await bytesAt(handle, offset - tail.length, tail.length))
  )
}

async function bytesAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = length === 0 ? { bytesRead: 0 } : await handle.read(bytes, 0, length, position)
  return bytes.subarray(0, bytesRead)
}

export interface TailFileOptions {
  readonly id: string
  /** Name of the input that it belongs to. */
  readonly input: string
  readonly path: string
  readonly handle: FileHandle
  readonly facts: FileFacts
  readonly splitter: LineSplitter
  readonly taker: LineTaker
  readonly batcher: Batcher
  readonly clock: Clock
  /** Where it stood before; undefined: at the beginning. */
  readonly place?: FilePlace
}

/** What a turn found: bytes, nothing new, or another content than was read before. */
export type Turn = 'read' | 'idle' | 'rewritten'

/** One open file that is being followed. It stays open when it is renamed or removed, so that its end is not lost. */
export class TailFile implements Source {
  readonly id: string
  readonly inode: string
  readonly device: string
  path: string
  /** Its path has become another file's, or it has been found as a copy: when, monotonic ms. */
  rotatedMs: number | undefined
  /** When it was last read from, and when its name is looked at next; monotonic ms. */
  readMs: number
  lookDueMs = 0
  /** The last turn did not come to the end. */
  isBusy = false
  readonly input: string
  /** Size and time of change when it was found to have nothing new. */
  #idleSize = -1
  #idleChangedMs = -1
  readonly #clock: Clock
  readonly #handle: FileHandle
  readonly #splitter: LineSplitter
  readonly #taker: LineTaker
  readonly #batcher: Batcher
  /** Its first bytes and the last ones before `offset`, as they were read. */
  #head: Buffer = Buffer.alloc(0)
  #tail: Buffer = Buffer.alloc(0)
  #offset: number
  /** Until here the lines of records that had not ended are read once more. */
  readonly #replayed: FilePlace | undefined
  #state: FilePlace['state'] = 'open'
  #sinceMs: number

  private constructor(options: TailFileOptions) {
    const { facts, place } = options
    this.id = options.id
    this.input = options.input
    this.path = options.path
    this.inode = facts.inode
    this.device = facts.device
    this.#handle = options.handle
    this.#idleChangedMs = facts.changedMs
    this.#splitter = options.splitter
    this.#taker = options.taker
    this.#batcher = options.batcher
    this.#clock = options.clock
    this.#sinceMs = options.clock.nowMs()
    this.readMs = options.clock.monotonicMs()
    const starts = Object.values(place?.pending ?? {})
    this.#replayed = starts.length > 0 ? place : undefined
    this.#offset = starts.length > 0 ? Math.min(...starts) : (place?.offset ?? 0)
    this.#splitter.isSkipping = place?.isSkipping ?? false
  }

  /** Goes on where `place` says; whether the file holds what was read before is for the caller to have looked at. */
  static async open(options: TailFileOptions): Promise<TailFile> {
    const file = new TailFile(options)
    const { handle, place } = options
    file.#head = await bytesAt(handle, 0, Math.min(HEAD_BYTES, place?.head.length ?? 0))
    const tailBytes = Math.min(TAIL_BYTES, file.#offset)
    file.#tail = await bytesAt(handle, file.#offset - tailBytes, tailBytes)
    return file
  }

  /** The place behind the last whole line of a file, as far as it is seen in its last bytes. */
  static async placeAtEnd(handle: FileHandle, { device, inode, size, changedMs }: FileFacts) {
    const last = await bytesAt(handle, Math.max(0, size - READ_BYTES), Math.min(size, READ_BYTES))
    const offset = size - last.length + last.lastIndexOf(0x0a) + 1
    const tailBytes = Math.min(TAIL_BYTES, offset)
    return {
      kind: 'file' as const,
      device,
      inode,
      offset,
      changedMs,
      head: markOf(await bytesAt(handle, 0, Math.min(HEAD_BYTES, offset))),
      tail: markOf(await bytesAt(handle, offset - tailBytes, tailBytes)),
    }
  }

  static handleOf(path: string): Promise<FileHandle> {
    return open(path, 'r')
  }

  get offset(): number {
    return this.#offset
  }

  get handle(): FileHandle {
    return this.#handle
  }

  get taker(): LineTaker {
    return this.#taker
  }

  place(): FilePlace {
    if (this.#replayed !== undefined && this.#offset < this.#replayed.offset) return this.#replayed
    const pending = this.#taker.pending()
    return {
      kind: 'file',
      input: this.input,
      path: this.path,
      device: this.device,
      inode: this.inode,
      offset: this.#offset,
      changedMs: Math.floor(this.#idleChangedMs),
      ...(pending === undefined ? {} : { pending }),
      ...(this.#splitter.isSkipping ? { isSkipping: true } : {}),
      head: markOf(this.#head),
      tail: markOf(this.#tail),
      state: this.#state,
      sinceMs: this.#sinceMs,
    }
  }

  /** Whether it may hold anything new: its size or time of change is another than when nothing was new. */
  hasChanged(): boolean {
    const { size, mtimeMs } = fstatSync(this.#handle.fd)
    const hasChanged = size !== this.#idleSize || mtimeMs !== this.#idleChangedMs
    if (hasChanged) {
      this.#idleSize = size
      this.#idleChangedMs = mtimeMs
    }
    return hasChanged
  }

  /** Reads once and takes whole lines, with `isEnd` also a last one without its end; the batch has room. `buffer` is one of `readBuffer`. */
  async turn(buffer: Buffer, isEnd: boolean): Promise<Turn> {
    this.isBusy = false
    const tailBytes = this.#tail.length
    const wanted = buffer.length - SLACK_BYTES - TAIL_BYTES
    const from = this.#offset - tailBytes
    const { bytesRead } = await this.#handle.read(buffer, 0, tailBytes + wanted, from)
    if (bytesRead < tailBytes || buffer.compare(this.#tail, 0, tailBytes, 0, tailBytes) !== 0) return 'rewritten'
    if (bytesRead === tailBytes) return 'idle'
    const isAtEnd = isEnd && bytesRead < tailBytes + wanted
    const came = this.#splitter.take(buffer, tailBytes, bytesRead, this.#offset, isAtEnd)
    if (came === tailBytes) return 'idle'
    this.#advance(buffer, tailBytes, came)
    this.#batcher.touch(this)
    this.readMs = this.#clock.monotonicMs()
    // What is left is a line that has not come to its end, or there was no more room in the batch.
    this.isBusy = bytesRead === tailBytes + wanted || this.#batcher.isFull
    return this.isBusy ? 'read' : 'idle'
  }

  /** Says that nothing more comes; from now on its place says so. */
  end(state: 'lost' | 'finished', nowMs: number): void {
    this.#state = state
    this.#sinceMs = nowMs
    this.#batcher.touch(this)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  #advance(buffer: Buffer, start: number, end: number): void {
    assert(end > start, 'a file is read forward')
    if (this.#head.length < HEAD_BYTES && this.#offset <= this.#head.length) {
      const known = this.#head.length - this.#offset
      const more = buffer.subarray(start + known, Math.min(end, start + known + HEAD_BYTES - this.#head.length))
      if (known < end - start) this.#head = Buffer.concat([this.#head, more])
    }
    this.#tail = Buffer.from(buffer.subarray(Math.max(0, end - TAIL_BYTES), end))
    this.#offset += end - start
  }
}
