import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeSpread, encodeSpread, type ServiceSpread, SPREAD_KEY } from '../../../actors/spread-entry.ts'
import { SpreadTable } from '../../../actors/spread-table.ts'
import type { Clock } from '../../../base/clock.ts'
import { WeirError } from '../../../base/errors.ts'
import type { TenantId } from '../../../base/ids.ts'
import {
  REGISTRY_WAIT_MS,
  SPREAD_BYTES_MAX,
  SPREAD_KEY_LEAD_MS,
  SPREAD_KEY_SILENCE_MAX_MS,
  SPREAD_QUERY_SILENCE_MAX_MS,
  SPREAD_SETTLE_MS,
  SPREAD_SKEW_MAX_MS,
} from '../../../base/limits.ts'
import { silentLogger } from '../../../base/logger.ts'
import { Prng } from '../../../base/prng.ts'
import type { Registry } from '../../../cluster/registry.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const ACME = 'acme' as TenantId
const GLOBEX = 'globex' as TenantId

describe('the spread of services', () => {
  let clock: SimulatedClock
  let registry: SimulatedRegistry
  const tables: SpreadTable[] = []

  const open = async () => {
    const table = await clock.run(SpreadTable.open({ registry: registry.connect(), clock, logger: silentLogger }))
    tables.push(table)
    return table
  }
  const write = (...services: ServiceSpread[]) =>
    registry.write(SPREAD_KEY, encodeSpread(services), registry.entries.get(SPREAD_KEY)?.revision ?? 0)
  const slotsAt = (table: SpreadTable, keyMs: number) => table.forKeys().slotsAt(ACME, 'api', keyMs)
  const raise = (table: SpreadTable, slots: number, tenant = ACME, service = 'api') =>
    clock.run(table.raise(tenant, service, slots, 0))

  beforeEach(() => {
    clock = new SimulatedClock('spread')
    registry = new SimulatedRegistry()
  })
  afterEach(() => {
    for (const table of tables.splice(0)) table.close()
  })

  it('is one slot for a service that nobody has spread', async () => {
    const table = await open()
    assert.deepEqual(
      [table.slotsNow(ACME, 'api'), slotsAt(table, clock.nowMs()), table.slotsEver(ACME, 'api')],
      [1, 1, 1],
    )
  })

  it('is asked of by queries at once, used a while later, and by keys that are made after its time', async () => {
    const [one, other] = [await open(), await open()]
    const raisedMs = clock.nowMs()
    assert.equal(await raise(one, 4), true)
    for (const table of [one, other]) {
      assert.equal(table.slotsEver(ACME, 'api'), 4)
      assert.equal(table.slotsNow(ACME, 'api'), 1)
      assert.equal(slotsAt(table, raisedMs + SPREAD_KEY_LEAD_MS - 1), 1)
      assert.equal(slotsAt(table, raisedMs + SPREAD_KEY_LEAD_MS), 4)
      assert.equal(table.slotsEver(GLOBEX, 'api'), 1)
      assert.equal(table.slotsEver(ACME, 'web'), 1)
    }
    await clock.advance(SPREAD_SETTLE_MS - 1)
    assert.equal(other.slotsNow(ACME, 'api'), 1)
    await clock.advance(1)
    assert.deepEqual([one.slotsNow(ACME, 'api'), other.slotsNow(ACME, 'api')], [4, 4])
  })

  it('is known to a thread that starts later, with all its steps', async () => {
    const one = await open()
    const firstMs = clock.nowMs() + SPREAD_KEY_LEAD_MS
    await raise(one, 2)
    await clock.advance(60_000)
    await raise(one, 8)
    const later = await open()
    assert.equal(slotsAt(later, firstMs - 1), 1)
    assert.equal(slotsAt(later, firstMs), 2)
    assert.equal(slotsAt(later, firstMs + 10 * SPREAD_KEY_LEAD_MS), 8)
    assert.equal(later.slotsNow(ACME, 'api'), 1)
    await clock.advance(SPREAD_SETTLE_MS)
    assert.equal(later.slotsNow(ACME, 'api'), 8)
  })

  it('only grows: smaller and equal ones are refused; what the entry no longer says goes on to count', async () => {
    const table = await open()
    await raise(table, 4)
    assert.deepEqual([await raise(table, 4), await raise(table, 2)], [false, false])
    const backup = registry.entries.get(SPREAD_KEY)!.value
    await raise(table, 8)
    await raise(table, 2, ACME, 'web')
    registry.write(SPREAD_KEY, backup, registry.entries.get(SPREAD_KEY)!.revision)
    assert.deepEqual([table.slotsEver(ACME, 'api'), table.slotsEver(ACME, 'web')], [8, 2])
    registry.write(SPREAD_KEY, undefined, registry.entries.get(SPREAD_KEY)!.revision)
    assert.deepEqual([table.slotsEver(ACME, 'api'), table.slotsEver(ACME, 'web')], [8, 2])
    // The next one that is written says all of it again.
    assert.equal(await raise(table, 2, GLOBEX), true)
    const later = await open()
    assert.deepEqual([later.slotsEver(ACME, 'api'), later.slotsEver(ACME, 'web')], [8, 2])
  })

  it('is raised by one of several who want to', async () => {
    const all = [await open(), await open(), await open()]
    const outcomes = await clock.run(Promise.all(all.map((table, i) => table.raise(ACME, 'api', 2 << i, 0))))
    assert.equal(outcomes.filter((isRaised) => isRaised).length, 1)
    const [spread, ...others] = decodeSpread(registry.entries.get(SPREAD_KEY)!.value)
    assert.deepEqual([spread!.steps.length, others], [1, []])
    for (const table of all) assert.equal(table.slotsEver(ACME, 'api'), spread!.steps[0]!.slots)
  })

  it('is raised on top of what others have written, heard or not', async () => {
    const [one, deaf] = [await open(), await open()]
    registry.watches.clear()
    assert.equal(await raise(one, 2, ACME, 'web'), true)
    assert.equal(await raise(deaf, 4), true)
    const written = decodeSpread(registry.entries.get(SPREAD_KEY)!.value)
    assert.deepEqual(
      written.map(({ service, steps }) => [service, steps[0]!.slots]),
      [
        ['web', 2],
        ['api', 4],
      ],
    )
  })

  it('begins for keys after the time of the journal, should this clock be slow', async () => {
    const table = await open()
    const journalMs = clock.nowMs() + 600_000
    await clock.run(table.raise(ACME, 'api', 2, journalMs))
    assert.equal(slotsAt(table, journalMs + SPREAD_KEY_LEAD_MS - 1), 1)
    assert.equal(slotsAt(table, journalMs + SPREAD_KEY_LEAD_MS), 2)
  })

  it('cannot be told by a thread that reads nothing, whatever its watch says', async () => {
    const table = await open()
    registry.fault = (operation) =>
      operation === 'get' ? { when: 'before', error: new WeirError('storage_unavailable', 'gone') } : undefined
    await clock.advance(SPREAD_QUERY_SILENCE_MAX_MS)
    assert.equal(table.slotsEver(ACME, 'api'), 1)
    await clock.advance(1)
    write({ tenant: ACME, service: 'web', steps: [{ slots: 2, fromMs: clock.nowMs() }] })
    assert.equal(table.slotsEver(ACME, 'api'), undefined)
    assert.equal(slotsAt(table, clock.nowMs()), 1)
    await clock.advance(SPREAD_KEY_SILENCE_MAX_MS)
    assert.throws(() => table.forKeys(), { code: 'shard_unavailable' })
    registry.fault = () => undefined
    await clock.advance(2000)
    assert.equal(table.slotsEver(ACME, 'api'), 1)
    assert.equal(slotsAt(table, clock.nowMs()), 1)
  })

  it('is known as of the time when a read began, not when it was answered', async () => {
    const table = await open()
    registry.pause = () => clock.sleep(SPREAD_QUERY_SILENCE_MAX_MS + 1000)
    await clock.advance(SPREAD_QUERY_SILENCE_MAX_MS + 3500)
    assert.equal(table.slotsEver(ACME, 'api'), undefined)
  })

  it('is read every two seconds, in case that the watch missed a change', async () => {
    const table = await open()
    registry.watches.clear()
    write({ tenant: ACME, service: 'api', steps: [{ slots: 2, fromMs: clock.nowMs() }] })
    await clock.advance(2000)
    assert.equal(table.slotsEver(ACME, 'api'), 2)
  })

  it('asks all shards, and writes nothing, while the entry cannot be read', async () => {
    const table = await open()
    await raise(table, 2)
    const format = 1
    const api = { tenant: ACME, service: 'api' }
    const falling = [
      { slots: 4, fromMs: 2 },
      { slots: 2, fromMs: 3 },
    ]
    const entries: unknown[] = [
      'x',
      null,
      { format: 2, services: [] },
      { format, services: {} },
      { format, services: [null] },
      { format, services: [{ ...api, steps: [] }] },
      { format, services: [{ ...api, steps: [null] }] },
      { format, services: [{ ...api, steps: [{ slots: 3, fromMs: 1 }] }] },
      { format, services: [{ ...api, steps: [{ slots: 128, fromMs: 1 }] }] },
      { format, services: [{ ...api, steps: falling }] },
      { format, services: [{ ...api, tenant: 7, steps: [{ slots: 4, fromMs: 1 }] }] },
    ]
    for (const entry of entries) {
      const value = new TextEncoder().encode(JSON.stringify(entry))
      const revision = registry.write(SPREAD_KEY, value, registry.entries.get(SPREAD_KEY)!.revision)
      await assert.rejects(raise(table, 4), { code: 'corrupt_data' })
      assert.equal(registry.entries.get(SPREAD_KEY)!.revision, revision)
      assert.equal(table.latest(ACME, 'api').slots, 2)
    }
    await clock.advance(SPREAD_QUERY_SILENCE_MAX_MS + 1)
    assert.equal(table.slotsEver(ACME, 'api'), undefined)
    const later = await open()
    assert.equal(later.slotsEver(ACME, 'api'), undefined)
    assert.throws(() => later.forKeys(), { code: 'shard_unavailable' })
  })

  it('is kept for so many services as fit the entry', async () => {
    const steps = [{ slots: 2, fromMs: 1 }]
    const services: ServiceSpread[] = []
    const serviceBytes = encodeSpread([{ tenant: ACME, service: 'service-1000', steps }]).length
    while ((services.length + 1) * serviceBytes < SPREAD_BYTES_MAX) {
      services.push({ tenant: ACME, service: `service-${1000 + services.length}`, steps })
    }
    assert.ok(services.length > 2000)
    write(...services)
    const table = await open()
    assert.equal(table.size, services.length)
    assert.equal(await raise(table, 2, ACME, 'x'.repeat(100_000)), false)
    assert.equal(table.size, services.length)
  })

  it('D3: what a key was told is told again, by every thread, however the spread grows', async () => {
    await forAllSeeds('spread', async (prng) => {
      registry.pause = (operation) => clock.sleep(prng.below(operation === 'put' ? REGISTRY_WAIT_MS : 2000))
      const threads = await openSome(prng, SPREAD_SKEW_MAX_MS / 2)
      const told = new Map<number, number>()
      for (let step = 0; step < 40; step++) {
        await clock.advance(prng.chance(0.1) ? prng.below(300_000) : prng.below(20_000))
        disturb(prng, threads)
        raiseSometimes(prng, prng.pick(threads).table)
        for (const { table } of threads) {
          const aheadMs = prng.chance(0.8) ? SPREAD_SKEW_MAX_MS / 2 : -prng.below(400_000)
          const keyMs = clock.nowMs() + aheadMs
          const slots = slotsAtOrDeaf(table, keyMs)
          if (slots !== undefined) told.set(keyMs, slots)
        }
        for (const [atMs, before] of told) assert.equal(slotsAtOrDeaf(prng.pick(threads).table, atMs) ?? before, before)
      }
      for (const thread of threads) thread.isCut = false
      await clock.advance(2 * REGISTRY_WAIT_MS)
      for (const table of [...threads.map((thread) => thread.table), await open()]) {
        for (const [atMs, slots] of told) assert.equal(slotsAt(table, atMs), slots)
      }
      return told.size > 20 && table(threads).latest(ACME, 'api').slots > 2
    })
  })

  it('no thread deals rows to a slot that another does not ask', async () => {
    await forAllSeeds('settle', async (prng) => {
      registry.pause = () => clock.sleep(prng.below(prng.chance(0.1) ? 20_000 : 1000))
      const threads = await openSome(prng, 3_600_000)
      for (let step = 0; step < 60; step++) {
        await clock.advance(prng.below(2000))
        disturb(prng, threads)
        raiseSometimes(prng, prng.pick(threads).table)
        const dealt = Math.max(...threads.map(({ table }) => table.slotsNow(ACME, 'api')))
        for (const { table } of threads) assert.ok((table.slotsEver(ACME, 'api') ?? Infinity) >= dealt)
      }
      return table(threads).slotsNow(ACME, 'api') > 1
    })
  })

  /** The property must hold for all seeds, and `run` must say of most that they have shown something. */
  async function forAllSeeds(name: string, run: (prng: Prng) => Promise<boolean>): Promise<void> {
    let telling = 0
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        registry = new SimulatedRegistry()
        if (await run(new Prng(`${name}/${seed}`))) telling++
        for (const table of tables.splice(0)) table.close()
      }),
      { numRuns: 25 },
    )
    assert.ok(telling > 12, `${telling} of 25 runs spread anything`)
  }

  /** Threads of nodes whose clocks are up to `skewMs` ahead or behind. */
  async function openSome(prng: Prng, skewMs: number): Promise<Thread[]> {
    const threads: Thread[] = []
    for (let i = 0; i < 3; i++) {
      const cut = { isCut: false }
      const options = {
        registry: cuttable(registry.connect(), cut),
        clock: skewed(clock, prng.between(-skewMs, skewMs)),
        logger: silentLogger,
      }
      const opened = await clock.run(SpreadTable.open(options))
      tables.push(opened)
      threads.push(Object.assign(cut, { table: opened }))
    }
    return threads
  }

  function slotsAtOrDeaf(table: SpreadTable, keyMs: number): number | undefined {
    try {
      return slotsAt(table, keyMs)
    } catch (error) {
      assert.ok(error instanceof WeirError && error.code === 'shard_unavailable')
      return undefined
    }
  }
})

interface Thread {
  readonly table: SpreadTable
  isCut: boolean
}

/** The thread that knows most. */
function table(threads: readonly Thread[]): SpreadTable {
  const slots = (thread: Thread) => thread.table.latest(ACME, 'api').slots
  return threads.reduce((best, thread) => (slots(thread) > slots(best) ? thread : best)).table
}

/** Cuts a thread off the registry, or heals it. */
function disturb(prng: Prng, threads: readonly Thread[]): void {
  if (prng.chance(0.2)) prng.pick(threads).isCut = true
  if (prng.chance(0.2)) prng.pick(threads).isCut = false
}

function raiseSometimes(prng: Prng, table: SpreadTable): void {
  const slots = 2 * table.latest(ACME, 'api').slots
  if (prng.chance(0.15) && slots <= 64) void table.raise(ACME, 'api', slots, 0).catch(() => undefined)
}

/** A connection that hears nothing and reaches nobody while it is cut. */
function cuttable(registry: Registry, cut: { readonly isCut: boolean }): Registry {
  const reach = async <T>(run: () => Promise<T>): Promise<T> => {
    if (cut.isCut) throw new WeirError('storage_unavailable', 'cut off')
    const result = await run()
    if (cut.isCut) throw new WeirError('storage_unavailable', 'cut off')
    return result
  }
  return {
    get: (key) => reach(() => registry.get(key)),
    put: (key, value, expected) => reach(() => registry.put(key, value, expected)),
    delete: (key, expected) => reach(() => registry.delete(key, expected)),
    list: (prefix) => reach(() => registry.list(prefix)),
    watch: (prefix, onChange) => registry.watch(prefix, (change) => (cut.isCut ? undefined : onChange(change))),
    close: () => registry.close(),
  }
}

function skewed(clock: Clock, skewMs: number): Clock {
  return {
    nowMs: () => clock.nowMs() + skewMs,
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    after: (ms, run) => clock.after(ms, run),
    every: (ms, run) => clock.every(ms, run),
    yieldTurn: () => clock.yieldTurn(),
    randomBytes: (count) => clock.randomBytes(count),
    random: () => clock.random(),
  }
}
