import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ShardParts } from '../../actors/hosted-shard.ts'
import { HostedShard } from '../../actors/hosted-shard.ts'
import type { QueryLeafMessage } from '../../actors/messages/leaf.ts'
import type { SearchRequest } from '../../actors/messages/search.ts'
import type { ShardControllerMessage } from '../../actors/messages/shard.ts'
import { PublishTurns } from '../../actors/publish-turns.ts'
import { QueryCoordinator } from '../../actors/query-coordinator.ts'
import { QueryLeaf } from '../../actors/query-leaf.ts'
import { ResultCache } from '../../actors/result-cache.ts'
import type { ActorRef } from '../../actors/runtime/actor-ref.ts'
import { ActorSystem } from '../../actors/runtime/actor-system.ts'
import { ShardMap } from '../../actors/shard-map.ts'
import { systemClock } from '../../base/clock.ts'
import { shardOf } from '../../base/hash.ts'
import type { LaneId, NodeId, ShardId, TenantId } from '../../base/ids.ts'
import { AGGREGATE_GROUPS_MAX, PUBLISHED_AT_ONCE } from '../../base/limits.ts'
import { silentLogger } from '../../base/logger.ts'
import { Prng } from '../../base/prng.ts'
import type { Filter } from '../../query/ast.ts'
import { printFilter } from '../../query/print.ts'
import { ActivePlans } from '../../storage/active-plans.ts'
import { HeadBudget } from '../../storage/head-budget.ts'
import { ManifestCache } from '../../storage/manifest-cache.ts'
import type { RecordKey } from '../../storage/record-id.ts'
import { compareRecordKeys, encodeRecordId } from '../../storage/record-id.ts'
import { decodeSection, encodeSection } from '../../storage/section-codec.ts'
import { SegmentCache } from '../../storage/segment-reader.ts'
import type { ShardStore } from '../../storage/shard-store.ts'
import { columnSourceOf, type FlatRecord } from '../harness/column-source.ts'
import { MemoryObjectStore } from '../harness/memory-object-store.ts'
import { matches } from '../harness/oracle.ts'
import { type Row, randomPipes } from '../harness/random-pipes.ts'
import { randomFilter, randomRecord } from '../harness/random-query.ts'
import { recordText } from '../harness/record-text.ts'
import { shareNode } from '../harness/shared-node.ts'
import { SimulatedKeyValueEngine } from '../harness/simulated-kv.ts'
import { SimulatedRegistry } from '../harness/simulated-registry.ts'
import type { Found } from '../harness/weir-client.ts'

const WORLDS = 5
const FRAMES = 20
const QUERIES_PER_FRAME = 100
const QUERIES_AT_ONCE = 10
const SHARDS = 4
const WORKERS = 2
const TENANT = 'acme' as TenantId
/** Hot services: over so many slots their rows are dealt; 4 slots may be fewer shards. */
const SLOTS: ReadonlyMap<string, number> = new Map([
  ['checkout', 2],
  ['web-1', 4],
])
const OTHER_TENANT = 'other' as TenantId
/** Two days meet here; both are within retention. */
const MIDNIGHT_MS = Math.floor(Date.now() / 86_400_000) * 86_400_000 - 86_400_000

interface Known {
  readonly key: RecordKey
  readonly id: string
  readonly record: FlatRecord
}

/** Shards on two leaves, filled frame by frame; the real parts but for the ports below them. */
class World {
  readonly known: Known[] = []
  search!: QueryCoordinator
  readonly #random: Prng
  readonly #system: ActorSystem
  readonly #stores: ShardStore[] = []
  readonly #hosted = Array.from({ length: WORKERS }, () => new Map<ShardId, HostedShard>())
  #shardMap: ShardMap | undefined
  #sequence = 0
  #isTidying = true
  segmentsMade = 0
  merges = 0

  constructor(random: Prng) {
    this.#random = random
    this.#system = new ActorSystem({
      name: 'oracle',
      clock: systemClock,
      logger: silentLogger,
      onEscalate: ({ error }) => {
        throw error
      },
    })
    const cache = new SegmentCache(this.#objects)
    const plans = new ActivePlans()
    this.#plans = plans
    this.#cache = cache
    this.#system.spawn<ShardControllerMessage>('controller', () => ({ handle: () => undefined }), { mailboxMax: 1000 })
    this.#leaves = this.#hosted.map((shards, worker) =>
      this.#system.spawn<QueryLeafMessage>(
        `leaf-${worker}`,
        () =>
          new QueryLeaf({
            shards,
            cache,
            pages: new ManifestCache(this.#objects),
            results: new ResultCache(),
            clock: systemClock,
            behindMs: () => 0,
            registrySilentMs: () => 0,
            concurrencyMax: 4,
            plans,
          }),
        { mailboxMax: 1000 },
      ),
    )
  }

  readonly #objects = new MemoryObjectStore()
  readonly #cache: SegmentCache
  readonly #plans: ActivePlans
  readonly #leaves: readonly ActorRef<QueryLeafMessage>[]

  async open(): Promise<void> {
    const registry = new SimulatedRegistry().connect()
    const engine = new SimulatedKeyValueEngine(this.#random.below(1e9))
    const objects = this.#objects
    const budget = new HeadBudget(64 * 1024 * 1024)
    const clock = systemClock
    const self = 'n1' as NodeId
    const shardMap = await ShardMap.open({ registry, shardCount: SHARDS, clock, logger: silentLogger })
    this.#shardMap = shardMap
    this.search = new QueryCoordinator({
      topology: {
        self,
        nodes: () => [{ nodeId: self, workers: WORKERS, isActive: true }],
        leaf: (_, worker) => this.#leaves[worker]!,
        standbyOf: () => undefined,
        onChange: () => () => undefined,
      },
      shardMap,
      workerOf: (shard) => shard % WORKERS,
      shardCount: SHARDS,
      slotsOf: (_, service) => SLOTS.get(service) ?? 1,
      clock,
      groupsMax: AGGREGATE_GROUPS_MAX,
    })
    const parts: ShardParts = {
      system: this.#system,
      nodeId: self,
      directory: 'shards',
      engine,
      registry,
      objects,
      clock,
      logger: silentLogger,
      budget,
      cutLargestOfWorker: () => undefined,
      plans: this.#plans,
      publishTurns: new PublishTurns(PUBLISHED_AT_ONCE),
      controller: this.#system.ref<ShardControllerMessage>('controller'),
      retentionDays: 30,
      cutZstdLevel: 1,
      mergeZstdLevel: 1,
      hooks: {
        onPublished: ({ segments }) => {
          this.segmentsMade += segments
        },
        onMerged: () => {
          this.merges++
        },
        onDeleted: (key) => this.#cache.forget(key),
      },
    }
    for (let shard = 0 as ShardId; shard < SHARDS; shard++) {
      const hosted = await HostedShard.open(parts, shard, { lane: 0 as LaneId, generation: 1, lastSequence: 0 })
      await hosted.claim(1)
      this.#stores.push(hosted.store)
      this.#hosted[shard % WORKERS]!.set(shard, hosted)
    }
  }

  /** One frame of records of both tenants, for every shard. */
  async addFrame(): Promise<void> {
    const random = this.#random
    const position = { generation: 1, sequence: ++this.#sequence }
    const sections = new Map<number, { tenant: TenantId; records: FlatRecord[] }[]>()
    for (let i = 6 + random.below(18); i > 0; i--) {
      const tenant = random.chance(0.85) ? TENANT : OTHER_TENANT
      const record = randomRecord(random, MIDNIGHT_MS + random.below(4000) - 2000, random.pick([0, 0, 1, 999_999]))
      const service = record.fields.get('service')!.text
      const shard = shardOf(tenant, service, random.below(SLOTS.get(service) ?? 1), SHARDS)
      const own = sections.get(shard) ?? []
      sections.set(shard, own)
      const section = own.find((candidate) => candidate.tenant === tenant)
      if (section === undefined) own.push({ tenant, records: [record] })
      else section.records.push(record)
    }
    const nowMs = systemClock.nowMs()
    for (const [shard, own] of sections) {
      let rowBase = 0
      const rows = own.map(({ tenant, records }) => {
        const kind = random.pick(['dictionary', 'bytes', 'integer'] as const)
        const bytes = encodeSection(
          columnSourceOf(records, () => kind),
          { tenant, receivedMs: nowMs, keyed: [] },
          { compression: 'none' },
        )
        const section = { ...decodeSection(bytes), rowBase }
        if (tenant === TENANT) {
          records.forEach((record, row) => {
            const { timeMs, timeNs } = record
            const key = { timeMs, timeNs, shard: shard as ShardId, ...position, row: section.rowBase + row }
            this.known.push({ key, id: encodeRecordId(key), record })
          })
        }
        rowBase += records.length
        return section
      })
      await this.#stores[shard]!.applyFrame(position, nowMs, rows)
    }
    this.known.sort((a, b) => compareRecordKeys(a.key, b.key))
  }

  /** Cuts, publishes and merges, one after the other, until told to stop. */
  async tidy(): Promise<void> {
    this.#isTidying = true
    const random = this.#random.fork(this.#sequence)
    while (this.#isTidying) {
      const shard = random.below(SHARDS)
      const { publisher, store } = this.#hosted[shard % WORKERS]!.get(shard as ShardId)!
      const draw = random.below(4)
      if (draw < 2) await store.cut('all')
      else if (draw === 2)
        await publisher!.ask({ kind: 'publish', everything: random.chance(0.5) }, { deadlineMs: 30_000 })
      else await publisher!.ask({ kind: 'tidyUp' }, { deadlineMs: 30_000 })
      await systemClock.yieldTurn()
    }
  }

  stopTidying(): void {
    this.#isTidying = false
  }

  async close(): Promise<void> {
    await this.#system.stop(5000)
    this.#shardMap?.close()
    for (const store of this.#stores) await store.close()
  }
}

const BASE = { tenant: TENANT, timeoutMs: 60_000, total: 'exact' as const }
const never = new AbortController().signal

function canonical(rows: readonly Row[]): string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort()
}

async function check(world: World, random: Prng): Promise<number> {
  const filter = randomFilter(random, MIDNIGHT_MS)
  const order = random.chance(0.5) ? ('asc' as const) : ('desc' as const)
  const fromMs = MIDNIGHT_MS - (random.chance(0.6) ? 5000 : random.below(2000))
  const toMs = Math.max(fromMs, MIDNIGHT_MS + (random.chance(0.6) ? 5000 : random.below(4000) - 2000))
  // Now and then a range that begins or ends within a millisecond.
  const half = random.chance(0.1) ? 0.5 : 0
  const range = { fromMs: fromMs + half, toMs: toMs + half }
  const isWithin = ({ timeMs, timeNs }: RecordKey) =>
    (timeMs > fromMs || (timeMs === fromMs && timeNs >= half * 1e6)) &&
    (timeMs < toMs || (timeMs === toMs && timeNs < half * 1e6))
  const hits = world.known.filter(({ key, record }) => isWithin(key) && matches(filter, record))
  if (order === 'desc') hits.reverse()
  const text = printFilter(filter)
  const base: SearchRequest = { ...BASE, query: text, range, order, limit: 10_000, page: 1 }
  const what = `${text}   ${JSON.stringify({ ...range, order })}`
  if (random.chance(0.15)) {
    const pipes = randomPipes(random)
    const answer = await world.search.search({ ...base, query: `${text} ${pipes.text}` }, never)
    const records = hits.map(({ record }) => record)
    if (pipes.isTable) {
      assert.ok(answer.kind === 'table')
      assert.deepEqual(canonical(answer.rows as Row[]), canonical(pipes.table(records)), `${what} ${pipes.text}`)
    } else {
      assert.ok(answer.kind === 'rows')
      const wanted = pipes.rows(records)
      const idOf = new Map(hits.map(({ record, id }) => [record, id]))
      assert.deepEqual(
        idsOf(answer.logs),
        wanted.map((record) => idOf.get(record)),
        `${what} ${pipes.text}`,
      )
      assert.equal(answer.total, wanted.length, `total of ${what} ${pipes.text}`)
    }
    return hits.length
  }
  const wanted = hits.map(({ id }) => id)
  const limit = random.pick([1, 3, 10, 50, 10_000])
  const got: string[] = []
  let cursor: string | undefined
  // Up to four pages by cursor; all of them where that is all.
  for (let page = 0; page < 4; page++) {
    const answer = await world.search.search({ ...base, limit, ...(cursor === undefined ? {} : { cursor }) }, never)
    assert.ok(answer.kind === 'rows')
    assert.equal(answer.coverage.complete, true, JSON.stringify(answer.coverage.missing))
    assert.deepEqual([answer.total, answer.totalRelation], [wanted.length, 'eq'], `total of ${what}`)
    got.push(...idsOf(answer.logs))
    assert.equal(answer.nextCursor === null, got.length >= wanted.length, `the cursor after ${got.length} of ${what}`)
    if (answer.nextCursor === null) break
    cursor = answer.nextCursor
  }
  assert.deepEqual(got, wanted.slice(0, got.length), what)
  return hits.length
}

function idsOf(logs: readonly string[]): string[] {
  return logs.map((log) => (JSON.parse(log) as { id: string }).id)
}

for (let number = 0; number < WORLDS; number++) {
  test(`queries equal brute force while cuts, publishes and merges go on, world ${number}`, async () => {
    const random = new Prng(`oracle/${number}`)
    const world = new World(random.fork('world'))
    await world.open()
    const queries = random.fork('queries')
    let asked = 0
    let withHits = 0
    for (let frame = 0; frame < FRAMES; frame++) {
      await world.addFrame()
      const tidying = world.tidy()
      try {
        for (let i = 0; i < QUERIES_PER_FRAME; i += QUERIES_AT_ONCE) {
          const hits = await Promise.all(Array.from({ length: QUERIES_AT_ONCE }, () => check(world, queries)))
          asked += hits.length
          withHits += hits.filter((count) => count > 0).length
        }
      } finally {
        world.stopTidying()
        await tidying
      }
    }
    await world.close()
    assert.equal(asked, FRAMES * QUERIES_PER_FRAME)
    assert.ok(withHits > asked / 2, `${withHits} of ${asked} queries found something`)
    assert.ok(world.segmentsMade > 20, `${world.segmentsMade} segments were made`)
    assert.ok(world.merges > 0, 'segments were merged')
  })
}

const shared = await shareNode({ shards: 8 })

test('queries over HTTP equal brute force over the records that were posted', async () => {
  const client = shared.tenant()
  const random = new Prng('oracle/http')
  const aroundMs = Math.floor(Date.now() / 1000) * 1000 - 60_000
  const records = Array.from({ length: 800 }, (_, uid) => {
    const record = randomRecord(random, aroundMs + random.below(4000) - 2000, random.pick([0, 1, 999_999]))
    return {
      uid,
      record: { ...record, fields: new Map([...record.fields, ['uid', { type: 2 as const, text: String(uid) }]]) },
    }
  })
  const answer = await client.ingestText(records.map(({ record }) => recordText(record)).join('\n'))
  assert.deepEqual(answer.json(), { accepted: records.length, rejected: 0, errors: [] })
  await client.found(records.length)
  for (let i = 0; i < 200; i++) {
    const filter: Filter = randomFilter(random, aroundMs)
    const query = printFilter(filter)
    const hits = records.filter(({ record }) => matches(filter, record))
    const order = random.chance(0.5) ? 'asc' : 'desc'
    const found = await client.search({ query, from: aroundMs - 10_000, order, limit: 1000 })
    assert.equal(found.total, hits.length, query)
    const uids: number[] = found.logs.map(({ uid }: Found) => uid)
    assert.deepEqual(
      uids.toSorted((a, b) => a - b),
      hits.map(({ uid }) => uid),
      query,
    )
    const ids: string[] = found.logs.map(({ id }: Found) => id)
    assert.deepEqual(ids, order === 'asc' ? ids.toSorted() : ids.toSorted().reverse(), 'ids sort as records do')
    const times = found.logs
      .map(({ uid }: Found) => records[uid]!.record)
      .map(({ timeMs, timeNs }: FlatRecord) => timeMs * 1e6 + timeNs)
    assert.deepEqual(
      times,
      times.toSorted((a: number, b: number) => (order === 'asc' ? a - b : b - a)),
    )
  }
})
