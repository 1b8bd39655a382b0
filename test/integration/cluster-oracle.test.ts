import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Coverage, QueryBase, RowsAnswer, SearchRequest } from '../../actors/messages/search.ts'
import { asWeirError } from '../../base/errors.ts'
import type { Prng } from '../../base/prng.ts'
import { printFilter } from '../../query/print.ts'
import { ClusterWorld, type Known, TENANT } from '../harness/cluster-world.ts'
import type { FlatRecord } from '../harness/column-source.ts'
import { compareTimes, naiveFields, naiveHistogram, naiveSums, naiveValues, textOf } from '../harness/naive-answers.ts'
import { matches } from '../harness/oracle.ts'
import { type Row, randomPipes } from '../harness/random-pipes.ts'
import { randomFilter } from '../harness/random-query.ts'
import type { Member } from '../harness/simulated-cluster.ts'
import { TailFollower } from '../harness/tail-follower.ts'

const WORLDS = 3
const ROUNDS = 12
const QUERIES_PER_ROUND = 24
const QUERIES_AT_ONCE = 4
const TIMEOUT_MS = 20_000
const NEVER = new AbortController().signal

interface Shown {
  readonly id: string
  readonly uid: number
}

/** Asks all there is to ask and holds the answers against brute force: they are exact, or name each shard that is not in them in full. */
class Asker {
  readonly world: ClusterWorld
  readonly #random: Prng
  /** Of records that were found. */
  readonly #ids = new Map<number, string>()
  complete = 0
  partial = 0
  cancelled = 0

  constructor(world: ClusterWorld, random: Prng) {
    this.world = world
    this.#random = random
  }

  /** One question through some node. */
  ask(): Promise<void> {
    const question = new Question(this, this.#random)
    return this.#random.pick([
      () => question.pages(),
      () => question.pages(),
      () => question.everything(),
      () => question.histogram(),
      () => question.aggregate(),
      () => question.fieldValues(),
      () => question.patterns(),
      () => question.fields(),
      () => question.pipes(),
      () => question.record(this.#ids),
      () => question.trace(),
      () => question.explain(),
      () => question.hurried(),
      () => question.cancelled(),
    ])()
  }

  /** Every node finds everything. */
  async findAll(): Promise<void> {
    const { midnightMs, sent, cluster } = this.world
    for (const { search } of cluster.members.values()) {
      const range = { fromMs: midnightMs - 10_000, toMs: midnightMs + 10_000 }
      const request = { tenant: TENANT, query: '*', range, timeoutMs: TIMEOUT_MS }
      const answer = await search.search({ ...request, order: 'asc', limit: 10_000, page: 1, total: 'exact' }, NEVER)
      assert.deepEqual(answer.coverage.missing, [])
      assert.ok(answer.kind === 'rows')
      assert.equal(answer.total, sent.length)
      assert.equal(this.shown(answer.logs).length, sent.length)
      assert.equal((await this.deadLetters(search)).length, this.world.refused)
    }
  }

  /** Page after page; of a complete list. */
  async deadLetters(search: Member['search']): Promise<string[]> {
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const range = { fromMs: 0, toMs: this.world.midnightMs + 1e9 }
      const request = { tenant: TENANT, range, limit: 3, timeoutMs: TIMEOUT_MS }
      const answer = await search.deadLetters({ ...request, ...(cursor === undefined ? {} : { cursor }) }, NEVER)
      assert.deepEqual(answer.coverage.missing, [])
      ids.push(...answer.deadLetters.map(({ id }) => id))
      cursor = answer.nextCursor ?? undefined
    } while (cursor !== undefined)
    assert.equal(new Set(ids).size, ids.length)
    return ids
  }

  /** What rows say of themselves; a record keeps its id for ever. */
  shown(logs: readonly string[]): Shown[] {
    return logs.map((log) => {
      const { id, uid } = JSON.parse(log) as Shown
      assert.equal(this.#ids.get(uid) ?? id, id, `the id of ${uid}`)
      this.#ids.set(uid, id)
      return { id, uid }
    })
  }

  idsOf(hits: readonly Known[]): string[] | undefined {
    const ids = hits.map(({ uid }) => this.#ids.get(uid))
    return ids.every((id) => id !== undefined) ? ids : undefined
  }

  isComplete({ complete, missing, shards, answered }: Coverage): boolean {
    assert.equal(complete, missing.length === 0)
    assert.equal(answered, shards - new Set(missing.map(({ shard }) => shard)).size)
    for (const { reason } of missing) assert.ok(reason.length > 10, `a reason: ${reason}`)
    if (complete) this.complete++
    else this.partial++
    return complete
  }
}

/** A question being asked: what must be in its answer, and what may be. */
class Question {
  readonly #asker: Asker
  readonly #random: Prng
  readonly #member: Member
  readonly #filter
  readonly #range
  readonly #order
  readonly #base: QueryBase
  readonly #what: string
  readonly #must: readonly Known[]

  constructor(asker: Asker, random: Prng) {
    const { midnightMs, sent, readCount } = asker.world
    this.#asker = asker
    this.#random = random
    this.#member = asker.world.anyMember(random)
    this.#filter = random.chance(0.2) ? ({ kind: 'all' } as const) : randomFilter(random, midnightMs)
    this.#order = random.chance(0.5) ? ('asc' as const) : ('desc' as const)
    const fromMs = midnightMs - (random.chance(0.6) ? 5000 : random.below(2000))
    const toMs = Math.max(fromMs, midnightMs + (random.chance(0.6) ? 5000 : random.below(4000) - 2000))
    this.#range = { fromMs, toMs }
    const query = printFilter(this.#filter)
    this.#base = { tenant: TENANT, query, range: this.#range, timeoutMs: TIMEOUT_MS }
    this.#what = `${query} ${JSON.stringify({ ...this.#range, order: this.#order })}`
    this.#must = this.#hitsOf(sent.slice(0, readCount))
  }

  /** What an answer may hold at this moment. */
  #may(): readonly Known[] {
    return this.#hitsOf(this.#asker.world.sent)
  }

  #hitsOf(known: readonly Known[]): readonly Known[] {
    const { fromMs, toMs } = this.#range
    const isWithin = ({ timeMs }: FlatRecord) => timeMs >= fromMs && timeMs < toMs
    return known.filter(({ record }) => isWithin(record) && matches(this.#filter, record))
  }

  /** Undefined when nothing came meanwhile that may or may not be in the answer; else it is between the two. */
  #exactly(coverage: Coverage): readonly FlatRecord[] | undefined {
    if (!this.#asker.isComplete(coverage)) return undefined
    const may = this.#may()
    return may.length === this.#must.length ? may.map(({ record }) => record) : undefined
  }

  /** Of an answer that was counted. */
  #checkCount(count: number, { missing }: Coverage): void {
    const gone = new Set(missing.map(({ shard }) => shard))
    const least = this.#must.filter(({ shards }) => !shards.some((shard) => gone.has(shard))).length
    assert.ok(
      count >= least && count <= this.#may().length,
      `${count} of ${least} to ${this.#may().length}: ${this.#what}`,
    )
  }

  /** Undefined when the node that was asked died. */
  #outlasts<T>(answer: Promise<T>, member = this.#member): Promise<T | undefined> {
    return Promise.race([answer, member.node.life.ended.then(() => undefined)])
  }

  #request(limit: number): SearchRequest {
    return { ...this.#base, order: this.#order, limit, page: 1, total: 'exact' }
  }

  async everything(): Promise<void> {
    const answer = await this.#outlasts(this.#member.search.search(this.#request(10_000), NEVER))
    if (answer === undefined) return
    assert.ok(answer.kind === 'rows')
    this.#checkRows(answer.logs, answer.coverage, true)
    this.#checkTotal(answer)
  }

  /** Page after page, each by another node. */
  async pages(): Promise<void> {
    const random = this.#random
    const limit = random.pick([1, 3, 10, 50])
    const logs: string[] = []
    const missing: { shard: number; reason: string }[] = []
    let cursor: string | undefined
    for (let page = 0; page < 6; page++) {
      const member = this.#asker.world.anyMember(random)
      const request = { ...this.#request(limit), ...(cursor === undefined ? {} : { cursor }) }
      const answer = await this.#outlasts(member.search.search(request, NEVER), member)
      if (answer === undefined) return
      assert.ok(answer.kind === 'rows')
      this.#checkTotal(answer)
      logs.push(...answer.logs)
      missing.push(...answer.coverage.missing)
      this.#checkRows(logs, { ...answer.coverage, missing }, answer.nextCursor === null)
      if (answer.nextCursor === null) return
      assert.equal(answer.logs.length, limit)
      cursor = answer.nextCursor
    }
  }

  /** Rows from the beginning: all of them, or those up to the last. */
  #checkRows(logs: readonly string[], { missing }: Pick<Coverage, 'missing'>, isAll: boolean): void {
    const gone = new Set(missing.map(({ shard }) => shard))
    const rows = this.#asker.shown(logs)
    const got = new Set(rows.map(({ uid }) => uid))
    assert.equal(got.size, rows.length, `no row twice: ${this.#what}`)
    const ids = rows.map(({ id }) => id)
    assert.deepEqual(ids, this.#order === 'asc' ? ids.toSorted() : ids.toSorted().reverse(), this.#what)
    const may = new Set(this.#may().map(({ uid }) => uid))
    for (const uid of got) assert.ok(may.has(uid), `${uid} does not match ${this.#what}`)
    const last = rows.length === 0 ? undefined : this.#asker.world.sent[rows[rows.length - 1]!.uid]
    const sign = this.#order === 'asc' ? 1 : -1
    for (const { uid, shards, record } of this.#must) {
      if (shards.some((shard) => gone.has(shard)) || got.has(uid)) continue
      const isDue = isAll || (last !== undefined && sign * compareTimes(record, last.record) < 0)
      assert.ok(!isDue, `${uid} of shard ${shards.join(' or ')} is missing in ${this.#what} ${JSON.stringify(missing)}`)
    }
  }

  #checkTotal({ total, totalRelation, coverage }: RowsAnswer): void {
    this.#checkCount(total!, coverage)
    if (this.#exactly(coverage) !== undefined) assert.equal(totalRelation, 'eq')
  }

  async histogram(): Promise<void> {
    const groupBy = this.#random.pick(['level', 'host', 'service', 'status'])
    const intervalMs = this.#random.pick([250, 1000])
    const request = { ...this.#base, groupBy, intervalMs }
    const answer = await this.#outlasts(this.#member.search.histogram(request, NEVER))
    if (answer === undefined) return
    this.#checkCount(answer.total, answer.coverage)
    const records = this.#exactly(answer.coverage)
    if (records === undefined) return
    const wanted = naiveHistogram(records, groupBy, intervalMs)
    const got = answer.buckets.filter(({ count }) => count > 0)
    assert.deepEqual(
      new Map(got.map(({ startMs, count, by }) => [startMs, { count, by: sorted(by) }])),
      new Map(
        [...wanted].sort(([a], [b]) => a - b).map(([start, { count, by }]) => [start, { count, by: sorted(by) }]),
      ),
      `by ${groupBy}: ${this.#what}`,
    )
  }

  async aggregate(): Promise<void> {
    const by = this.#random.pick(['service', 'level', 'host'])
    const request = { ...this.#base, groupBy: [by], metric: 'sum', field: 'n' }
    const answer = await this.#outlasts(this.#member.search.aggregate(request, NEVER))
    const records = answer && this.#exactly(answer.coverage)
    if (records === undefined) return
    const got = new Map(answer!.rows.map((row) => [row[by], row.sum_n]))
    assert.deepEqual(sortedMap(got), sortedMap(naiveSums(records, by, 'n')), this.#what)
  }

  async fieldValues(): Promise<void> {
    const field = this.#random.pick(['service', 'host', 'status', 'a.b', 'traceId'])
    const limit = this.#random.pick([2, 1000])
    const answer = await this.#outlasts(this.#member.search.fieldValues(this.#base, field, limit, NEVER))
    const records = answer && this.#exactly(answer.coverage)
    if (records === undefined) return
    const wanted = naiveValues(records, field)
    assert.deepEqual(answer!.values, wanted.slice(0, limit), `${field}: ${this.#what}`)
    assert.equal(
      answer!.other,
      wanted.slice(limit).reduce((sum, { count }) => sum + count, 0),
    )
  }

  async patterns(): Promise<void> {
    const answer = await this.#outlasts(this.#member.search.patterns(this.#base, 1000, NEVER))
    const records = answer && this.#exactly(answer.coverage)
    if (records === undefined) return
    const withMessage = records.filter((record) => textOf(record, 'message') !== undefined).length
    const counted = answer!.patterns.reduce((sum, { count }) => sum + count, 0)
    assert.ok(counted >= withMessage && counted <= records.length, `${counted} of ${withMessage}: ${this.#what}`)
  }

  async fields(): Promise<void> {
    const answer = await this.#outlasts(this.#member.search.fields(this.#base, NEVER))
    const records = answer && this.#exactly(answer.coverage)
    if (records === undefined) return
    const got = answer!.fields.map(({ name, count, cardinality }) => ({ name, count, cardinality }))
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1)
    assert.deepEqual(got.toSorted(byName), naiveFields(records).toSorted(byName), this.#what)
  }

  async pipes(): Promise<void> {
    const pipes = randomPipes(this.#random)
    const request = { ...this.#request(10_000), query: `${this.#base.query} ${pipes.text}` }
    const answer = await this.#outlasts(this.#member.search.search(request, NEVER))
    const records = answer && this.#exactly(answer.coverage)
    if (records === undefined) return
    const what = `${this.#what} ${pipes.text}`
    if (answer!.kind === 'table') {
      assert.ok(pipes.isTable)
      assert.deepEqual(canonical(answer!.rows as Row[]), canonical(pipes.table(records)), what)
      return
    }
    const hits = this.#may()
    const ids = this.#asker.idsOf(hits)
    if (ids === undefined) return
    const sign = this.#order === 'asc' ? 1 : -1
    const inOrder = hits.map(({ record }, i) => ({ record, id: ids[i]! })).sort((a, b) => sign * (a.id < b.id ? -1 : 1))
    const idOf = new Map(inOrder.map(({ record, id }) => [record, id]))
    const wanted = pipes.rows(inOrder.map(({ record }) => record)).map((record) => idOf.get(record))
    const got = this.#asker.shown(answer!.logs).map(({ id }) => id)
    assert.deepEqual(got, wanted, what)
    assert.equal(answer!.total, wanted.length, `total of ${what}`)
  }

  /** A record by its id, and those beside it. */
  async record(ids: ReadonlyMap<number, string>): Promise<void> {
    const { sent, readCount } = this.#asker.world
    const known = sent[this.#random.below(Math.max(1, readCount))]
    const id = known && ids.get(known.uid)
    if (id === undefined) return
    const request = { tenant: TENANT, id, before: 3, after: 3, timeoutMs: TIMEOUT_MS }
    const asked = this.#member.search.context(request, NEVER).catch((error: unknown) => asWeirError(error))
    const answer = await this.#outlasts(asked)
    if (answer === undefined) return
    if (answer instanceof Error) {
      assert.equal(answer.code, 'shard_unavailable', `${known!.uid}: ${answer.message}`)
      return
    }
    assert.equal((JSON.parse(answer.record) as Shown).uid, known!.uid)
    if (!this.#asker.isComplete(answer.coverage) || readCount < sent.length) return
    if (sent.length > this.#asker.world.readCount) return
    const beside = sent.filter(({ record }) =>
      ['service', 'host'].every((field) => {
        const text = textOf(known!.record, field)
        return text === undefined || text === '' || textOf(record, field) === text
      }),
    )
    const all = this.#asker.idsOf(beside)?.sort()
    if (all === undefined) return
    const at = all.indexOf(id)
    const shownIds = (logs: readonly string[]) => this.#asker.shown(logs).map((row) => row.id)
    assert.deepEqual(shownIds(answer.before), all.slice(Math.max(0, at - 3), at), `before ${id}`)
    assert.deepEqual(shownIds(answer.after), all.slice(at + 1, at + 4), `after ${id}`)
  }

  async trace(): Promise<void> {
    const traceId = this.#random.pick(['t1', 't2', 't3', 'nowhere'])
    const isOfTrace = ({ record }: Known) => textOf(record, 'traceId') === traceId
    const base = { ...this.#base, query: '*', range: { fromMs: 0, toMs: this.#asker.world.midnightMs + 10_000 } }
    const { sent, readCount } = this.#asker.world
    const must = sent.slice(0, readCount).filter(isOfTrace)
    const asked = this.#member.search.trace(base, traceId, 10_000, NEVER).catch((error: unknown) => asWeirError(error))
    const answer = await this.#outlasts(asked)
    if (answer === undefined) return
    if (answer instanceof Error) {
      if (answer.code !== 'shard_unavailable') assert.deepEqual([answer.code, must.length], ['not_found', 0])
      return
    }
    const rows = this.#asker.shown(answer.logs)
    assert.ok(rows.every(({ uid }) => isOfTrace(this.#asker.world.sent[uid]!)))
    assert.equal(
      answer.services.reduce((sum, { count }) => sum + count, 0),
      rows.length,
    )
    if (this.#asker.isComplete(answer.coverage))
      assert.ok(rows.length >= must.length, `${rows.length} of ${must.length}`)
  }

  async explain(): Promise<void> {
    const answer = await this.#outlasts(this.#member.search.explain(this.#request(10), NEVER))
    if (answer !== undefined) this.#asker.isComplete(answer.coverage)
  }

  /** Too little time, often: what is not answered by then is named. */
  async hurried(): Promise<void> {
    const { clock } = this.#asker.world
    const timeoutMs = 1 + this.#random.below(40)
    const startedMs = clock.monotonicMs()
    const answer = await this.#outlasts(this.#member.search.search({ ...this.#request(10_000), timeoutMs }, NEVER))
    if (answer === undefined) return
    const tookMs = clock.monotonicMs() - startedMs
    assert.ok(tookMs < timeoutMs + 500, `${tookMs} ms of ${timeoutMs}`)
    assert.ok(answer.kind === 'rows')
    this.#checkRows(answer.logs, answer.coverage, true)
    this.#checkTotal(answer)
  }

  /** Nobody waits for the answer any more. */
  async cancelled(): Promise<void> {
    const stop = new AbortController()
    const asked = this.#member.search
      .search(this.#request(10), stop.signal)
      .catch((error: unknown) => asWeirError(error))
    await this.#asker.world.clock.sleep(this.#random.below(20))
    stop.abort()
    const answer = await this.#outlasts(asked)
    if (!(answer instanceof Error)) return
    assert.equal(answer.code, 'cancelled')
    this.#asker.cancelled++
  }
}

function canonical(rows: readonly Row[]): string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort()
}

function sorted(counts: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function sortedMap<V>(map: ReadonlyMap<unknown, V>): [string, V][] {
  return [...map].map(([key, value]): [string, V] => [JSON.stringify(key), value]).sort(([a], [b]) => (a < b ? -1 : 1))
}

for (let number = 0; number < WORLDS; number++) {
  test(`C5: what three nodes answer equals brute force or says what is missing, world ${number}`, async () => {
    const world = new ClusterWorld(number)
    const { clock, random } = world
    await clock.run(world.open())
    const asker = new Asker(world, random.fork('queries'))
    const follower = new TailFollower(world, random.fork('tail'))
    await clock.run(follower.poll())
    let isOver = false
    const following = async () => {
      while (!isOver) await follower.poll()
    }
    const asking = async () => {
      for (let i = 0; i < QUERIES_PER_ROUND / QUERIES_AT_ONCE; i++) {
        await Promise.all(Array.from({ length: QUERIES_AT_ONCE }, () => asker.ask()))
        await clock.sleep(random.below(1000))
      }
    }
    const sending = async () => {
      await world.send()
      await world.send()
    }
    const stirring = async (mayKill: boolean) => {
      for (let i = 0; i < 6; i++) await world.stir(mayKill)
    }
    // Records come while it is asked, or nodes and messages are lost.
    const round = async (isBusy: boolean) => {
      if (!isBusy) await world.send()
      await Promise.all([asking(), stirring(!isBusy), isBusy ? sending() : world.disturb()])
    }
    const rounds = async () => {
      for (let number = 0; number < ROUNDS; number++) await round(number % 3 === 2)
      await clock.sleep(15_000)
    }
    await clock.run(Promise.all([following(), rounds().finally(() => (isOver = true))]))
    await clock.run(asker.findAll())
    for (let i = 0; i < 100 && follower.uids.length < world.sent.length; i++) await clock.run(follower.poll())
    follower.check()
    for (const { node } of world.cluster.members.values()) {
      assert.equal(node.fatal, undefined)
      const { actors } = node.system.observe()
      assert.deepEqual(actors.find(({ name }) => name === 'query-leaf')?.detail, { running: 0, waiting: 0 })
    }
    const { complete, partial, cancelled } = asker
    const told = JSON.stringify({ kills: world.kills, spreads: world.spreads, complete, partial, cancelled })
    assert.ok(world.kills > 0 && cancelled > 0 && partial > 0 && complete > 5 * partial, told)
  })
}
