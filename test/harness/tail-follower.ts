import assert from 'node:assert/strict'
import type { Prng } from '../../base/prng.ts'
import { type ClusterWorld, TENANT } from './cluster-world.ts'

/** Follows the tail from before the first record, each poll through another node. */
export class TailFollower {
  readonly #world: ClusterWorld
  readonly #random: Prng
  readonly uids: number[] = []
  /** Shards that the first poll said nothing of. */
  missingAtFirst = 0
  #cursor: string | undefined

  constructor(world: ClusterWorld, random: Prng) {
    this.#world = world
    this.#random = random
  }

  async poll(): Promise<void> {
    const { clock, midnightMs } = this.#world
    const member = this.#world.anyMember(this.#random)
    const range = { fromMs: 0, toMs: midnightMs + 1e9 }
    const cursor = this.#cursor === undefined ? {} : { cursor: this.#cursor }
    const limit = this.#random.pick([1, 10, 1000])
    const request = { tenant: TENANT, query: '*', range, limit, waitMs: 300, timeoutMs: 5000, ...cursor }
    const answer = await Promise.race([
      member.search.tail(request, new AbortController().signal),
      member.node.life.ended,
    ])
    if (typeof answer !== 'object') return
    if (this.#cursor === undefined) this.missingAtFirst = answer.coverage.missing.length
    this.#cursor = answer.cursor
    this.uids.push(...answer.logs.map((log) => (JSON.parse(log) as { uid: number }).uid))
    await clock.sleep(this.#random.below(500))
  }

  /** Has had every record once. */
  check(): void {
    assert.deepEqual(
      this.uids.toSorted((a, b) => a - b),
      this.#world.sent.map(({ uid }) => uid),
    )
  }
}
