import { assert } from '../base/assert.ts'

/**
 * How many shards of a worker publish or merge at once, first come, first served. Each holds a segment in memory until the object store has taken it: when
 * that hangs, or the journal fills up and all shards are to publish, memory would grow with the shards.
 */
export class PublishTurns {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(atOnce: number) {
    assert(atOnce > 0, 'somebody has a turn')
    this.#free = atOnce
  }

  async run<R>(work: () => Promise<R>): Promise<R> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
