import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'

/** Directories beyond this are looked into by the clock alone. */
const DIRECTORIES_MAX = 512

/** Wakes whoever waits when something happens in one of the directories. It may miss what happens: who waits looks by the clock as well. */
export class DirectoryWatch {
  readonly #clock: Clock
  readonly #watchers = new Map<string, FSWatcher>()
  #news: 'change' | 'rename' | undefined
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Watches the directory of this file. */
  add(path: string): void {
    const directory = dirname(path)
    if (this.#watchers.has(directory) || this.#watchers.size >= DIRECTORIES_MAX) return
    try {
      const watcher = watch(directory, { persistent: false }, (event) => this.#tell(event))
      watcher.on('error', () => watcher.close())
      this.#watchers.set(directory, watcher)
    } catch {
      // The system watches no more for us: the clock does.
    }
  }

  /** Resolves after `timeoutMs`, or sooner when there are news: `rename` when names have come or gone. Rejects when `signal` aborts. */
  async changed(timeoutMs: number, signal: AbortSignal): Promise<'change' | 'rename' | undefined> {
    if (this.#news === undefined) {
      await new Promise<void>((resolve, reject) => {
        const done = () => {
          timer.cancel()
          signal.removeEventListener('abort', onAbort)
          this.#wake = undefined
          resolve()
        }
        const onAbort = () => {
          done()
          reject(signal.reason)
        }
        const timer = this.#clock.after(timeoutMs, done)
        signal.addEventListener('abort', onAbort, { once: true })
        this.#wake = done
        if (signal.aborted) onAbort()
      })
    }
    const news = this.#news
    this.#news = undefined
    return news
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #tell(event: string): void {
    if (event === 'rename') this.#news = 'rename'
    else this.#news ??= 'change'
    this.#wake?.()
  }
}
