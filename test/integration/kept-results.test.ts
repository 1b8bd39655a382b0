import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AggregateRequest, QueryAnswer, SearchRequest } from '../../actors/messages/search.ts'
import { present } from '../../base/assert.ts'
import type { NodeId, TenantId } from '../../base/ids.ts'
import { ClusterWorld, OTHER_TENANT, TENANT } from '../harness/cluster-world.ts'
import { flatRecord } from '../harness/column-source.ts'
import { naiveFields, naiveHistogram, naiveSums, naiveValues } from '../harness/naive-answers.ts'
import { matches } from '../harness/oracle.ts'
import { recordText } from '../harness/record-text.ts'
import { type ClusterOptions, type Member, SimulatedCluster } from '../harness/simulated-cluster.ts'

const NEVER = new AbortController().signal
const TIMEOUT_MS = 20_000
const WORLDS = 2
const ROUNDS = 10

/** One node with one shard, whose segments are made when the test says so. */
class Single {
  readonly cluster: SimulatedCluster
  member!: Member
  #rows = 0

  constructor(options: Partial<ClusterOptions>) {
    this.cluster = new SimulatedCluster({ seed: 1, shardCount: 1, standbyCount: 0, ...options })
  }

  static async start(options: Partial<ClusterOptions> = {}): Promise<Single> {
    const single = new Single(options)
    single.member = await single.run(single.cluster.start('a' as NodeId))
    return single
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.cluster.machine.clock.run(work)
  }

  get startMs(): number {
    return this.cluster.machine.options.startMs
  }

  /** Records of a service, one at each of these times, ms after the start; they can be found when it resolves. */
  async send(service: string, atMs: readonly number[], tenant = TENANT): Promise<void> {
    const records = atMs.map((ms) => flatRecord(this.startMs + ms, { service, level: 'INFO', n: ++this.#rows }))
    await this.run(
      this.member.node.ingest({
        tenant,
        protocol: 'http',
        format: 'ndjson',
        body: Buffer.from(records.map(recordText).join('\n')),
        receivedMs: this.cluster.machine.clock.nowMs(),
      }),
    )
    await this.run(this.cluster.machine.clock.sleep(1000))
  }

  async publish(kind: 'publish' | 'tidyUp' = 'publish'): Promise<void> {
    const publisher = present(this.shard.publisher, 'the publisher of an owner')
    const limits = { deadlineMs: 5000 }
    if (kind === 'tidyUp') await this.run(publisher.ask({ kind }, limits))
    else await this.run(publisher.ask({ kind, everything: true }, limits))
  }

  get shard() {
    return present([...this.member.node.shards.values()][0], 'the shard')
  }

  /** Counts by service, with what it took to count: hits and misses of kept results, and rows looked at. */
  async counts(changes: Partial<AggregateRequest> = {}) {
    const { results, search } = this.member
    const before = { ...results }
    const range = { fromMs: 0, toMs: this.startMs + 1e6 }
    const base = { tenant: TENANT, query: '*', range, timeoutMs: TIMEOUT_MS, groupBy: ['service'], metric: 'count' }
    const answer = await this.run(search.aggregate({ ...base, ...changes }, NEVER))
    return {
      counts: Object.fromEntries(answer.rows.map(({ service, count }) => [service, count])),
      hits: results.hits - before.hits,
      misses: results.misses - before.misses,
      rowsScanned: answer.stats.rowsScanned,
      coverage: answer.coverage,
    }
  }
}

describe('Q3: a question that is asked again', () => {
  it('is answered from what is kept of published segments, and says the same of what it covers', async () => {
    const single = await Single.start()
    await single.send('web', [1, 2, 3])
    await single.publish()
    const first = await single.counts()
    const again = await single.counts()
    assert.deepEqual(first.counts, { web: 3 })
    assert.deepEqual([first.hits, first.misses, first.rowsScanned], [0, 1, 3])
    assert.deepEqual(again, { ...first, hits: 1, misses: 0, rowsScanned: 0 })
    assert.deepEqual(again.coverage.tiers.warm, { blocks: 1, rows: 3 })
  })

  it('finds records that came late, at every step of their way into a segment', async () => {
    const single = await Single.start()
    await single.send('web', [1, 2, 3])
    await single.publish()
    await single.counts()
    // Earlier than all that is published.
    await single.send('web', [0])
    assert.deepEqual((await single.counts()).counts, { web: 4 })
    await single.run(single.shard.store.cut('all'))
    assert.deepEqual((await single.counts()).counts, { web: 4 })
    await single.publish()
    const published = await single.counts()
    assert.deepEqual([published.counts, published.hits, published.misses], [{ web: 4 }, 1, 1])
    const again = await single.counts()
    assert.deepEqual([again.counts, again.hits, again.rowsScanned], [{ web: 4 }, 2, 0])
  })

  it('is answered anew for segments that were merged', async () => {
    const single = await Single.start()
    for (let i = 0; i < 8; i++) {
      await single.send(`s${i % 2}`, [i])
      await single.publish()
    }
    assert.equal((await single.counts()).misses, 8)
    await single.publish('tidyUp')
    const merged = await single.counts()
    assert.deepEqual([merged.counts, merged.hits, merged.misses], [{ s0: 4, s1: 4 }, 0, 1])
    assert.equal((await single.counts()).hits, 1)
  })

  it('never gives one tenant what another one has in the same segment', async () => {
    const single = await Single.start()
    await single.send('web', [1, 2, 3])
    await single.send('web', [1, 2], OTHER_TENANT)
    await single.publish()
    const tenants: [TenantId, object][] = [
      [TENANT, { web: 3 }],
      [OTHER_TENANT, { web: 2 }],
      ['nobody' as TenantId, {}],
    ]
    for (const round of [1, 2]) {
      for (const [tenant, counts] of tenants) {
        const answer = await single.counts({ tenant })
        assert.deepEqual(answer.counts, counts, `${tenant} in round ${round}`)
      }
    }
  })

  it('counts of a segment that its range cuts through what lies in the range', async () => {
    const single = await Single.start()
    await single.send('web', [1000, 2000, 3000])
    await single.publish()
    const within = (fromMs: number, toMs: number) =>
      single.counts({ range: { fromMs: single.startMs + fromMs, toMs: single.startMs + toMs } })
    await single.counts()
    for (const round of [1, 2]) {
      assert.deepEqual((await within(1001, 5000)).counts, { web: 2 }, `round ${round}`)
      assert.deepEqual((await within(0, 3000)).counts, { web: 2 })
      assert.deepEqual((await within(2000, 2001)).counts, { web: 1 })
    }
    // It moves on, and the segment still lies in it.
    for (let ms = 0; ms <= 1000; ms += 100) {
      const answer = await within(ms, 5000 + ms)
      assert.deepEqual([answer.counts, answer.hits, answer.misses], [{ web: 3 }, 1, 0])
    }
  })

  it('is answered in full where nothing is kept, and where hardly anything can be', async () => {
    for (const resultBytesMax of [0, 1000, 8000]) {
      const single = await Single.start({ resultBytesMax })
      for (let i = 0; i < 6; i++) {
        await single.send(`s${i}`, [i])
        await single.publish()
      }
      for (let round = 0; round < 3; round++) {
        const { counts } = await single.counts()
        assert.deepEqual(counts, { s0: 1, s1: 1, s2: 1, s3: 1, s4: 1, s5: 1 })
      }
    }
  })

  it('keeps nothing of a segment that there was no time to look at', async () => {
    const single = await Single.start({ answerMsMax: 70 })
    for (let i = 0; i < 12; i++) {
      await single.send('web', [i])
      await single.publish()
    }
    const hurried = await single.counts({ timeoutMs: 1 })
    assert.equal(hurried.coverage.complete, false)
    const counted = Number(hurried.counts.web)
    assert.ok(counted > 0 && counted < 12, `${counted} were counted in time`)
    const whole = await single.counts()
    assert.deepEqual([whole.counts, whole.coverage.complete, whole.hits], [{ web: 12 }, true, counted])
  })

  it('has nothing of a shard that it says is missing, though some of its segments are known', async () => {
    const single = await Single.start()
    await single.send('web', [1, 2, 3])
    await single.publish()
    await single.counts()
    await single.send('web', [4])
    await single.publish()
    const [, lost] = single.shard.store.published.segments
    await single.run(single.cluster.machine.objects.delete(lost!.key))
    const partial = await single.counts()
    assert.deepEqual([partial.counts, partial.coverage.complete, partial.hits], [{}, false, 1])
  })
})

/** What two tenants look at again and again while shards move, nodes die and records come late. */
class Dashboards {
  readonly #world: ClusterWorld
  complete = 0

  constructor(world: ClusterWorld) {
    this.#world = world
  }

  async look(tenant: TenantId): Promise<void> {
    const { midnightMs, sent, sentByOther } = this.#world
    const filter = { kind: 'field', field: 'level', match: { kind: 'equal', text: 'ERROR', number: null } } as const
    const all = (tenant === TENANT ? sent : sentByOther).map(({ record }) => record)
    const errors = all.filter((record) => matches(filter, record))
    const { node, search } = this.#world.anyMember()
    // It ends with the present, which moves on.
    const range = {
      fromMs: midnightMs - 10_000,
      toMs: midnightMs + 10_000 + Math.floor(this.#world.clock.monotonicMs()),
    }
    const base = { tenant, range, timeoutMs: TIMEOUT_MS }
    const table = async (query: string) => {
      const request: SearchRequest = { ...base, query, order: 'desc', limit: 10, page: 1, total: 'none' }
      const answer = await search.search(request, NEVER)
      assert.ok(answer.kind === 'table')
      return answer
    }
    const check = async <A extends QueryAnswer>(asked: Promise<A>, exactly: (answer: A) => void) => {
      const answer = await Promise.race([asked, node.life.ended])
      if (typeof answer !== 'object' || !answer.coverage.complete) return
      this.complete++
      exactly(answer)
    }
    await Promise.all([
      check(search.histogram({ ...base, query: '*', groupBy: 'level', intervalMs: 1000 }, NEVER), ({ buckets }) => {
        const wanted = naiveHistogram(all, 'level', 1000)
        for (const { startMs, count, by } of buckets) {
          assert.deepEqual({ count, by }, wanted.get(startMs) ?? { count: 0, by: {} }, `bucket ${startMs} of ${tenant}`)
        }
      }),
      check(search.fieldValues({ ...base, query: 'level:ERROR' }, 'service', 100, NEVER), ({ values }) =>
        assert.deepEqual(values, naiveValues(errors, 'service'), `services of ${tenant}`),
      ),
      check(search.fields({ ...base, query: '*' }, NEVER), ({ fields }) => {
        const got = new Map(fields.map(({ name, count, cardinality }) => [name, { count, cardinality }]))
        for (const { name, ...counted } of naiveFields(all))
          assert.deepEqual(got.get(name), counted, `${name} of ${tenant}`)
      }),
      check(table('* | stats sum(n) as sum, max(n) as max by host'), ({ rows }) => {
        const sums = naiveSums(all, 'host', 'n')
        assert.deepEqual(
          new Map(rows.map(({ host, sum }) => [host, sum])),
          sortedLike(
            rows.map(({ host }) => host),
            sums,
          ),
        )
      }),
      check(table('level:ERROR | where n >= 10 | stats count() by service'), ({ rows }) => {
        const counted = errors.filter(({ fields }) => Number(fields.get('n')?.text ?? -1) >= 10)
        const got = new Map(rows.map(({ service, count }) => [service, count]))
        for (const { value, count } of naiveValues(counted, 'service'))
          assert.equal(got.get(value), count, `${value} of ${tenant}`)
      }),
    ])
  }
}

function sortedLike<K, V>(order: readonly unknown[], map: ReadonlyMap<K, V>): Map<unknown, V> {
  assert.deepEqual(new Set(order), new Set(map.keys()))
  return new Map(order.map((key) => [key, map.get(key as K)!]))
}

describe('Q3: dashboards on three nodes', () => {
  for (let number = 0; number < WORLDS; number++) {
    it(`are exact while shards move, nodes die and segments are made and merged, world ${number}`, async () => {
      const world = new ClusterWorld(1000 + number)
      const dashboards = new Dashboards(world)
      const { clock } = world
      const hits = () => [...world.cluster.members.values()].reduce((sum, { results }) => sum + results.hits, 0)
      let most = 0
      const round = async () => {
        await world.send()
        const stirring = async () => {
          for (let i = 0; i < 6; i++) await world.stir(true)
        }
        const looking = async () => {
          for (let i = 0; i < 3; i++) {
            await Promise.all([dashboards.look(TENANT), dashboards.look(OTHER_TENANT)])
            most = Math.max(most, hits())
            await clock.sleep(1000)
          }
        }
        await Promise.all([stirring(), looking()])
      }
      await clock.run(world.open())
      for (let i = 0; i < ROUNDS; i++) await clock.run(round())
      assert.ok(most > 50, `${most} hits`)
      assert.ok(dashboards.complete > ROUNDS * 20, `${dashboards.complete} complete answers`)
      for (const { node } of world.cluster.members.values()) assert.equal(node.fatal, undefined)
    })
  }
})
