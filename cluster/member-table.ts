import { assert } from '../base/assert.ts'
import type { NodeId } from '../base/ids.ts'
import { DEAF_AFTER_MS, DEPARTED_KEEP_MS, MEMBERS_MAX } from '../base/limits.ts'
import type { Heartbeat, Member } from './heartbeat.ts'

export interface MemberTableTimes {
  /** C1: a node that was not heard for so long is dead, ms. */
  readonly silenceMs: number
  /** The same while it has not been heard since the last disturbance. */
  readonly graceMs: number
  /** How long a node listens before it says who is there. */
  readonly settleMs: number
}

/** What a heartbeat told: of this node itself; of another that is new, known or gone; that a newer process bears this node's id; nothing. */
export type Heard = 'self' | 'came' | 'lives' | 'left' | 'displaced' | 'nothing'

interface Known {
  readonly member: Member
  readonly beat: number
  readonly heardMs: number
}

/**
 * Who lives, as one observer hears it (C1); pure. All times are the observer's own monotonic clock, so that no node's clock matters to another.
 *
 * Silence counts only while the observer hears itself: its own heartbeats must come back to it by the way on which it hears the others. When they
 * do not, or when the messaging says that it was disturbed, whoever lived lives on, and afterwards everybody has `graceMs` to be heard again.
 */
export class MemberTable {
  readonly #self: { readonly nodeId: NodeId; readonly boot: number }
  readonly #times: MemberTableTimes
  readonly #startedMs: number
  readonly #known = new Map<NodeId, Known>()
  /** Boots that said goodbye, for as long as a heartbeat of theirs may still be under way. */
  readonly #departed = new Map<NodeId, { readonly boot: number; readonly sinceMs: number }>()
  /** When its own heartbeat came back, first and last; undefined before. */
  #listeningSinceMs: number | undefined
  #selfHeardMs: number | undefined
  #disturbedMs: number | undefined
  #isDeaf = false
  #isSettled = false
  #absentAreDead = false
  #revision = 0

  constructor(self: { readonly nodeId: NodeId; readonly boot: number }, times: MemberTableTimes, nowMs: number) {
    assert(times.graceMs >= times.silenceMs, 'a disturbance gives time, it does not take any')
    this.#self = self
    this.#times = times
    this.#startedMs = nowMs
  }

  /** Rises with every change but those of the load. */
  get revision(): number {
    return this.#revision
  }

  /** True once it has listened long enough to have heard everybody; stays true. */
  get isSettled(): boolean {
    return this.#isSettled
  }

  /** True when whoever is not a member has been silent for long enough, undisturbed, to be dead. */
  get absentAreDead(): boolean {
    return this.#absentAreDead
  }

  /** The others that live, in no order. */
  peers(): readonly Member[] {
    return [...this.#known.values()].map(({ member }) => member)
  }

  /**
   * May what this node owned be taken over? `boot` narrows the question to one process: it is dead as well when a newer one bears its name.
   * A node that said goodbye is dead at once.
   */
  isDead(nodeId: NodeId, boot?: number): boolean {
    if (nodeId === this.#self.nodeId) return boot !== undefined && boot < this.#self.boot
    const known = this.#known.get(nodeId)
    if (known !== undefined) return boot !== undefined && boot < known.member.boot
    const departed = this.#departed.get(nodeId)
    if (departed !== undefined && (boot === undefined || boot <= departed.boot)) return true
    return this.#absentAreDead
  }

  hear(heartbeat: Heartbeat, nowMs: number): Heard {
    const { nodeId, boot } = heartbeat.member
    if (nodeId !== this.#self.nodeId) return this.#hearPeer(heartbeat, nowMs)
    if (boot > this.#self.boot) return 'displaced'
    if (boot < this.#self.boot) return 'nothing'
    const wasDeaf = this.#isDeafAt(nowMs)
    this.#listeningSinceMs ??= nowMs
    this.#selfHeardMs = nowMs
    this.#isDeaf = false
    if (wasDeaf) this.#disturbedMs = nowMs
    this.#judge(nowMs)
    return 'self'
  }

  /** Everybody's silence begins anew: what was not heard may not have been carried. */
  disturb(nowMs: number): void {
    this.#disturbedMs = nowMs
    this.#judge(nowMs)
  }

  /** Lets the silent ones go; to be called several times within `silenceMs`. Returns those that died of it. */
  advance(nowMs: number): readonly Member[] {
    this.#judge(nowMs)
    for (const [nodeId, departed] of this.#departed) {
      if (nowMs - departed.sinceMs > DEPARTED_KEEP_MS) this.#departed.delete(nodeId)
    }
    return this.#isDeaf ? [] : this.#bury(nowMs)
  }

  /** Whether the observer can judge at all. */
  #judge(nowMs: number): void {
    this.#isDeaf = this.#isDeafAt(nowMs)
    const sinceMs = this.#listeningSinceMs
    const isSettled = this.#isSettled || (sinceMs !== undefined && !this.#isDeaf && this.#hasListened(sinceMs, nowMs))
    const absentAreDead = isSettled && sinceMs !== undefined && !this.#isDeaf && this.#isOver(sinceMs, nowMs)
    if (isSettled !== this.#isSettled || absentAreDead !== this.#absentAreDead) this.#revision++
    this.#isSettled = isSettled
    this.#absentAreDead = absentAreDead
  }

  #isDeafAt(nowMs: number): boolean {
    return this.#isDeaf || nowMs - (this.#selfHeardMs ?? this.#startedMs) > DEAF_AFTER_MS
  }

  #hasListened(sinceMs: number, nowMs: number): boolean {
    return nowMs - Math.max(sinceMs, this.#disturbedMs ?? sinceMs) >= this.#times.settleMs
  }

  #bury(nowMs: number): readonly Member[] {
    const dead = [...this.#known.values()].filter(({ heardMs }) => this.#isOver(heardMs, nowMs))
    for (const { member } of dead) this.#known.delete(member.nodeId)
    this.#revision += dead.length
    return dead.map(({ member }) => member)
  }

  /** True when a silence that began at `sinceMs` has lasted: for `graceMs` from a disturbance in it, else for `silenceMs`. */
  #isOver(sinceMs: number, nowMs: number): boolean {
    const { silenceMs, graceMs } = this.#times
    const isDisturbed = this.#disturbedMs !== undefined && this.#disturbedMs >= sinceMs
    return isDisturbed ? nowMs - this.#disturbedMs! >= graceMs : nowMs - sinceMs >= silenceMs
  }

  #hearPeer({ member, beat, isGoodbye }: Heartbeat, nowMs: number): Heard {
    const { nodeId, boot } = member
    const departed = this.#departed.get(nodeId)
    const known = this.#known.get(nodeId)
    // Late ones, and those of a process that another has replaced or that said goodbye.
    if (departed !== undefined && boot <= departed.boot) return 'nothing'
    if (known !== undefined && boot < known.member.boot) return 'nothing'
    if (known !== undefined && boot === known.member.boot && beat <= known.beat) return 'nothing'
    if (known === undefined && this.#known.size >= MEMBERS_MAX - 1) return 'nothing'
    if (isGoodbye) {
      if (this.#departed.size < MEMBERS_MAX) this.#departed.set(nodeId, { boot, sinceMs: nowMs })
      if (!this.#known.delete(nodeId)) return 'nothing'
      this.#revision++
      return 'left'
    }
    this.#departed.delete(nodeId)
    this.#known.set(nodeId, { member, beat, heardMs: nowMs })
    if (known === undefined || standing(known.member) !== standing(member)) this.#revision++
    return known?.member.boot === boot ? 'lives' : 'came'
  }
}

/** All that others act on: everything but the load. */
function standing({ load: _load, ...rest }: Member): string {
  return JSON.stringify(rest)
}
