import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AlertKeeperMessage, ReportCounts } from '../../../actors/messages/alert.ts'
import type { ActorRef } from '../../../actors/runtime/actor-ref.ts'
import type { KnownShard } from '../../../actors/shard-map.ts'
import { WindowAlert } from '../../../actors/window-alert.ts'
import type { NodeId } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import { SegmentCache } from '../../../storage/segment-reader.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { ACME, at, NOON_MS, SHARD, ShardFixture, sectionOf } from '../../harness/shard-fixture.ts'

const HOUR_MS = 3600_000

test('rows of a frame whose run is not over yet are counted for a rule, however long the shard was idle before', async (t) => {
  const fixture = new ShardFixture()
  const { clock, plans } = fixture
  const store = await fixture.open()
  const said: ReportCounts[] = []
  const keeper = {
    async ask(report: ReportCounts) {
      said.push(structuredClone(report))
      return { rules: [] }
    },
  } as unknown as ActorRef<AlertKeeperMessage>
  const definition = { name: 'r', query: '*', severity: 'P1', condition: { count: '>100', window: '1m' } }
  const rule = { id: 'r', revision: 1, value: definition }
  const windowAlert = new WindowAlert({
    // What was applied before, an hour ago.
    shards: new Map([
      [SHARD, { store, role: 'owner' as const, epoch: 1, isCaughtUp: true, pace: { appliedMs: NOON_MS - HOUR_MS } }],
    ]),
    shardCount: 4,
    rules: { tenants: () => [ACME], known: () => [rule], onChange: () => () => undefined },
    shardMap: { get: () => ({ owner: 'n' as NodeId }) as KnownShard },
    keeperOf: () => keeper,
    behindMs: () => 0,
    plans,
    cache: new SegmentCache(new MemoryObjectStore()),
    clock,
    logger: silentLogger,
  })
  t.after(() => windowAlert.close())
  fixture.onRows = windowAlert.onRows
  await store.applyFrame(at(1), NOON_MS, [sectionOf(['a', 'b', 'c'])])
  await clock.advance(2000)
  const counted = said.flatMap(({ shards }) => shards.flatMap(({ whole }) => whole.flatMap(({ buckets }) => buckets)))
  assert.deepEqual(
    counted.map(({ tally }) => tally),
    [3],
  )
})
