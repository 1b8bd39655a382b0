import assert from 'node:assert/strict'
import type { LiveTail, TailClient } from '../../actors/messages/tail.ts'
import { TAIL_CLIENT_BYTES_MAX } from '../../base/limits.ts'
import type { Prng } from '../../base/prng.ts'
import { type ClusterWorld, TENANT } from './cluster-world.ts'
import type { Member } from './simulated-cluster.ts'

/**
 * A client of a live tail that lives longer than the nodes: it counts what it was shown when it has a cursor for it, and with that it goes on elsewhere
 * when its node dies, or when it likes.
 */
export class LiveFollower {
  readonly uids: number[] = []
  starts = 0
  readonly #world: ClusterWorld
  readonly #random: Prng
  readonly #query: string
  #cursor: string | undefined
  /** Shown, without a cursor so far. */
  #uncounted: number[] = []
  #member: Member | undefined
  #tail: LiveTail | undefined
  #isPaused = false

  constructor(world: ClusterWorld, random: Prng, query: string) {
    this.#world = world
    this.#random = random
    this.#query = query
  }

  /** Begins somewhere; resolves when the tail holds. */
  async begin(): Promise<void> {
    while (this.#tail === undefined) await this.#begin()
  }

  /** Goes on for a while, and does something else now and then. */
  async step(): Promise<void> {
    const random = this.#random
    await this.#world.clock.sleep(random.below(400))
    if (this.#tail === undefined || !this.#member!.node.life.isAlive) {
      this.#tail = undefined
      return this.begin()
    }
    switch (random.below(20)) {
      case 0:
        this.#tail.close()
        this.#tail = undefined
        return this.begin()
      case 1:
        this.#isPaused = true
        return this.#tail.pause()
      case 2:
        await this.#alive(this.#tail.change({ query: this.#query }))
        return
      default:
        if (this.#isPaused) this.#tail.resume()
        this.#isPaused = false
    }
  }

  async #begin(): Promise<void> {
    const { clock } = this.#world
    const member = this.#world.anyMember(this.#random)
    const client = this.#client(() => this.#member === member)
    this.#member = member
    this.#uncounted = []
    this.#isPaused = false
    this.starts++
    try {
      const tail = await this.#alive(member.tails.open(TENANT, client))
      if (tail === undefined) return
      const cursor = this.#cursor === undefined ? {} : { cursor: this.#cursor }
      const started = this.#alive(tail.start({ query: this.#query, last: 0, ...cursor }).then(() => true))
      if ((await started) === true) this.#tail = tail
    } catch {
      await clock.sleep(100)
    }
  }

  /** Undefined when the node dies first. */
  async #alive<R>(work: Promise<R>): Promise<R | undefined> {
    work.catch(() => undefined)
    const { life } = this.#member!.node
    return Promise.race([work, life.ended.then(() => undefined)])
  }

  #client(isMine: () => boolean): TailClient {
    const random = this.#random.fork(`client/${this.starts}`)
    const count = (cursor: string) => {
      if (!isMine()) return
      this.#cursor = cursor
      this.uids.push(...this.#uncounted.splice(0))
    }
    return {
      // Slow now and then, but never too slow.
      get queuedBytes() {
        return random.chance(0.1) ? TAIL_CLIENT_BYTES_MAX * 0.75 : 0
      },
      takenBytes: 0,
      began: count,
      cursor: count,
      paused: count,
      logs: (records) => {
        if (isMine()) this.#uncounted.push(...records.map((record) => (JSON.parse(record) as { uid: number }).uid))
      },
      dropped: () => assert.fail('nothing is dropped for who reads'),
      heartbeat: () => undefined,
      ended: (error) => assert.fail(error),
    }
  }
}
