import type { Clock } from '../base/clock.ts'
import { asWeirError, type ErrorCode, WeirError } from '../base/errors.ts'
import type { NodeId, ShardId } from '../base/ids.ts'
import { QUERY_MERGE_BYTES_MAX } from '../base/limits.ts'
import type { HotShare, LeafReport, MissingShare, PublishedPin, SegmentDeal, ShardShare } from './messages/leaf.ts'
import type { QueryNode, QueryTopology } from './query-topology.ts'
import { cancellation } from './runtime/ask.ts'
import { dealAgain } from './segment-deal.ts'
import type { KnownShard, ShardMap } from './shard-map.ts'

/** What one leaf is asked at once. */
export interface LeafAsk {
  readonly node: NodeId
  readonly worker: number
  readonly shares: readonly ShardShare[]
  readonly deal: SegmentDeal | undefined
}

export interface ScatterRunParts {
  readonly topology: QueryTopology
  readonly shardMap: Pick<ShardMap, 'get' | 'onChange'>
  /** Which worker of a node with `workers` of them has a shard. */
  readonly workerOf: (shard: ShardId, workers: number) => number
  readonly clock: Clock
}

export interface ScatterRunOptions<A> {
  readonly shards: readonly ShardId[]
  /** C5: where there are several nodes, published segments are dealt out to all of them; else the owner of a shard answers all of it. */
  readonly dealsSegments: boolean
  /** For how long shards that cannot be answered yet are waited for, ms. */
  readonly patienceMs: number
  readonly signal: AbortSignal
  readonly send: (ask: LeafAsk, signal: AbortSignal) => Promise<A>
}

/** What the leaves answered, and what of it is missing. */
export interface Answers<A> {
  readonly ok: readonly A[]
  readonly missing: readonly { readonly shard: ShardId; readonly reason: string }[]
  /** All that were asked for. */
  readonly shards: readonly ShardId[]
}

/** Rows of one shard that one leaf is to answer: those that are not published, or those of one deal of its segments. */
interface Part {
  readonly shard: ShardId
  readonly part: MissingShare['part']
  readonly pin: PublishedPin | undefined
  /** Of segments. */
  readonly deal: SegmentDeal | undefined
  /** Why it is not answered yet. */
  reason: string
  /** Of the registry's entry for which candidates were last tried. */
  revision: number
  /** Of those who may answer, the next to ask: the owner, then the standby, then the owner again. */
  nextCandidate: number
  notBeforeMs: number
  failures: number
}

/** Who may be asked for rows that are not published. */
interface Candidate {
  readonly node: NodeId
  readonly hot: HotShare
}

/** An ask that is being put together. */
interface Outgoing {
  readonly node: NodeId
  readonly worker: number
  readonly shares: Map<ShardId, ShardShare>
  readonly parts: Part[]
  deal: SegmentDeal | undefined
}

/** So often rows that are not published are asked for where something that was asked for with them is damaged. */
const DAMAGED_TRIES_MAX = 3
/** Time between asking the same leaves for the same part again. */
const BACKOFF_MIN_MS = 50
const BACKOFF_MAX_MS = 500
/** After these errors of a leaf its parts are asked for again, there or elsewhere. */
const RETRIED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'shard_unavailable',
  'storage_unavailable',
  'actor_stopped',
  'draining',
  // An actor that is not there yet, or an object that is gone.
  'not_found',
])

/**
 * One question to the leaves of all nodes (C5). Each part of it, rows of one shard that are in no other part, is answered by one leaf or named as
 * missing. A part that is refused or lost is asked for again: of the owner that the registry names next, of the standby, or, of
 * published segments, of the other nodes. Nothing that a lost leaf had found is in the result, so no row is in it twice.
 */
export class ScatterRun<A extends { readonly report: LeafReport }> {
  readonly #parts: ScatterRunParts
  readonly #options: ScatterRunOptions<A>
  readonly #endsMs: number
  readonly #ok: A[] = []
  readonly #missing: { shard: ShardId; reason: string }[] = []
  #waiting: Part[] = []
  #underWay = 0
  #bytes = 0
  /** Why the whole question fails. */
  #failure: Error | undefined
  readonly #stop = new AbortController()
  #news = Promise.withResolvers<void>()
  #endListening: (() => void) | undefined

  constructor(parts: ScatterRunParts, options: ScatterRunOptions<A>) {
    this.#parts = parts
    this.#options = options
    this.#endsMs = parts.clock.monotonicMs() + options.patienceMs
  }

  /** Throws what a leaf threw that no other one would do better, result_too_large, and the reason of the signal when that aborts. */
  async run(): Promise<Answers<A>> {
    const { signal, shards } = this.#options
    const onAbort = () => this.#fail(cancellation(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    this.#plan()
    try {
      while (this.#failure === undefined) {
        if (this.#parts.clock.monotonicMs() < this.#endsMs) this.#sendAll()
        else this.#giveUp()
        if (this.#underWay === 0 && this.#waiting.length === 0) break
        await this.#nextNews()
      }
      if (this.#failure !== undefined) throw this.#failure
      return { ok: this.#ok, missing: this.#missing, shards }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#endListening?.()
    }
  }

  #plan(): void {
    const { topology, shardMap } = this.#parts
    const nodes = takersOf(topology.nodes())
    const isDealt = this.#options.dealsSegments && nodes.length > 1
    const deals = nodes.map((to): SegmentDeal => ({ among: nodes, to, after: [] }))
    for (const shard of this.#options.shards) {
      // A shard that nobody has taken yet is answered whole by whoever takes it.
      const entry = isDealt ? shardMap.get(shard) : undefined
      const pin = entry && { page: entry.manifestObject, floor: entry.floor }
      this.#waiting.push(newPart(shard, 'hot', pin, undefined))
      if (pin === undefined || pin.page === '') continue
      for (const deal of deals) this.#waiting.push(newPart(shard, 'segments', pin, deal))
    }
  }

  /** Sends all parts that have somewhere to go, one ask to each leaf. */
  #sendAll(): void {
    const nodes = new Map(this.#parts.topology.nodes().map((node) => [node.nodeId, node.workers]))
    const outgoing: Outgoing[] = []
    const waiting = this.#waiting
    this.#waiting = []
    for (const part of waiting) {
      const candidate = part.deal === undefined ? this.#candidateOf(part, nodes) : undefined
      const node = part.deal?.to ?? candidate?.node
      const workers = node === undefined ? undefined : nodes.get(node)
      if (node !== undefined && workers !== undefined) {
        addTo(outgoing, part, node, this.#parts.workerOf(part.shard, workers), candidate?.hot)
      } else if (part.deal === undefined) this.#waiting.push(part)
      else this.#dealAgain([part], `node ${part.deal.to} is gone`)
    }
    for (const ask of outgoing) void this.#ask(ask)
    // What was dealt again has somewhere to go by now.
    if (this.#waiting.some(({ deal }) => deal !== undefined)) this.#sendAll()
  }

  /** Who is asked for a hot part now; undefined when it has to wait. */
  #candidateOf(part: Part, nodes: ReadonlyMap<NodeId, number>): Candidate | undefined {
    const { shardMap, clock } = this.#parts
    const entry = shardMap.get(part.shard)
    if (entry === undefined) {
      part.reason = 'no node owns the shard'
      return undefined
    }
    const candidates = this.#candidatesFor(part.shard, entry, nodes)
    if (candidates.length === 0) {
      part.reason = `node ${entry.owner}, which owns the shard, does not answer`
      return undefined
    }
    if (entry.revision !== part.revision) {
      part.revision = entry.revision
      part.nextCandidate = 0
    } else if (part.nextCandidate >= candidates.length) {
      if (clock.monotonicMs() < part.notBeforeMs) return undefined
      part.nextCandidate = 0
    }
    return candidates[part.nextCandidate++]
  }

  /** The owner, then the standby, as far as they are there. */
  #candidatesFor(shard: ShardId, { owner, epoch }: KnownShard, nodes: ReadonlyMap<NodeId, number>): Candidate[] {
    const candidates: Candidate[] = []
    if (nodes.has(owner)) candidates.push({ node: owner, hot: { as: 'owner', epoch } })
    const standby = this.#parts.topology.standbyOf(shard)
    if (standby !== undefined && standby !== owner && nodes.has(standby)) {
      candidates.push({ node: standby, hot: { as: 'standby', epoch } })
    }
    return candidates
  }

  /** Somebody who has not refused the part yet may be asked for it. */
  #hasAnother({ shard, revision, nextCandidate }: Part): boolean {
    const entry = this.#parts.shardMap.get(shard)
    if (entry === undefined) return false
    const nodes = new Map(this.#parts.topology.nodes().map((node) => [node.nodeId, node.workers]))
    return entry.revision !== revision || nextCandidate < this.#candidatesFor(shard, entry, nodes).length
  }

  async #ask(outgoing: Outgoing): Promise<void> {
    const { node, worker, deal } = outgoing
    this.#underWay++
    try {
      const ask = { node, worker, deal, shares: [...outgoing.shares.values()] }
      this.#take(outgoing, await this.#options.send(ask, this.#stop.signal))
    } catch (error) {
      const { code, retryable, message } = asWeirError(error)
      if (RETRIED.has(code)) this.#again(outgoing.parts, message)
      else if (code === 'corrupt_data') this.#aroundDamage(outgoing.parts, message)
      else if (retryable) for (const { shard } of outgoing.parts) this.#missing.push({ shard, reason: message })
      else this.#fail(asWeirError(error))
    } finally {
      this.#underWay--
      this.#news.resolve()
    }
  }

  #take({ parts }: Outgoing, answer: A): void {
    this.#ok.push(answer)
    this.#bytes += answer.report.bytes
    if (this.#bytes > QUERY_MERGE_BYTES_MAX) {
      const limitBytes = QUERY_MERGE_BYTES_MAX
      const message = 'the parts of the answer are too large together; ask for less, or for fewer groups or fields'
      this.#fail(new WeirError('result_too_large', message, { limitBytes }))
      return
    }
    for (const { shard, part, reason, retry } of answer.report.missing) {
      const asked = parts.find((candidate) => candidate.shard === shard && candidate.part === part)
      const mayTry = retry === true || (retry === 'elsewhere' && asked !== undefined && this.#hasAnother(asked))
      if (mayTry && asked !== undefined) this.#again([asked], reason)
      else this.#missing.push({ shard, reason })
    }
  }

  /** Nothing of these parts of one ask has been answered. */
  #again(parts: readonly Part[], reason: string): void {
    const nowMs = this.#parts.clock.monotonicMs()
    for (const part of parts) {
      if (part.deal !== undefined) continue
      part.reason = reason
      part.notBeforeMs = nowMs + Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** part.failures++)
      this.#waiting.push(part)
    }
    this.#dealAgain(
      parts.filter(({ deal }) => deal !== undefined),
      reason,
    )
  }

  /** One of the parts cannot be read. A node's own copy may be damaged: others read the segments; the rest is asked for apart from them. */
  #aroundDamage(parts: readonly Part[], reason: string): void {
    const mayTry = (part: Part) => part.deal !== undefined || part.failures + 1 < DAMAGED_TRIES_MAX
    for (const part of parts) if (!mayTry(part)) this.#missing.push({ shard: part.shard, reason })
    this.#again(parts.filter(mayTry), reason)
  }

  /** Segments that a node was to answer and has not go to the others, but not to those that have failed them before. */
  #dealAgain(parts: readonly Part[], reason: string): void {
    for (const [deal, lost] of Map.groupBy(parts, (part) => part.deal!)) {
      const failed = new Set([deal.to, ...deal.after.map(({ to }) => to)])
      const others = takersOf(this.#parts.topology.nodes()).filter((nodeId) => !failed.has(nodeId))
      if (others.length === 0) for (const { shard } of lost) this.#missing.push({ shard, reason })
      for (const next of dealAgain(deal, others)) {
        for (const { shard, pin } of lost) this.#waiting.push({ ...newPart(shard, 'segments', pin, next), reason })
      }
    }
  }

  #giveUp(): void {
    for (const { shard, reason } of this.#waiting) this.#missing.push({ shard, reason })
    this.#waiting = []
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#stop.abort(error)
    this.#news.resolve()
  }

  /** Resolves when a leaf has answered, an owner or a node may have changed, or a part may be asked for again. */
  async #nextNews(): Promise<void> {
    const { clock, shardMap, topology } = this.#parts
    let wakeMs = Number.POSITIVE_INFINITY
    const nowMs = clock.monotonicMs()
    for (const { notBeforeMs } of this.#waiting) {
      wakeMs = Math.min(wakeMs, this.#endsMs, notBeforeMs > nowMs ? notBeforeMs : Number.POSITIVE_INFINITY)
    }
    const timer =
      wakeMs < Number.POSITIVE_INFINITY ? clock.after(wakeMs - nowMs, () => this.#news.resolve()) : undefined
    if (this.#waiting.length > 0 && this.#endListening === undefined) {
      const ends = [shardMap.onChange(() => this.#news.resolve()), topology.onChange(() => this.#news.resolve())]
      this.#endListening = () => {
        for (const end of ends) end()
      }
    }
    await this.#news.promise
    timer?.cancel()
    this.#news = Promise.withResolvers()
  }
}

/** Who may be given segments: those that run; while none does, whoever is there. */
function takersOf(nodes: readonly QueryNode[]): NodeId[] {
  const active = nodes.filter(({ isActive }) => isActive)
  return (active.length === 0 ? nodes : active).map(({ nodeId }) => nodeId)
}

function newPart(
  shard: ShardId,
  part: Part['part'],
  pin: PublishedPin | undefined,
  deal: SegmentDeal | undefined,
): Part {
  const untried = { reason: '', revision: 0, nextCandidate: 0, notBeforeMs: 0, failures: 0 }
  return { shard, part, pin, deal, ...untried }
}

/** Parts that go to one leaf go together, where they are of one deal. */
function addTo(outgoing: Outgoing[], part: Part, node: NodeId, worker: number, hot: HotShare | undefined): void {
  const { shard, pin, deal } = part
  let ask = outgoing.find(
    (other) =>
      other.node === node &&
      other.worker === worker &&
      (deal === undefined || other.deal === undefined || other.deal === deal),
  )
  if (ask === undefined) {
    ask = { node, worker, deal, shares: new Map(), parts: [] }
    outgoing.push(ask)
  }
  ask.deal ??= deal
  ask.parts.push(part)
  const share = ask.shares.get(shard)
  ask.shares.set(shard, {
    shard,
    ...(pin === undefined ? {} : { pin }),
    ...(share?.hot === undefined ? {} : { hot: share.hot }),
    ...(hot === undefined ? {} : { hot }),
    segments: share?.segments === true || deal !== undefined,
  })
}
