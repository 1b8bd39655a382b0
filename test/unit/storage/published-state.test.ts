import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dayOf } from '../../../base/ids.ts'
import { MANIFEST_EMPTY } from '../../../storage/manifest.ts'
import { PublishedState } from '../../../storage/published-state.ts'
import { ACME, at, GLOBEX, NOON_MS } from '../../harness/shard-fixture.ts'

const DAY = dayOf(NOON_MS)

describe('what is published of a day', () => {
  it('reaches to the floor, or further where the page says so', () => {
    const publishedThrough = [{ day: DAY, tenant: ACME, generation: 1, sequence: 9 }]
    const state = new PublishedState(at(5), { ...MANIFEST_EMPTY, publishedThrough }, 'page')
    assert.deepEqual(state.publishedThrough(ACME, DAY), at(9))
    assert.deepEqual(state.publishedThrough(GLOBEX, DAY), at(5))
    assert.deepEqual(state.publishedThrough(ACME, dayOf(0)), at(5))
  })

  it('is never behind the floor, whatever an old page says', () => {
    const publishedThrough = [{ day: DAY, tenant: ACME, generation: 1, sequence: 9 }]
    const state = new PublishedState(at(1, 2), { ...MANIFEST_EMPTY, publishedThrough }, 'page')
    assert.deepEqual(state.publishedThrough(ACME, DAY), at(1, 2))
  })
})
