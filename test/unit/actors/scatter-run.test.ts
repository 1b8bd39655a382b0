import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LeafReport, MissingShare } from '../../../actors/messages/leaf.ts'
import type { QueryNode } from '../../../actors/query-topology.ts'
import type { Answers, LeafAsk } from '../../../actors/scatter-run.ts'
import { ScatterRun } from '../../../actors/scatter-run.ts'
import { segmentsDealt } from '../../../actors/segment-deal.ts'
import type { KnownShard } from '../../../actors/shard-map.ts'
import { WeirError } from '../../../base/errors.ts'
import type { DayNumber, NodeId, ShardId } from '../../../base/ids.ts'
import type { ManifestPage } from '../../../storage/manifest.ts'
import { MANIFEST_EMPTY } from '../../../storage/manifest.ts'
import type { SegmentMeta } from '../../../storage/segment.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

const [A, B, C] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId]
const S0 = 0 as ShardId
const PATIENCE_MS = 5000

interface Answer {
  readonly node: NodeId
  readonly ask: LeafAsk
  readonly report: LeafReport
}

type Behaviour = (ask: LeafAsk, signal: AbortSignal) => Promise<readonly MissingShare[]>

/** Nodes that answer as a test wants, and what they were asked. */
class Cluster {
  readonly clock = new SimulatedClock(1)
  nodes: readonly QueryNode[] = [A, B, C].map((nodeId) => ({ nodeId, workers: 1, isActive: true }))
  standby: NodeId | undefined = B
  readonly asks: LeafAsk[] = []
  readonly #entries = new Map<ShardId, KnownShard>()
  readonly #listeners = new Set<() => void>()
  readonly #behaviours = new Map<NodeId, Behaviour>()

  own(shard: ShardId, owner: NodeId, epoch: number): void {
    const revision = (this.#entries.get(shard)?.revision ?? 0) + 1
    const floor = { generation: 1, sequence: 10 }
    this.#entries.set(shard, { owner, epoch, floor, generation: 1, manifestObject: 'page', featureLevel: 1, revision })
    this.#tell()
  }

  leave(node: NodeId): void {
    this.nodes = this.nodes.filter(({ nodeId }) => nodeId !== node)
    this.#tell()
  }

  on(node: NodeId, behaviour: Behaviour): void {
    this.#behaviours.set(node, behaviour)
  }

  run(shards: readonly ShardId[], signal = new AbortController().signal): Promise<Answers<Answer>> {
    const listen = (listener: (shard: ShardId, entry: KnownShard | undefined) => void) => {
      const onNews = () => listener(S0, this.#entries.get(S0))
      this.#listeners.add(onNews)
      return () => this.#listeners.delete(onNews)
    }
    const run = new ScatterRun<Answer>(
      {
        topology: {
          self: A,
          nodes: () => this.nodes,
          leaf: () => assert.fail('leaves are asked by send'),
          standbyOf: () => this.standby,
          onChange: listen,
        },
        shardMap: { get: (shard) => this.#entries.get(shard), onChange: listen },
        workerOf: () => 0,
        clock: this.clock,
      },
      {
        shards,
        dealsSegments: true,
        patienceMs: PATIENCE_MS,
        signal,
        send: async (ask, stop) => {
          this.asks.push(ask)
          await this.clock.sleep(1)
          const missing = (await this.#behaviours.get(ask.node)?.(ask, stop)) ?? []
          const stats = { blocks: 0, blocksSkipped: 0, rowsScanned: 0, bytesRead: 0 }
          const tier = { blocks: 0, rows: 0 }
          return { node: ask.node, ask, report: { missing, stats, hot: tier, warm: tier, bytes: 1 } }
        },
      },
    )
    return this.clock.run(run.run())
  }

  /** Nobody listens any more. */
  get isQuiet(): boolean {
    return this.#listeners.size === 0
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

const gone: Behaviour = async () => {
  throw new WeirError('shard_unavailable', 'the node is gone')
}

const PAGE: ManifestPage = { ...MANIFEST_EMPTY, segments: Array.from({ length: 60 }, (_, i) => segment(`s${i}`)) }

function segment(key: string): SegmentMeta {
  return {
    key,
    day: 0 as DayNumber,
    retentionClass: 0,
    tenants: null,
    services: null,
    rowCount: 1,
    blockCount: 1,
    byteLength: 1,
    minMs: 0,
    maxMs: 0,
    generation: 1,
    firstSequence: 1,
    lastSequence: 1,
    mergeLevel: 0,
    createdMs: 0,
  }
}

/** Who answered the rows that are not published, in what capacity; what leaves said that they do not have is not theirs. */
function hotOf({ ok }: Answers<Answer>): string[] {
  return ok.flatMap(({ node, ask, report }) =>
    ask.shares
      .filter(({ shard }) => !report.missing.some((gap) => gap.shard === shard && gap.part === 'hot' && gap.retry))
      .flatMap(({ shard, hot }) => (hot === undefined ? [] : [`${shard} by ${node} as ${hot.as} of ${hot.epoch}`])),
  )
}

/** The segments of the page that were answered, each as often as it was. */
function segmentsOf({ ok }: Answers<Answer>): string[] {
  return ok.flatMap(({ ask: { deal, shares }, report }) => {
    const isAnswered =
      shares.some(({ segments }) => segments) && !report.missing.some(({ part }) => part === 'segments')
    return deal === undefined || !isAnswered ? [] : segmentsDealt(PAGE, deal).map(({ key }) => key)
  })
}

const ALL_SEGMENTS = PAGE.segments.map(({ key }) => key).sort()

describe('a question to the leaves of all nodes', () => {
  it('C5: has each row answered by one leaf: the owner what is not published, each node some segments', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    const answers = await cluster.run([S0])
    assert.deepEqual(answers.missing, [])
    assert.deepEqual(hotOf(answers), ['0 by a as owner of 3'])
    assert.deepEqual(segmentsOf(answers).sort(), ALL_SEGMENTS)
    assert.equal(cluster.asks.length, 3, 'one ask a leaf')
    assert.ok(cluster.isQuiet)
  })

  it('asks a node that starts or drains for what it owns, and gives it no segments', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    cluster.nodes = [A, B, C].map((nodeId) => ({ nodeId, workers: 1, isActive: nodeId !== A }))
    const answers = await cluster.run([S0])
    assert.deepEqual(hotOf(answers), ['0 by a as owner of 3'])
    assert.deepEqual(segmentsOf(answers).sort(), ALL_SEGMENTS)
    assert.deepEqual(cluster.asks.map(({ node, deal }) => [node, deal?.to]).sort(), [
      [A, undefined],
      [B, B],
      [C, C],
    ])
  })

  it('is answered by the standby where the owner does not, without waiting', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    cluster.on(A, gone)
    const answers = await cluster.run([S0])
    assert.deepEqual(answers.missing, [])
    assert.deepEqual(hotOf(answers), ['0 by b as standby of 3'])
    assert.deepEqual(segmentsOf(answers).sort(), ALL_SEGMENTS, 'segments of the lost node are dealt to the others')
    assert.ok(cluster.clock.monotonicMs() < 10, `${cluster.clock.monotonicMs()} ms`)
  })

  it('is answered by the standby where the owner cannot open the shard; where there is none, that is told at once', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    cluster.on(A, async ({ shares }) =>
      shares
        .filter(({ hot }) => hot)
        .map(({ shard }) => ({ shard, part: 'hot', reason: 'the bucket is away', retry: 'elsewhere' })),
    )
    const answers = await cluster.run([S0])
    assert.deepEqual(answers.missing, [])
    assert.deepEqual(hotOf(answers), ['0 by b as standby of 3'])
    cluster.standby = undefined
    const without = await cluster.run([S0])
    assert.deepEqual(without.missing, [{ shard: 0, reason: 'the bucket is away' }])
    assert.ok(cluster.clock.monotonicMs() < 100, `${cluster.clock.monotonicMs()} ms`)
  })

  it('is answered by the new owner as soon as there is one', async () => {
    const cluster = new Cluster()
    cluster.standby = undefined
    cluster.own(S0, A, 3)
    cluster.on(A, gone)
    cluster.clock.after(3000, () => cluster.own(S0, C, 4))
    const answers = await cluster.run([S0])
    assert.deepEqual(answers.missing, [])
    assert.deepEqual(hotOf(answers), ['0 by c as owner of 4'])
    assert.ok(cluster.clock.monotonicMs() < 3100, `${cluster.clock.monotonicMs()} ms`)
    assert.ok(cluster.isQuiet)
  })

  it('C3: goes to the owner that the registry names by then when one refuses', async () => {
    const cluster = new Cluster()
    cluster.standby = undefined
    cluster.own(S0, A, 3)
    cluster.on(A, async ({ shares }) => {
      cluster.own(S0, B, 4)
      return shares
        .filter(({ hot }) => hot)
        .map(({ shard }) => ({ shard, part: 'hot', reason: 'refused', retry: true }))
    })
    const answers = await cluster.run([S0])
    assert.deepEqual(answers.missing, [])
    assert.deepEqual(hotOf(answers), ['0 by b as owner of 4'])
    assert.deepEqual(segmentsOf(answers).sort(), ALL_SEGMENTS, 'what the first one answered of segments is kept')
  })

  it('goes on without a node that is found to be gone', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    // As the link does when the membership tells it that the node is gone.
    cluster.on(C, async () => {
      cluster.leave(C)
      throw new WeirError('shard_unavailable', 'node c is gone')
    })
    const answers = await cluster.run([S0])
    assert.deepEqual(answers.missing, [])
    assert.deepEqual(segmentsOf(answers).sort(), ALL_SEGMENTS)
  })

  it('names a shard that nobody answers, with the reason, when its patience is over', async () => {
    const cluster = new Cluster()
    cluster.standby = undefined
    const other = 1 as ShardId
    cluster.own(S0, A, 3)
    cluster.own(other, B, 1)
    cluster.on(A, gone)
    const answers = await cluster.run([S0, other, 2 as ShardId])
    assert.deepEqual(hotOf(answers), ['1 by b as owner of 1'])
    assert.deepEqual(
      answers.missing.toSorted((a, b) => a.shard - b.shard),
      [
        { shard: 0, reason: 'the node is gone' },
        { shard: 2, reason: 'no node owns the shard' },
      ],
    )
    assert.equal(cluster.clock.monotonicMs(), PATIENCE_MS)
    const toA = cluster.asks.filter(({ node }) => node === A).length
    assert.ok(toA > 5 && toA < 25, `the owner was asked ${toA} times`)
    assert.ok(cluster.isQuiet)
  })

  it('names segments that no node can read, once each has tried', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    const unread: Behaviour = async ({ shares }) =>
      shares
        .filter(({ segments }) => segments)
        .map(({ shard }) => ({ shard, part: 'segments', reason: 'the bucket does not answer', retry: true }))
    for (const node of [A, B, C]) cluster.on(node, unread)
    const answers = await cluster.run([S0])
    assert.deepEqual(hotOf(answers), ['0 by a as owner of 3'])
    assert.ok(answers.missing.length > 0)
    for (const gap of answers.missing) assert.deepEqual(gap, { shard: 0, reason: 'the bucket does not answer' })
    assert.ok(cluster.clock.monotonicMs() < 100)
  })

  it('has segments that one node finds damaged read by the others, and the rest asked for once more', async () => {
    const cluster = new Cluster()
    cluster.standby = undefined
    cluster.own(S0, A, 3)
    cluster.on(A, async ({ shares }) => {
      if (shares.some(({ segments }) => segments)) throw new WeirError('corrupt_data', 'a block fails its checksum')
      return []
    })
    const answers = await cluster.run([S0])
    assert.deepEqual(answers.missing, [])
    assert.deepEqual(hotOf(answers), ['0 by a as owner of 3'])
    assert.deepEqual(segmentsOf(answers).sort(), ALL_SEGMENTS)
  })

  it('names what is damaged wherever it is read, soon', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    for (const node of [A, B, C]) {
      cluster.on(node, async () => {
        throw new WeirError('corrupt_data', 'a block fails its checksum')
      })
    }
    const { ok, missing } = await cluster.run([S0])
    assert.deepEqual(ok, [])
    assert.deepEqual(new Set(missing.map(({ reason }) => reason)), new Set(['a block fails its checksum']))
    assert.ok(cluster.clock.monotonicMs() < 1000, `${cluster.clock.monotonicMs()} ms`)
  })

  it('fails as a whole where asking elsewhere would not help, and stops the leaves', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    let stopped = 0
    const slow: Behaviour = async (_, signal) => {
      await cluster.clock.sleep(1e6, signal).catch(() => stopped++)
      return []
    }
    cluster.on(B, slow)
    cluster.on(C, slow)
    cluster.on(A, async () => {
      throw new WeirError('result_too_large', 'too many groups')
    })
    await assert.rejects(cluster.run([S0]), { code: 'result_too_large' })
    await cluster.clock.advance(1)
    assert.equal(stopped, 2)
  })

  it('stops the leaves when nobody waits for the answer any more', async () => {
    const cluster = new Cluster()
    cluster.own(S0, A, 3)
    let stopped = 0
    for (const node of [A, B, C]) {
      cluster.on(node, async (_, signal) => {
        await cluster.clock.sleep(1e6, signal).catch(() => stopped++)
        return []
      })
    }
    const stop = new AbortController()
    cluster.clock.after(100, () => stop.abort())
    await assert.rejects(cluster.run([S0], stop.signal), { code: 'cancelled' })
    await cluster.clock.advance(1)
    assert.equal(stopped, 3)
    assert.ok(cluster.isQuiet)
  })
})
