import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { noteShortLived } from '../base/young-collection.ts'
import type { Batcher, Source } from './batcher.ts'
import type { LineSplitter, LineTaker } from './line-splitter.ts'
import { type FilePlace, HEAD_BYTES, isMarkOf, markOf, TAIL_BYTES } from './place.ts'
import type { FileFacts } from './tail-file.ts'

export const COMPRESSED = /\.(gz|zst)$/
/** Of what comes out of a decompressor; lines that are cut by it are joined. */
const CHUNK_BYTES = 64 * 1024
const SLACK_BYTES = 16

export function isCompressed(path: string): boolean {
  return COMPRESSED.test(path)
}

function contentOf(path: string): Readable {
  const file = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  const inflate = path.endsWith('.gz')
    ? createGunzip({ chunkSize: CHUNK_BYTES })
    : createZstdDecompress({ chunkSize: CHUNK_BYTES })
  file.once('error', (error) => inflate.destroy(error))
  inflate.once('close', () => file.destroy())
  return file.pipe(inflate)
}

/** What was seen of a content that goes by: its first bytes and its last ones. */
class Seen {
  head = Buffer.alloc(0)
  tail = Buffer.alloc(0)
  offset = 0

  add(bytes: Buffer): void {
    if (this.head.length < HEAD_BYTES)
      this.head = Buffer.concat([this.head, bytes.subarray(0, HEAD_BYTES - this.head.length)])
    const tail = bytes.length >= TAIL_BYTES ? bytes : Buffer.concat([this.tail, bytes])
    this.tail = Buffer.from(tail.subarray(Math.max(0, tail.length - TAIL_BYTES)))
    this.offset += bytes.length
  }
}

/** Whether the content of a compressed file holds what was read up to `place`. False also for a file that is not whole yet. */
export async function compressedHolds(
  path: string,
  place: Pick<FilePlace, 'head' | 'tail' | 'offset'>,
): Promise<boolean> {
  const seen = new Seen()
  try {
    for await (const chunk of contentOf(path) as AsyncIterable<Buffer>) {
      noteShortLived(2 * chunk.length)
      seen.add(chunk.subarray(0, place.offset - seen.offset))
      if (seen.offset === place.offset) break
    }
  } catch {
    return false
  }
  return (
    seen.offset === place.offset &&
    isMarkOf(place.head, seen.head.subarray(0, place.head.length)) &&
    isMarkOf(place.tail, seen.tail.subarray(seen.tail.length - place.tail.length))
  )
}

export interface CompressedFileOptions {
  readonly id: string
  readonly input: string
  readonly path: string
  readonly facts: FileFacts
  readonly splitter: LineSplitter
  readonly taker: LineTaker
  readonly batcher: Batcher
  readonly nowMs: number
  /** Where in its content it stood; undefined: at the beginning. */
  readonly place?: FilePlace
}

/** A compressed file, read once to its end. Offsets are those of its content. */
export class CompressedFile implements Source {
  readonly id: string
  readonly path: string
  readonly #options: CompressedFileOptions
  readonly #seen = new Seen()
  readonly #startOffset: number
  #state: FilePlace['state'] = 'open'

  constructor(options: CompressedFileOptions) {
    const { place, splitter } = options
    this.id = options.id
    this.path = options.path
    this.#options = options
    const starts = Object.values(place?.pending ?? {})
    this.#startOffset = starts.length > 0 ? Math.min(...starts) : (place?.offset ?? 0)
    splitter.isSkipping = place?.isSkipping ?? false
  }

  place(): FilePlace {
    const { path, input, facts, taker, splitter, place, nowMs } = this.#options
    const { offset, head, tail } = this.#seen
    if (place !== undefined && offset < place.offset) return place
    const pending = taker.pending()
    return {
      kind: 'file',
      input,
      path,
      device: facts.device,
      inode: facts.inode,
      offset,
      changedMs: facts.changedMs,
      ...(pending === undefined ? {} : { pending }),
      ...(splitter.isSkipping ? { isSkipping: true } : {}),
      head: markOf(head),
      tail: markOf(tail),
      state: this.#state,
      sinceMs: nowMs,
    }
  }

  /**
   * Reads from where it stood to the end. Rejects with what the file system or the decompressor says, such as where the file is still being
   * written: then `place` is where it came to. Rejects when `signal` aborts.
   */
  async readAll(signal: AbortSignal): Promise<void> {
    const { splitter, taker, batcher, path } = this.#options
    let rest: Buffer = Buffer.alloc(0)
    const take = async (bytes: Buffer, isEnd: boolean): Promise<Buffer> => {
      const buffer = Buffer.allocUnsafe(bytes.length + SLACK_BYTES)
      bytes.copy(buffer)
      let from = 0
      for (;;) {
        await batcher.room(signal)
        const came = splitter.take(buffer, from, bytes.length, this.#seen.offset, isEnd)
        if (came === from) return bytes.subarray(from)
        this.#seen.add(bytes.subarray(from, came))
        from = came
        batcher.touch(this)
        if (from === bytes.length) return Buffer.alloc(0)
      }
    }
    for await (const chunk of contentOf(path) as AsyncIterable<Buffer>) {
      // Twice: with what is compressed, and copies.
      noteShortLived(2 * chunk.length)
      const skipped = Math.min(chunk.length, this.#startOffset - this.#seen.offset)
      if (rest.length === 0 && skipped > 0) this.#seen.add(chunk.subarray(0, skipped))
      const bytes = rest.length === 0 && skipped > 0 ? chunk.subarray(skipped) : chunk
      if (bytes.length > 0) rest = await take(rest.length === 0 ? bytes : Buffer.concat([rest, bytes]), false)
    }
    if (rest.length > 0) await take(rest, true)
    await batcher.room(signal)
    taker.flush(Number.POSITIVE_INFINITY)
    this.#state = 'finished'
    batcher.touch(this)
  }
}
