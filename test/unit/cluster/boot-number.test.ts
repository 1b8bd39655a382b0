import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextBoot } from '../../../cluster/boot-number.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

test('every start of any node gets a number of its own, higher than those before', async () => {
  const registry = new SimulatedRegistry()
  assert.equal(await nextBoot(registry.connect()), 1)
  const together = await Promise.all(Array.from({ length: 8 }, () => nextBoot(registry.connect())))
  assert.deepEqual(
    together.sort((a, b) => a - b),
    [2, 3, 4, 5, 6, 7, 8, 9],
  )
  assert.equal(await nextBoot(registry.connect()), 10)
})

test('a number that cannot be read is not begun anew: older processes would seem newer', async () => {
  const registry = new SimulatedRegistry().connect()
  await registry.put('boots', new TextEncoder().encode('many'), 0)
  await assert.rejects(nextBoot(registry), { code: 'corrupt_data' })
})
