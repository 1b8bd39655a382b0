import type { Clock, Timer } from '../base/clock.ts'
import type { ShardId } from '../base/ids.ts'
import { REGISTRY_SILENCE_MAX_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import type { ShardEntry } from '../storage/manifest.ts'
import { decodeShardEntry, SHARD_KEYS, shardEntryKey, shardOfKey } from '../storage/manifest.ts'

/** How often the registry is asked for something, so that its silence is noticed. */
const CONTACT_EVERY_MS = 1000

/** The entry `shard/<n>` as this thread last heard it. */
export interface KnownShard extends ShardEntry {
  readonly revision: number
}

export interface ShardMapOptions {
  readonly registry: Registry
  readonly shardCount: number
  readonly clock: Clock
  readonly logger: Logger
}

interface Heard {
  readonly revision: number
  /** Undefined when the key was deleted. */
  readonly entry: KnownShard | undefined
}

/**
 * What one thread knows of who owns each shard, from where to where it is published, and under which epoch (C2): the registry's keys `shard/<n>`,
 * kept by a watch. It may be behind the registry, never ahead; whoever acts on it is held to it by epochs and compare-and-sets.
 *
 * Each second one of the keys is read as well: that tells whether the registry can be reached (C3), and makes up for a change that the watch missed.
 * After a silence all of them are read before it counts as over: what was told meanwhile may still be on its way.
 */
export class ShardMap {
  readonly #options: ShardMapOptions
  readonly #heard = new Map<ShardId, Heard>()
  readonly #listeners = new Set<(shard: ShardId, entry: KnownShard | undefined) => void>()
  #contactMs: number
  #asking: Timer | undefined
  #isAsking = false
  #nextAsked = 0
  #endWatch: (() => void) | undefined

  private constructor(options: ShardMapOptions) {
    this.#options = options
    this.#contactMs = options.clock.monotonicMs()
  }

  /** Resolves once every entry that there is has been heard. Throws what the registry throws. */
  static async open(options: ShardMapOptions): Promise<ShardMap> {
    const map = new ShardMap(options)
    map.#endWatch = await options.registry.watch(SHARD_KEYS, ({ key, value, revision }) => {
      map.#hear(shardOfKey(key), value, revision)
    })
    map.#contactMs = options.clock.monotonicMs()
    map.#asking = options.clock.every(CONTACT_EVERY_MS, () => void map.#ask())
    return map
  }

  /** Undefined while nobody has taken the shard. */
  get(shard: ShardId): KnownShard | undefined {
    return this.#heard.get(shard)?.entry
  }

  /** How long ago the registry last answered or told something, ms. */
  get silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#contactMs
  }

  /** Calls `listener` for each change from now on; the result ends it. Of several writes only the last may be told. */
  onChange(listener: (shard: ShardId, entry: KnownShard | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * The entry of the shard as soon as it is newer than `afterRevision` (0: as soon as there is one). Rejects with the reason of `signal` when that
   * aborts.
   */
  changed(shard: ShardId, afterRevision: number, signal: AbortSignal): Promise<KnownShard | undefined> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const known = this.#heard.get(shard)
      if (known !== undefined && known.revision > afterRevision) return resolve(known.entry)
      const end = this.onChange((changed, entry) => {
        if (changed !== shard || this.#heard.get(shard)!.revision <= afterRevision) return
        signal.removeEventListener('abort', onAbort)
        end()
        resolve(entry)
      })
      const onAbort = (): void => {
        end()
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  close(): void {
    this.#asking?.cancel()
    this.#endWatch?.()
    this.#listeners.clear()
  }

  /** Keys are read in turn. Does not reject. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return
    const { registry, shardCount } = this.#options
    const shard = (this.#nextAsked++ % shardCount) as ShardId
    this.#isAsking = true
    try {
      if (this.#isOutOfTouch) {
        for (const { key, value, revision } of await registry.list(SHARD_KEYS)) {
          this.#hear(shardOfKey(key), value, revision)
        }
      } else {
        const found = await registry.get(shardEntryKey(shard))
        if (found !== undefined) this.#hear(shard, found.value, found.revision)
      }
      this.#contactMs = this.#options.clock.monotonicMs()
    } catch {
      // That it cannot be reached is what `silentMs` tells.
    } finally {
      this.#isAsking = false
    }
  }

  get #isOutOfTouch(): boolean {
    return this.silentMs > REGISTRY_SILENCE_MAX_MS
  }

  #hear(shard: ShardId, value: Uint8Array | undefined, revision: number): void {
    if (!this.#isOutOfTouch) this.#contactMs = this.#options.clock.monotonicMs()
    if (revision <= (this.#heard.get(shard)?.revision ?? 0)) return
    let entry: KnownShard | undefined
    try {
      if (value !== undefined) entry = { ...decodeShardEntry(value), revision }
    } catch (error) {
      this.#options.logger.error('the entry of a shard cannot be read; the one before goes on to count', {
        shard,
        error,
      })
      return
    }
    this.#heard.set(shard, { revision, entry })
    for (const listener of [...this.#listeners]) listener(shard, entry)
  }
}
