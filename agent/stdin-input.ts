import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { noteShortLived } from '../base/young-collection.ts'
import type { Batcher, Source } from './batcher.ts'
import type { LineSplitter, LineTaker } from './line-splitter.ts'
import type { Place } from './place.ts'

export interface StdinInputOptions {
  readonly stream: Readable
  readonly batcher: Batcher
  readonly splitter: LineSplitter
  readonly taker: LineTaker
  readonly clock: Clock
  /** Records of several lines whose next line does not come are whole after this. */
  readonly flushMs: number
}

const SLACK_BYTES = 16

/**
 * Reads a pipe. It is not read faster than the batches find room, so its writer is held up. What has been read and is in no batch when the
 * shipper is killed is lost: a pipe cannot be read again.
 */
export class StdinInput implements Source {
  readonly id = 'stdin'
  readonly #options: StdinInputOptions
  #offset = 0

  constructor(options: StdinInputOptions) {
    this.#options = options
  }

  place(): Place {
    return { kind: 'pipe' }
  }

  /** Resolves at the end of the pipe, or when `signal` aborts; then what was read is in batches. */
  async run(signal: AbortSignal): Promise<void> {
    const { stream, taker, batcher, clock, flushMs } = this.#options
    const flusher = clock.every(flushMs, () => {
      if (!batcher.isFull && taker.flush(clock.monotonicMs() - flushMs)) batcher.touch(this)
    })
    const onAbort = () => stream.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    let rest: Buffer = Buffer.alloc(0)
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        noteShortLived(2 * chunk.length)
        rest = await this.#take(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), false, signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      flusher.cancel()
      signal.removeEventListener('abort', onAbort)
    }
    if (signal.aborted) return
    await this.#take(rest, true, signal)
    if (taker.flush(Number.POSITIVE_INFINITY)) batcher.touch(this)
  }

  /** Takes the lines of `bytes`; gives what is left of them. */
  async #take(bytes: Buffer, isEnd: boolean, signal: AbortSignal): Promise<Buffer> {
    const { splitter, batcher } = this.#options
    const buffer = Buffer.allocUnsafe(bytes.length + SLACK_BYTES)
    bytes.copy(buffer)
    let from = 0
    while (from < bytes.length) {
      await batcher.room(signal)
      const came = splitter.take(buffer, from, bytes.length, this.#offset, isEnd)
      if (came === from) break
      this.#offset += came - from
      from = came
      batcher.touch(this)
    }
    return bytes.subarray(from)
  }
}
