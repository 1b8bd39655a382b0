import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { TenantId } from '../../../base/ids.ts'
import { dayOf } from '../../../base/ids.ts'
import { SPREAD_KEY_LEAD_MS, SPREAD_SETTLE_MS } from '../../../base/limits.ts'
import { SimulatedMachine, SimulatedNode } from '../../harness/simulated-node.ts'

const ACME = 'acme' as TenantId
const SLOT_RECORDS = 10
const SLOTS_MAX = 8

describe('hot services', () => {
  let machine: SimulatedMachine
  let node: SimulatedNode
  let uids = 0

  beforeEach(async () => {
    uids = 0
    machine = new SimulatedMachine({ seed: 1, shardCount: 16, slotRecords: SLOT_RECORDS })
    node = await boot()
  })
  afterEach(() => node.kill())

  async function boot(): Promise<SimulatedNode> {
    const booted = new SimulatedNode(machine)
    await machine.clock.run(booted.start())
    return booted
  }

  function send(count: number, service: string, idempotencyKey?: string, uid = uids) {
    const receivedMs = machine.clock.nowMs()
    const records = Array.from({ length: count }, (_, i) => JSON.stringify({ uid: `u${uid + i}`, service }))
    uids = Math.max(uids, uid + count)
    const request = { tenant: ACME, protocol: 'http', format: 'ndjson' as const, receivedMs }
    const key = idempotencyKey === undefined ? {} : { idempotencyKey }
    return machine.clock.run(node.ingest({ ...request, ...key, body: Buffer.from(records.join('\n')) }))
  }

  /** Sends so many records a second. */
  async function sendFor(seconds: number, perSecond: number, service = 'api'): Promise<void> {
    for (let i = 0; i < 2 * seconds; i++) {
      await send(perSecond / 2, service)
      await machine.clock.advance(500)
    }
  }

  /** Shards that hold records of the service, by the ids of the records that a search of it finds; each record once. */
  async function shardsOf(service: string, count: number): Promise<Map<string, number>> {
    const found = await machine.clock.run(node.search(ACME, `service:${service}`))
    assert.equal(found.length, count)
    assert.equal(new Set(found.map(({ uid }) => uid)).size, count)
    const shards = Map.groupBy(found, ({ id }) => id.split('/')[0]!)
    return new Map([...shards].map(([shard, rows]) => [shard, rows.length]))
  }

  it('are spread over as many slots as their rate fills, a power of two', async () => {
    await sendFor(30, 3.4 * SLOT_RECORDS)
    assert.equal(node.spread.latest(ACME, 'api').slots, 4)
    const sent = uids
    await sendFor(20, 3.4 * SLOT_RECORDS)
    const shards = await shardsOf('api', uids)
    assert.ok(shards.size > 1)
    assert.ok(Math.max(...shards.values()) < sent + (uids - sent) * 0.6, 'later records went to several shards alike')
    assert.equal(node.spread.latest(ACME, 'api').slots, 4, 'now no slot is too hot')
  })

  it('are not spread below that rate, nor for one burst, nor further than the settings allow', async () => {
    await sendFor(30, 0.8 * SLOT_RECORDS)
    await send(20 * SLOT_RECORDS, 'burst')
    await machine.clock.advance(30_000)
    await send(20 * SLOT_RECORDS, 'burst')
    await machine.clock.advance(30_000)
    assert.equal(node.spread.size, 0)
    await sendFor(30, 40 * SLOT_RECORDS)
    assert.equal(node.spread.latest(ACME, 'api').slots, SLOTS_MAX)
    await machine.clock.advance(SPREAD_KEY_LEAD_MS)
    await sendFor(30, 400 * SLOT_RECORDS)
    assert.equal(node.spread.latest(ACME, 'api').slots, SLOTS_MAX)
  })

  it('are told apart: what is not hot beside them stays where it is', async () => {
    for (let i = 0; i < 60; i++) {
      await send(2 * SLOT_RECORDS, 'api')
      await send(1, 'cold')
      await machine.clock.advance(500)
    }
    assert.equal(node.spread.size, 1)
    assert.equal((await shardsOf('cold', 60)).size, 1)
  })

  it('are not hot again because the journal is replayed', async () => {
    await sendFor(60, 0.8 * SLOT_RECORDS)
    node.crash()
    machine.loseDisk()
    node = await boot()
    await shardsOf('api', uids)
    assert.equal(node.spread.size, 0)
  })

  it('keep the order of records within a slot', async () => {
    await machine.clock.run(node.spread.raise(ACME, 'api', 4, 0))
    await machine.clock.advance(SPREAD_SETTLE_MS)
    for (let i = 0; i < 40; i++) await send(3, 'api')
    const found = await machine.clock.run(node.search(ACME, 'service:api'))
    assert.equal(found.length, 120)
    const shards = Map.groupBy(found, ({ id }) => id.split('/')[0]!)
    assert.ok(shards.size > 1)
    for (const rows of shards.values()) {
      const placeOf = (id: string) => id.split('/')[1]!.split('.').map(Number) as [number, number, number]
      const inOrder = rows.toSorted((a, b) => {
        const [x, y] = [placeOf(a.id), placeOf(b.id)]
        return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
      })
      const numbers = inOrder.map(({ uid }) => Number(uid.slice(1)))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
    }
  })

  it('D3: a retry meets its first attempt, however the service has been spread since', async () => {
    const keys: string[] = []
    const uidOf = (i: number) => 3 * i
    const sendKey = (i: number) => send(3, 'api', keys[i], uidOf(i))
    const sendNew = async (key: string) => {
      keys.push(key)
      await sendKey(keys.length - 1)
    }
    const someKeys = async () => {
      for (let i = 0; i < 4; i++) {
        // Of a sender whose clock is right, of one whose clock is a little ahead, of one whose clock is wrong, without a time.
        const nowMs = machine.clock.nowMs()
        for (const timeMs of [nowMs, nowMs + 50_000, nowMs + 1e11]) await sendNew(ulid(timeMs, keys.length))
        await sendNew(`key-${keys.length}`)
      }
    }
    await someKeys()
    for (const slots of [2, 4, 8]) {
      await machine.clock.run(node.spread.raise(ACME, 'api', slots, 0))
      await someKeys()
      await machine.clock.advance(SPREAD_KEY_LEAD_MS / 2)
      for (let i = 0; i < keys.length; i++) await sendKey(i)
      await machine.clock.advance(SPREAD_KEY_LEAD_MS)
      await someKeys()
    }
    for (let i = 0; i < keys.length; i++) await sendKey(i)
    const shards = await shardsOf('api', 3 * keys.length)
    assert.ok(shards.size > 4, `keys are dealt to ${shards.size} shards`)
    assert.equal(dayOf(machine.clock.nowMs()), dayOf(machine.options.startMs), 'no key was forgotten meanwhile')
  })
})

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

function ulid(timeMs: number, number: number): string {
  const digits = (value: number, count: number) =>
    Array.from({ length: count }, (_, i) => CROCKFORD[Math.floor(value / 32 ** (count - 1 - i)) % 32]).join('')
  return digits(timeMs, 10) + digits(number, 16)
}
