import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { adminKey } from '../../../node/admin-key.ts'
import { loadConfig } from '../../../node/config-load.ts'
import { KeyStore } from '../../../node/key-store.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const DEFAULTS = loadConfig({ cwd: tmpdir(), env: {}, flags: [] }).settings
const withKeys = (configured: string | null = null) => ({
  ...DEFAULTS,
  'auth.mode': 'keys' as const,
  'auth.adminKey': configured,
})
const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')
const open = (registry: SimulatedRegistry) => KeyStore.open(registry.connect(), new SimulatedClock(1))

describe('the first key', () => {
  it('is made once, shown once, and administers', async () => {
    const registry = new SimulatedRegistry()
    const keys = await open(registry)
    const made = await adminKey(withKeys(), keys, new SimulatedClock(1))
    assert.match(made!, /^weir_[\w-]{43}$/)
    assert.ok(keys.find(hashOf(made!))!.roles.includes('admin'))
    assert.equal(await adminKey(withKeys(), await open(registry), new SimulatedClock(2)), undefined)
  })

  it('is made by one of several nodes that start together (X2)', async () => {
    const registry = new SimulatedRegistry()
    const made = await Promise.all(
      [1, 2, 3, 4, 5].map(async (seed) => adminKey(withKeys(), await open(registry), new SimulatedClock(seed))),
    )
    assert.equal(made.filter((key) => key !== undefined).length, 1)
    assert.equal((await (await open(registry)).list()).length, 1)
  })

  it('is not made where keys are not asked for', async () => {
    const registry = new SimulatedRegistry()
    assert.equal(await adminKey(DEFAULTS, await open(registry), new SimulatedClock(1)), undefined)
    assert.equal(registry.entries.size, 0)
  })
})

describe('a configured key', () => {
  it('administers, is never shown, and takes the place of the one configured before', async () => {
    const registry = new SimulatedRegistry()
    const keys = await open(registry)
    for (const configured of ['one', 'one', 'two']) {
      assert.equal(await adminKey(withKeys(configured), keys, new SimulatedClock(1)), undefined)
    }
    assert.equal(keys.find(hashOf('one')), undefined)
    assert.deepEqual(keys.find(hashOf('two'))!.roles, ['ingest', 'read', 'admin'])
    assert.equal((await keys.list()).length, 1)
  })
})
