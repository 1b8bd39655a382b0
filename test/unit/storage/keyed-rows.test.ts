import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TenantId } from '../../../base/ids.ts'
import { FrameRepeats } from '../../../storage/keyed-rows.ts'
import { SeenSet } from '../../../storage/seen-set.ts'

const CHUNK = { keyHash: 'k', bodyHash: 'b', chunk: 0, chunks: 0 }

function section(tenant: string, rowFrom: number, rowTo: number, chunk: Partial<typeof CHUNK> = {}) {
  return { tenant: tenant as TenantId, receivedMs: 1, keyed: [{ ...CHUNK, ...chunk, rowFrom, rowTo }] }
}

const at = (sequence: number) => ({ generation: 1, sequence })

test('a chunk with rows in several sections of a frame is taken whole, and is a repeat in the next frame, in all of them', () => {
  const seen = new SeenSet()
  const first = new FrameRepeats(seen, at(1), 1000)
  assert.equal(first.of(section('acme', 0, 2), 2), undefined)
  assert.equal(first.of(section('acme!dead', 1, 3), 3), undefined)
  const second = new FrameRepeats(seen, at(2), 1001)
  assert.deepEqual(second.of(section('acme', 0, 2), 2), { rows: Uint8Array.of(1, 1), repeated: 2, conflicts: [] })
  const letters = second.of(section('acme!dead', 1, 3), 3)
  assert.deepEqual(letters, { rows: Uint8Array.of(0, 1, 1), repeated: 2, conflicts: [] })
  assert.equal(seen.publishable(at(2)).length, 1)
})

test('another body under the same key is a conflict in every section', () => {
  const seen = new SeenSet()
  new FrameRepeats(seen, at(1), 1000).of(section('acme', 0, 1), 1)
  const frame = new FrameRepeats(seen, at(2), 1001)
  for (const tenant of ['acme', 'acme!dead']) {
    assert.equal(frame.of(section(tenant, 0, 1, { bodyHash: 'c' }), 1)?.conflicts.length, 1)
  }
})

test('a chunk that comes twice in one frame is taken once in each section', () => {
  const frame = new FrameRepeats(new SeenSet(), at(1), 1000)
  for (const tenant of ['acme', 'acme!dead']) {
    const keyed = [section(tenant, 0, 2), section(tenant, 2, 4)].flatMap((one) => one.keyed)
    const repeats = frame.of({ ...section(tenant, 0, 2), keyed }, 4)
    assert.deepEqual(repeats, { rows: Uint8Array.of(0, 0, 1, 1), repeated: 2, conflicts: [] })
  }
})
