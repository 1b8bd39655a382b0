import assert from 'node:assert/strict'
import { PerformanceObserver } from 'node:perf_hooks'
import { test } from 'node:test'
import { YoungCollectionPacer } from '../../../base/young-collection.ts'

/** perf_hooks' constants.NODE_PERFORMANCE_GC_MINOR */
const MINOR = 1

test('the young generation is collected once per so many bytes', async () => {
  const kinds: unknown[] = []
  const seen = Promise.withResolvers<void>()
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) kinds.push((entry as unknown as { detail: { kind: number } }).detail.kind)
    if (kinds.length >= 2) seen.resolve()
  })
  observer.observe({ entryTypes: ['gc'] })
  const pacer = new YoungCollectionPacer(1000)
  for (let i = 0; i < 25; i++) pacer.add(99)
  await seen.promise
  observer.disconnect()
  assert.ok(kinds.filter((kind) => kind === MINOR).length >= 2, `collections: ${kinds}`)
})
