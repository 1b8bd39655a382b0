import assert from 'node:assert/strict'
import { WeirError } from '../../base/errors.ts'
import { shardOf } from '../../base/hash.ts'
import type { LaneId, NodeId, TenantId } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import { type FlatRecord, string } from './column-source.ts'
import { randomRecord, SERVICES } from './random-query.ts'
import { recordText } from './record-text.ts'
import { type Member, SimulatedCluster } from './simulated-cluster.ts'

export const SHARDS = 6
export const TENANT = 'acme' as TenantId
export const OTHER_TENANT = 'other' as TenantId
const NAMES = ['a', 'b', 'c'] as NodeId[]
/** Slots of a service at most. */
const SLOTS_MAX = 8
const TRACES = ['t1', 't2', 't3', 't4', 't5']

/** A record that was sent. */
export interface Known {
  /** Of TENANT: its place in `sent`. */
  readonly uid: number
  /** One of these holds it. */
  readonly shards: readonly number[]
  readonly record: FlatRecord
}

/** Three nodes, the records that they were sent, and all that goes on while they are searched. */
export class ClusterWorld {
  readonly cluster: SimulatedCluster
  /** In the order of sending. */
  readonly sent: Known[] = []
  /** Of OTHER_TENANT. */
  readonly sentByOther: Known[] = []
  /** Of `sent`, the first so many were acknowledged, and read by all who read them. */
  readCount = 0
  /** Of TENANT: refused for what they are. */
  refused = 0
  readonly random: Prng
  /** Records lie around it, in two days. */
  readonly midnightMs: number
  readonly #dead = new Set<NodeId>()
  #uids = 0
  kills = 0
  spreads = 0

  constructor(number: number) {
    this.random = new Prng(`cluster-oracle/${number}`)
    this.cluster = new SimulatedCluster({ seed: number, shardCount: SHARDS, standbyCount: number % 2 === 0 ? 0 : 1 })
    this.midnightMs = this.cluster.machine.clock.nowMs()
  }

  get clock() {
    return this.cluster.machine.clock
  }

  anyMember(random = this.random): Member {
    return random.pick([...this.cluster.members.values()])
  }

  async open(): Promise<void> {
    await Promise.all(NAMES.map((name) => this.cluster.start(name)))
    await this.clock.sleep(6000)
    const { spread } = this.anyMember().node
    for (const service of SERVICES.slice(0, 3)) await spread.raise(TENANT, service, 2, 0)
  }

  /** Sends records of two tenants through some node; resolves when they are acknowledged and every node has read them. */
  async send(): Promise<void> {
    const { random } = this
    for (const tenant of [TENANT, OTHER_TENANT]) {
      const records = Array.from({ length: 10 + random.below(40) }, () => this.#randomRecord(tenant))
      const sent = tenant === TENANT ? this.sent : this.sentByOther
      sent.push(...records)
      const { node } = this.anyMember()
      const lines = records.map(({ record }) => recordText(record))
      const bad = tenant === TENANT ? random.below(3) : 0
      for (let i = 0; i < bad; i++) lines.splice(random.below(lines.length), 0, `{"no":${i}`)
      const receipt = await node.ingest({
        tenant,
        protocol: 'http',
        format: 'ndjson',
        body: Buffer.from(lines.join('\n')),
        receivedMs: this.clock.nowMs(),
      })
      assert.deepEqual([receipt.accepted, receipt.rejected], [records.length, bad])
      this.refused += bad
    }
    const endsMs = this.clock.monotonicMs() + 10_000
    while (!this.#isRead() && this.clock.monotonicMs() < endsMs) await this.clock.sleep(20)
    assert.ok(this.#isRead(), 'what was acknowledged is read in time')
    this.readCount = this.sent.length
  }

  #randomRecord(tenant: TenantId): Known {
    const { random } = this
    const timeMs = this.midnightMs + random.below(4000) - 2000
    const { fields, ...rest } = randomRecord(random, timeMs, random.pick([0, 1, 999_999]))
    const uid = tenant === TENANT ? this.#uids++ : -1
    const all = new Map([...fields, ['uid', { type: 2 as const, text: String(uid) }]] as const)
    if (random.chance(0.5)) all.set('traceId', string(random.pick(TRACES)))
    const record = { ...rest, fields: all }
    return { uid, record, shards: this.#shardsOf(tenant, fields.get('service')!.text) }
  }

  /** Every node has applied all that the journal has of its shards. */
  #isRead(): boolean {
    const { lastSequence } = this.cluster.machine.journal.lane(0 as LaneId)
    return [...this.cluster.members.values()].every(({ node }) =>
      [...node.shards.values()].every(({ store }) => store.applied.sequence >= lastSequence),
    )
  }

  /** Rows are dealt to no more slots than any node has heard of. */
  #shardsOf(tenant: TenantId, service: string): number[] {
    const heard = [...this.cluster.members.values()].map(({ node }) => node.spread.latest(tenant, service).slots)
    return Array.from({ length: Math.max(...heard) }, (_, slot) => shardOf(tenant, service, slot, SHARDS))
  }

  /** A service becomes hot. */
  #spread(): void {
    const { random } = this
    const { node } = this.anyMember()
    const tenant = random.pick([TENANT, OTHER_TENANT])
    const service = random.pick(SERVICES)
    const slots = 2 * node.spread.latest(tenant, service).slots
    if (slots > SLOTS_MAX) return
    const raised = node.spread.raise(tenant, service, slots, 0)
    raised.then(
      (isRaised) => {
        if (isRaised) this.spreads++
      },
      () => undefined,
    )
  }

  /** One of the things that go on in a cluster. */
  async stir(mayKill: boolean): Promise<void> {
    const { random, cluster } = this
    const hosted = [...this.anyMember().node.shards.values()]
    const { publisher, store } = hosted.length > 0 ? random.pick(hosted) : {}
    switch (random.below(12)) {
      case 0:
        if (mayKill && cluster.members.size > 1) this.kill(random.pick([...cluster.members.keys()]), random.chance(0.5))
        return
      case 1:
      case 2: {
        const [name] = this.#dead
        if (name === undefined) return
        this.#dead.delete(name)
        await cluster.start(name)
        return
      }
      case 3:
      case 4:
        return store?.cut('all')
      case 5:
        await publisher?.ask({ kind: 'tidyUp' }, { deadlineMs: 5000 }).catch(() => undefined)
        return
      case 6:
        if (random.chance(0.5)) this.#spread()
        return this.clock.sleep(random.below(5000))
      default: {
        const everything = random.chance(0.7)
        await publisher?.ask({ kind: 'publish', everything }, { deadlineMs: 5000 }).catch(() => undefined)
      }
    }
  }

  /** For a while one of these: a node is cut off, messages get lost, or reads of the bucket fail, are cut short or take long. */
  disturb(): Promise<void> {
    return this.random.pick([
      () => this.#partition(),
      () => this.#partition(),
      () => this.#loseMessages(),
      () => this.#failReads(),
    ])()
  }

  async #loseMessages(): Promise<void> {
    const { network } = this.cluster
    network.dropProbability = this.random.pick([0.05, 0.3])
    await this.clock.sleep(this.random.below(2000))
    network.dropProbability = 0
  }

  async #failReads(): Promise<void> {
    const { random } = this
    const { objects } = this.cluster.machine
    const share = random.pick([0.1, 0.5])
    const isCut = random.chance(0.5)
    objects.fault = (operation) => {
      if (operation !== 'get' || !random.chance(share)) return undefined
      if (isCut) return { kind: 'truncate', length: random.below(100) }
      return { kind: 'before', error: new WeirError('storage_unavailable', 'the bucket does not answer') }
    }
    await this.clock.sleep(random.below(3000))
    objects.fault = () => undefined
  }

  /** For a while no message passes between one node and the others; what it is asked and answers is lost. */
  async #partition(): Promise<void> {
    const { random, cluster } = this
    const names = [...cluster.members.keys()]
    const one = random.pick(names)
    cluster.network.partition(
      [one],
      names.filter((name) => name !== one),
    )
    await this.clock.sleep(random.below(2000))
    cluster.network.heal()
  }

  /** `isSilent`: as cluster.kill has it. */
  kill(name: NodeId, isSilent: boolean): void {
    this.cluster.kill(name, isSilent)
    this.#dead.add(name)
    this.kills++
  }
}
