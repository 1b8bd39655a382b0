import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../../base/clock.ts'
import type { DayNumber, TenantId } from '../../../base/ids.ts'
import { encodeBlock } from '../../../storage/block-codec.ts'
import { sourceOf, tableModels } from './arbitrary-table.ts'

const IDENTITY = { tenant: 'default' as TenantId, day: 20_778 as DayNumber, retentionClass: 3, generation: 7 }
let ticks = 0
/** Time flies, so every encoding gives the others their turn after each column. */
const clock = { ...systemClock, monotonicMs: () => (ticks += 10), yieldTurn: () => systemClock.yieldTurn() }
const OPTIONS = { zstdLevel: 1, clock }

test('blocks that are made in turns share buffers and no bytes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(tableModels({ rowsMax: 20 }), { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 5 }),
      async (lists) => {
        const heads = lists.map((models) =>
          models.map((model, i) => ({
            source: sourceOf(model),
            rows: null,
            sequence: i + 1,
            rowBase: 0,
            receivedMs: 5,
          })),
        )
        const together = await Promise.all(heads.map((parts) => encodeBlock(parts, IDENTITY, OPTIONS)))
        for (const [i, parts] of heads.entries())
          assert.deepEqual(together[i], await encodeBlock(parts, IDENTITY, OPTIONS))
      },
    ),
    { numRuns: 60 },
  )
})
