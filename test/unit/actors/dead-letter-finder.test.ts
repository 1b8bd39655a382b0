import assert from 'node:assert/strict'
import test from 'node:test'
import { DeadLetterFinder } from '../../../actors/dead-letter-finder.ts'
import type { LeafReport, QueryLeafMessage } from '../../../actors/messages/leaf.ts'
import type { ScatterOptions } from '../../../actors/scatter.ts'
import { Scatter } from '../../../actors/scatter.ts'
import { deadLetterTenant, type NodeId, type ShardId, type TenantId } from '../../../base/ids.ts'
import { encodeRecordId } from '../../../storage/record-id.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

const TENANT = 'default' as TenantId
const NODE = 'a' as NodeId
const KEY = { timeMs: 1000, timeNs: 0, shard: 0 as ShardId, generation: 1, sequence: 1, row: 0 }
const ID = encodeRecordId(KEY)
const LETTER = {
  id: ID,
  timestamp: '1970-01-01T00:00:01Z',
  service: 'http',
  message: 'no',
  code: 'invalid_json',
  raw: '{',
}

/** One letter, of which nobody can say whether its record was stored. */
function finder(clock: SimulatedClock): DeadLetterFinder {
  const stats = { blocks: 0, blocksSkipped: 0, rowsScanned: 0, bytesRead: 0 }
  const tier = { blocks: 0, rows: 0 }
  const report = (missing: LeafReport['missing']) => ({ missing, stats, hot: tier, warm: tier, bytes: 1 })
  const leaf = {
    async ask(question: QueryLeafMessage) {
      if ('scope' in question && question.scope.tenant === deadLetterTenant(TENANT)) {
        return { rows: [{ key: KEY, json: JSON.stringify(LETTER) }], report: report([]) }
      }
      const gap = { shard: 0 as ShardId, part: 'hot', reason: 'the block is damaged', retry: false } as const
      return { rows: [], report: report([gap]) }
    },
  }
  const floor = { generation: 1, sequence: 1 }
  const entry = { owner: NODE, epoch: 1, floor, generation: 1, manifestObject: 'page', featureLevel: 1, revision: 1 }
  const onChange = () => () => undefined
  const options = {
    topology: {
      self: NODE,
      nodes: () => [{ nodeId: NODE, workers: 1, isActive: true }],
      leaf: () => leaf,
      standbyOf: () => undefined,
      onChange,
    },
    shardMap: { get: () => entry, onChange },
    workerOf: () => 0,
    clock,
    shardCount: 1,
    slotsOf: () => 1,
  }
  return new DeadLetterFinder(new Scatter(options as unknown as ScatterOptions), 1)
}

test('letters of which it is not known whether they were replayed are shown, and not replayed', async () => {
  const clock = new SimulatedClock('letters')
  const { signal } = new AbortController()
  const request = { tenant: TENANT, range: { fromMs: 0, toMs: 10_000 }, limit: 10, timeoutMs: 1000 }
  const shown = await clock.run(finder(clock).list(request, signal))
  assert.deepEqual([shown.deadLetters.map(({ id }) => id), shown.coverage.complete], [[ID], false])
  await assert.rejects(clock.run(finder(clock).list({ ...request, whole: true }, signal)), {
    code: 'shard_unavailable',
  })
})
