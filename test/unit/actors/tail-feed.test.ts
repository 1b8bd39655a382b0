import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CollectedRows, TailFeedMessage } from '../../../actors/messages/tail.ts'
import { ActorSystem } from '../../../actors/runtime/actor-system.ts'
import { TailFeed } from '../../../actors/tail-feed.ts'
import type { ShardId, TenantId } from '../../../base/ids.ts'
import { TAIL_FOLLOW_BYTES_MAX, TAIL_SESSION_SILENCE_MAX_MS, TAIL_WINDOW_MS } from '../../../base/limits.ts'
import { silentLogger } from '../../../base/logger.ts'
import { parseQuery } from '../../../query/parser.ts'
import type { ShardStore } from '../../../storage/shard-store.ts'
import { ACME, at, chunkOf, GLOBEX, NOON_MS, SHARD, ShardFixture, sectionOf } from '../../harness/shard-fixture.ts'

const OTHER_SHARD = 4 as ShardId

/** A feed of one shard, and a hub's questions to it. */
class Feed {
  readonly fixture = new ShardFixture()
  readonly shards = new Map<ShardId, { store: ShardStore }>()
  readonly feed: TailFeed
  readonly #system: ActorSystem
  #sequence = 0
  #follows = 0

  private constructor() {
    const { clock, plans } = this.fixture
    this.feed = new TailFeed({ shards: this.shards, plans, clock, logger: silentLogger })
    this.fixture.onRows = this.feed.hear
    this.#system = new ActorSystem({
      name: 'test',
      clock,
      logger: silentLogger,
      onEscalate: ({ error }) => assert.fail(error),
    })
    this.#system.spawn<TailFeedMessage>('tail-feed', () => this.feed, { mailboxMax: 100 })
  }

  static async open(): Promise<Feed> {
    const feed = new Feed()
    feed.shards.set(SHARD, { store: await feed.fixture.open() })
    return feed
  }

  get #ref() {
    return this.#system.ref<TailFeedMessage>('tail-feed')
  }

  async follow(
    query: string,
    options: { session?: string; isFirst?: boolean; tenant?: TenantId; shards?: ShardId[] } = {},
  ) {
    const { session = 's', isFirst = true, tenant = ACME, shards = [SHARD] } = options
    const { filter } = parseQuery(query, { nowMs: NOON_MS })
    const id = ++this.#follows
    const question = {
      kind: 'changeFollows' as const,
      session,
      isFirst,
      begin: [{ id, tenant, filter, shards }],
      end: [],
    }
    const { began } = await this.fixture.clock.run(this.#ref.ask(question, { deadlineMs: 1000 }))
    return { id, began }
  }

  end(id: number, session = 's') {
    const question = { kind: 'changeFollows' as const, session, isFirst: false, begin: [], end: [id] }
    return this.fixture.clock.run(this.#ref.ask(question, { deadlineMs: 1000 }))
  }

  collect(waitMs = 1000, session = 's'): Promise<CollectedRows> {
    return this.fixture.clock.run(this.#ref.ask({ kind: 'collectRows', session, waitMs }, { deadlineMs: 60_000 }))
  }

  async apply(...sections: Parameters<typeof sectionOf>[]): Promise<void> {
    const { store } = this.shards.get(SHARD)!
    await store.applyFrame(
      at(++this.#sequence),
      NOON_MS,
      sections.map((section) => sectionOf(...section)),
    )
  }
}

const uidsOf = ({ rows }: CollectedRows) => rows.map(({ json }) => (JSON.parse(json) as { uid: string }).uid)

describe('a tail feed', () => {
  it('gives what matches and is applied after a follow began, and says how far that reaches', async () => {
    const feed = await Feed.open()
    await feed.apply([['a', 'b']])
    const { id, began } = await feed.follow('uid:c OR uid:d OR uid:e')
    assert.deepEqual(began, [{ follow: id, shard: SHARD, ...at(1) }])
    await feed.apply([['a', 'c']], [['d'], { rowBase: 2 }], [['c'], { tenant: GLOBEX, rowBase: 3 }])
    await feed.apply([['e']])
    const collected = await feed.collect()
    assert.deepEqual(uidsOf(collected), ['c', 'd', 'e'])
    assert.deepEqual(
      collected.rows.map(({ key, follows }) => [key.shard, key.generation, key.sequence, key.row, follows]),
      [
        [SHARD, 1, 2, 1, [id]],
        [SHARD, 1, 2, 2, [id]],
        [SHARD, 1, 3, 0, [id]],
      ],
    )
    assert.deepEqual(collected.through, [{ shard: SHARD, ...at(3) }])
    const row = JSON.parse(collected.rows[0]!.json)
    assert.deepEqual([row.service, row.ingestedAt], ['api', new Date(NOON_MS).toISOString()])
  })

  it('gives rows of several days, and rows that a block holds already, in the order of the journal', async () => {
    const feed = await Feed.open()
    await feed.apply([['a', 'b'], { timesMs: [NOON_MS, NOON_MS - 86_400_000] }])
    const { store } = feed.shards.get(SHARD)!
    await store.cut('all')
    await store.close()
    const again = await feed.fixture.open()
    feed.shards.set(SHARD, { store: again })
    await feed.follow('*')
    const section = sectionOf(['a', 'b', 'c'], {
      timesMs: [NOON_MS, NOON_MS - 86_400_000, NOON_MS],
      keyed: [chunkOf('k', 2, 3)],
    })
    await again.applyFrame(at(1), NOON_MS, [section])
    await again.applyFrame(at(2), NOON_MS, [section])
    const { rows } = await feed.collect()
    assert.deepEqual(
      rows.map(({ key }) => [key.sequence, key.row]),
      [
        [1, 0],
        [1, 1],
        [1, 2],
        [2, 0],
        [2, 1],
      ],
    )
  })

  it('gives a row once to a session whose follows match it, and to every session', async () => {
    const feed = await Feed.open()
    const first = await feed.follow('uid:a')
    const second = await feed.follow('api', { isFirst: false })
    const third = await feed.follow('api', { session: 't' })
    await feed.apply([['a', 'b']])
    const [mine, theirs] = [await feed.collect(), await feed.collect(1000, 't')]
    assert.deepEqual(
      mine.rows.map(({ follows }) => follows.toSorted()),
      [[first.id, second.id], [second.id]],
    )
    assert.deepEqual(
      theirs.rows.map(({ follows }) => follows),
      [[third.id], [third.id]],
    )
    assert.equal(feed.feed.filterCount, 2)
    await feed.end(second.id)
    await feed.apply([['a', 'b']])
    assert.deepEqual(uidsOf(await feed.collect()), ['a'])
  })

  it('lets go of what is more than a follow may hold, counts it, and gives the others theirs', async () => {
    const feed = await Feed.open()
    const greedy = await feed.follow('*')
    const modest = await feed.follow('uid:last', { isFirst: false })
    const long = 'x'.repeat(TAIL_FOLLOW_BYTES_MAX / 4)
    for (let i = 0; i < 6; i++) await feed.apply([[`${i}${long}`]])
    await feed.apply([['last']])
    const { rows, dropped, through } = await feed.collect()
    assert.equal(rows.length, 4)
    assert.deepEqual(rows.at(-1)!.follows.toSorted(), [greedy.id, modest.id])
    assert.deepEqual(dropped, [{ follow: greedy.id, count: 3 }])
    assert.deepEqual(through, [{ shard: SHARD, ...at(7) }])
    await feed.apply([['next']])
    assert.deepEqual(uidsOf(await feed.collect()), ['next'])
  })

  it('answers at the end of the wait with how far it is where nothing matches', async () => {
    const feed = await Feed.open()
    await feed.follow('nothing')
    await feed.apply([['a']])
    assert.deepEqual(await feed.collect(300), {
      rows: [],
      through: [{ shard: SHARD, ...at(1) }],
      dropped: [],
      gone: [],
      failed: [],
    })
    assert.deepEqual((await feed.collect(300)).through, [])
  })

  it('says nothing of shards that are not here, and when one goes or is opened anew', async () => {
    const feed = await Feed.open()
    const { id, began } = await feed.follow('*', { shards: [SHARD, OTHER_SHARD] })
    assert.deepEqual(
      began.map(({ shard }) => shard),
      [SHARD],
    )
    await feed.shards.get(SHARD)!.store.close()
    feed.shards.set(SHARD, { store: await feed.fixture.open() })
    assert.deepEqual((await feed.collect()).gone, [{ follow: id, shard: SHARD }])
    assert.equal(feed.feed.filterCount, 0)
    const next = await feed.follow('*', { isFirst: false })
    await feed.apply([['a']])
    assert.deepEqual(uidsOf(await feed.collect()), ['a'])
    feed.shards.delete(SHARD)
    assert.deepEqual((await feed.collect()).gone, [{ follow: next.id, shard: SHARD }])
  })

  it('gives nothing of a shard that comes back behind a gap to who followed it before', async () => {
    const feed = await Feed.open()
    const { id } = await feed.follow('*')
    const collecting = feed.collect()
    await feed.shards.get(SHARD)!.store.close()
    // Another node has it for a moment, and gives it back as it is then.
    const { hear } = feed.feed
    feed.fixture.onRows = () => undefined
    const back = await feed.fixture.open()
    await back.applyFrame(at(1), NOON_MS, [sectionOf(['missed'])])
    feed.fixture.onRows = hear
    feed.shards.set(SHARD, { store: back })
    await back.applyFrame(at(2), NOON_MS, [sectionOf(['later'])])
    const { rows, through, gone } = await collecting
    assert.deepEqual([rows, through, gone], [[], [], [{ follow: id, shard: SHARD }]])
  })

  it('forgets a hub that does not ask for long, and tells it so', async () => {
    const feed = await Feed.open()
    await assert.rejects(feed.collect(), { code: 'not_found' })
    await assert.rejects(feed.follow('*', { isFirst: false }), { code: 'not_found' })
    await feed.follow('*')
    await feed.fixture.clock.advance(TAIL_SESSION_SILENCE_MAX_MS * 1.5)
    await assert.rejects(feed.collect(), { code: 'not_found' })
    assert.equal(feed.feed.filterCount, 0)
    assert.deepEqual(feed.feed.observe(), { sessions: 0, filters: 0, lookTookMs: 0 })
  })

  it('holds the memory of what it has not looked at, and no longer', async () => {
    const feed = await Feed.open()
    let isFreed = false
    await feed.apply([['a']])
    feed.fixture.plans.whenOver(() => {
      isFreed = true
    })
    assert.ok(isFreed, 'who is followed by nobody holds nothing')
    await feed.follow('*')
    await feed.apply([['b']])
    isFreed = false
    feed.fixture.plans.whenOver(() => {
      isFreed = true
    })
    assert.ok(!isFreed)
    await feed.fixture.clock.advance(2 * TAIL_WINDOW_MS)
    assert.ok(isFreed)
  })
})
