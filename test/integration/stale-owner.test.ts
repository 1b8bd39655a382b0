import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import type { ShardShare } from '../../actors/messages/leaf.ts'
import type { RowsAnswer } from '../../actors/messages/search.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import type { LaneId, NodeId, ShardId, TenantId } from '../../base/ids.ts'
import type { ShardEntry } from '../../storage/manifest.ts'
import { decodeShardEntry, shardEntryKey } from '../../storage/manifest.ts'
import type { Member } from '../harness/simulated-cluster.ts'
import { SimulatedCluster } from '../harness/simulated-cluster.ts'

const ACME = 'acme' as TenantId
const LANE = 0 as LaneId
const SHARDS = Array.from({ length: 8 }, (_, shard) => shard as ShardId)
const SERVICES = Array.from({ length: 40 }, (_, i) => `service-${i}`)
const RANGE = { fromMs: 0, toMs: Date.UTC(2100, 0, 1) }
const NEVER = new AbortController().signal
/** C1: a silence of 3 s is a death; then the other node takes over. C3: after 5 s an owner knows that it may not be one. */
const PAUSE_MS = 8000
const PUBLISH_ALL = { kind: 'publish', everything: true } as const

let cluster: SimulatedCluster
/** Was stopped, and goes on believing that it owns what it owned, shard 0 among it. */
let stale: Member
/** Has taken that over meanwhile. */
let owner: Member
/** Shards that both believe they own. */
let disputed: ShardId[]
let sent: string[]

const run = <T>(promise: Promise<T>): Promise<T> => cluster.machine.clock.run(promise)
const pass = (ms: number): Promise<void> => cluster.machine.clock.advance(ms)

function entryOf(shard: ShardId): ShardEntry {
  return decodeShardEntry(cluster.machine.registry.entries.get(shardEntryKey(shard))!.value)
}

/** Sends a record of each service through a node. */
async function send({ node }: Member): Promise<void> {
  const uids = SERVICES.map((service) => `${sent.length}-${service}`)
  const lines = SERVICES.map((service, i) => JSON.stringify({ uid: uids[i], service, message: 'paid' }))
  const body = new TextEncoder().encode(lines.join('\n'))
  const receivedMs = cluster.machine.clock.nowMs()
  const receipt = await run(node.ingest({ tenant: ACME, protocol: 'http', format: 'ndjson', body, receivedMs }))
  assert.equal(receipt.accepted, uids.length)
  sent.push(...uids)
}

async function publish({ node }: Member): Promise<void> {
  for (const { publisher } of node.shards.values()) {
    if (publisher !== undefined) await run(publisher.ask(PUBLISH_ALL, { deadlineMs: 60_000 }))
  }
}

function ownedBy({ node }: Member): ShardId[] {
  return [...node.shards.values()].filter(({ role }) => role === 'owner').map(({ shard }) => shard)
}

async function search({ search }: Member): Promise<RowsAnswer> {
  const request = { tenant: ACME, query: '*', range: RANGE, timeoutMs: 2000, order: 'asc', page: 1 } as const
  const answer = await run(search.search({ ...request, limit: 1000, total: 'exact' }, NEVER))
  assert.ok(answer.kind === 'rows')
  return answer
}

/** Every record that was acknowledged is found exactly once. */
async function findsAll(member: Member): Promise<void> {
  const { logs, coverage } = await search(member)
  assert.deepEqual(coverage.missing, [])
  assert.deepEqual(logs.map((log) => (JSON.parse(log) as { uid: string }).uid).sort(), [...sent].sort())
}

/** The registry does not answer; whoever was not told believes what it believed. */
function cutOffRegistry(): void {
  const error = new WeirError('storage_unavailable', 'the registry does not answer')
  cluster.machine.registry.fault = () => ({ when: 'before', error })
}

/** Who asks the registry before anything was written hears nothing. */
function tellNothingBeforePut(): void {
  let isWritten = false
  const error = new WeirError('storage_unavailable', 'the registry does not answer')
  cluster.machine.registry.fault = (operation) => {
    isWritten ||= operation === 'put'
    return isWritten ? undefined : { when: 'before', error }
  }
}

beforeEach(async () => {
  cluster = new SimulatedCluster({ seed: 7, shardCount: SHARDS.length, standbyCount: 0 })
  sent = []
  const names = ['a', 'b'] as NodeId[]
  const members = await run(Promise.all(names.map((name) => cluster.start(name))))
  await pass(10_000)
  const first = members.findIndex(({ node }) => node.nodeId === entryOf(SHARDS[0]!).owner)
  stale = members[first]!
  owner = members[1 - first]!
  for (const member of members) await send(member)
  await pass(1000)
  disputed = ownedBy(stale).sort()
  assert.deepEqual([...disputed, ...ownedBy(owner)].sort(), SHARDS)
  assert.ok(disputed.length > 1 && disputed.length < SHARDS.length)
})

/** The node is stopped, silence passes, the other one takes over and goes on; then the node goes on, and has heard of nothing. */
async function standOff(beforeItGoesOn: () => void = () => undefined): Promise<void> {
  stale.node.newsMs = 60_000
  cluster.suspend(stale.node.nodeId)
  await send(owner)
  await pass(PAUSE_MS)
  assert.deepEqual(ownedBy(owner).sort(), SHARDS)
  await send(owner)
  await pass(1000)
  await publish(owner)
  await send(owner)
  await pass(1000)
  beforeItGoesOn()
  cluster.resume(stale.node.nodeId)
  assert.deepEqual(ownedBy(stale).sort(), disputed)
}

describe('a node that was stopped while another one took its shards over', () => {
  it('C2: cannot publish, and what it put is named by nobody', async () => {
    await standOff()
    const before = disputed.map(entryOf)
    const objects = new Set(cluster.machine.objects.objects.keys())
    tellNothingBeforePut()
    const asked = disputed.map((shard) =>
      stale.node.shards.get(shard)!.publisher!.ask(PUBLISH_ALL, { deadlineMs: 60_000 }),
    )
    const outcomes = await run(Promise.allSettled(asked))
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? asWeirError(outcome.reason).code : 'published')),
      disputed.map(() => 'epoch_fenced'),
    )
    assert.deepEqual(disputed.map(entryOf), before)
    const put = [...cluster.machine.objects.objects.keys()].filter((key) => !objects.has(key))
    assert.ok(
      put.some((key) => key.endsWith('.seg')),
      'it had something to publish',
    )
    assert.deepEqual(ownedBy(stale), [])
    await findsAll(owner)
  })

  it('J5: trims nothing by the floors that it knew', async () => {
    const { journal } = cluster.machine
    const error = new WeirError('storage_unavailable', 'the journal does not answer')
    journal.fault = (call) => (call === 'trim' ? { when: 'before', error } : undefined)
    for (const member of [stale, owner]) await publish(member)
    await pass(5000)
    let trims = 0
    await standOff(() => {
      cutOffRegistry()
      journal.fault = (call) => {
        if (call === 'trim') trims++
        return undefined
      }
    })
    const count = journal.lane(LANE).frames.length
    await pass(300)
    assert.equal(trims, 0)
    assert.equal(journal.lane(LANE).frames.length, count)
  })

  it('J3: trims nothing of a journal that began anew meanwhile', async () => {
    stale.node.newsMs = 60_000
    const lane = cluster.machine.journal.lane(LANE)
    const { generation, lastSequence } = lane
    cluster.suspend(stale.node.nodeId)
    await pass(PAUSE_MS)
    await publish(owner)
    cluster.machine.journal.recreate(LANE)
    for (let i = 0; i < lastSequence; i++) await send(owner)
    cluster.resume(stale.node.nodeId)
    await assert.rejects(run(stale.node.journal.trim(LANE, lastSequence, generation)), { code: 'storage_unavailable' })
    assert.equal(cluster.machine.journal.lane(LANE).frames.length, lastSequence)
  })

  it('C3: refuses questions under the epoch of its successor', async () => {
    await standOff(cutOffRegistry)
    const shares = disputed.map((shard): ShardShare => {
      const { epoch, floor, manifestObject } = entryOf(shard)
      return { shard, pin: { page: manifestObject, floor }, hot: { as: 'owner', epoch }, segments: false }
    })
    const scope = { tenant: ACME, filter: { kind: 'all' }, range: RANGE, shares } as const
    const question = { kind: 'findRows', scope, order: 'asc', limit: 1000, after: undefined } as const
    const leaf = cluster.leafOf(stale.node.nodeId)
    const { report, rows } = await run(
      leaf.ask({ ...question, countMax: 0, fields: undefined, original: false }, { deadlineMs: 1000 }),
    )
    assert.deepEqual(rows, [])
    assert.deepEqual(
      report.missing.map(({ shard, part, retry }) => ({ shard, part, retry })).sort((x, y) => x.shard - y.shard),
      disputed.map((shard) => ({ shard, part: 'hot', retry: true })),
    )
    cluster.machine.registry.fault = () => undefined
    for (const { reason } of report.missing) assert.match(reason, /^the node that was asked owns the shard under epoch/)
    await findsAll(owner)
  })

  it('C3: says of its own answers that they may be stale, until it has reached the registry', async () => {
    await standOff(cutOffRegistry)
    const { coverage } = await search(stale)
    assert.equal(coverage.complete, false)
    const flawed = coverage.missing.filter(({ reason }) => /has not reached the registry/.test(reason))
    assert.deepEqual(flawed.map(({ shard }) => shard).sort(), disputed)
  })

  it('D4: takes what it is sent, and once it has heard, both find every record exactly once', async () => {
    await standOff()
    await send(stale)
    stale.node.newsMs = 0
    await pass(90_000)
    for (const member of [stale, owner]) await findsAll(member)
    assert.deepEqual([...ownedBy(stale), ...ownedBy(owner)].sort(), SHARDS)
    await send(stale)
    await pass(1000)
    for (const member of [stale, owner]) await publish(member)
    for (const member of [stale, owner]) await findsAll(member)
    for (const { node } of [stale, owner]) assert.equal(node.fatal, undefined)
  })
})
