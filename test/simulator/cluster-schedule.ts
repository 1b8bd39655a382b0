import { asWeirError, WeirError } from '../../base/errors.ts'
import type { LaneId, NodeId, TenantId } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import { decodeShardEntry, SHARD_KEYS, shardOfKey } from '../../storage/manifest.ts'
import type { Member } from '../harness/simulated-cluster.ts'
import { SimulatedCluster } from '../harness/simulated-cluster.ts'
import { Ledger, Violation } from './ledger.ts'
import { makeRequest, RETENTION_DAYS, sendRequest, TENANTS } from './workload.ts'

const NAMES = ['a', 'b', 'c'] as NodeId[]
const FRESH_NAMES = ['d', 'e'] as NodeId[]
const LANE = 0 as LaneId
const STEPS = 30
const STARTS_MS = [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1, 23, 58)]
const PATIENCE_MS = 300_000
const HEARD_AFTER_MS = 5000
const RANGE = { fromMs: 0, toMs: Date.UTC(2100, 0, 1) }
const NEVER = new AbortController().signal

/** What a schedule went through. */
export interface ClusterSummary {
  readonly requests: number
  readonly searches: number
  /** Of all shards, together. */
  readonly epochs: number
}

/**
 * Three nodes and their shards, all of it from the seed: requests to any of them; nodes that die, with their disks or without, are stopped and go on,
 * come back, believe of each other that they are dead; searches and publishing all the while. In the end every disk is lost, and nodes with new names take
 * over. Throws a Violation when a rule does not hold.
 */
export async function runCluster(seed: number, trace?: (line: string) => void): Promise<ClusterSummary> {
  return new ClusterSchedule(seed, trace).run()
}

class ClusterSchedule {
  readonly #prng: Prng
  readonly #cluster: SimulatedCluster
  readonly #ledger = new Ledger(RETENTION_DAYS)
  readonly #trace: (line: string) => void
  readonly #starting = new Set<NodeId>()
  readonly #stopped = new Set<NodeId>()
  readonly #background = new Set<Promise<void>>()
  #violation: Error | undefined
  #searches = 0

  constructor(seed: number, trace: (line: string) => void = () => undefined) {
    this.#prng = new Prng(`cluster/${seed}`)
    const prng = this.#prng
    this.#trace = (line) => trace(`${(this.#clock.monotonicMs() / 1000).toFixed(3)} ${line}`)
    this.#cluster = new SimulatedCluster({
      seed,
      shardCount: prng.between(2, 4),
      standbyCount: prng.chance(0.5) ? 0 : 1,
      answerMsMax: prng.pick([2, 20, 100]),
      retentionDays: RETENTION_DAYS,
      startMs: prng.pick(STARTS_MS),
      log: (level, message, fields) => {
        this.#trace(`${level}: ${message} ${JSON.stringify(fields)}`)
        if (level === 'error') this.#violation ??= new Violation('log', `${message} ${JSON.stringify(fields)}`)
      },
    })
    this.#watchTrims()
  }

  async run(): Promise<ClusterSummary> {
    for (const name of NAMES) this.#start(name)
    await this.#passUntil(() => this.#starting.size === 0, 'nodes do not start')
    for (let step = 0; step < STEPS; step++) {
      this.#act()
      await this.#pass(this.#prng.chance(0.15) ? this.#prng.below(20_000) : this.#prng.exponential(800))
    }
    await this.#finish()
    const epochs = this.#entries().reduce((sum, { epoch }) => sum + epoch, 0)
    return { requests: this.#ledger.requests.length, searches: this.#searches, epochs }
  }

  get #clock() {
    return this.#cluster.machine.clock
  }

  #act(): void {
    const prng = this.#prng
    const members = [...this.#cluster.members]
    const action = prng.below(100)
    const dead = NAMES.filter((name) => !this.#cluster.members.has(name) && !this.#starting.has(name))
    if (members.length === 0) {
      if (dead.length > 0) this.#start(prng.pick(dead))
      return
    }
    const [name, member] = prng.pick(members)
    if (action < 35) for (let i = prng.between(1, 3); i > 0; i--) this.#send()
    else if (action < 45) this.#searchOnce(member, prng.pick(TENANTS), false)
    else if (action < 62) this.#work(member)
    else if (action < 70) this.#kill(name)
    else if (action < 80) {
      if (dead.length > 0) this.#start(prng.pick(dead))
    } else if (action < 95) this.#stopOrResume(name)
    else {
      const others = NAMES.filter((other) => other !== name && prng.chance(0.6))
      this.#trace(`${name} believes that ${others.join(' and ')} are dead`)
      this.#cluster.mislead(name, others)
      this.#clock.after(prng.below(15_000), () => this.#cluster.tellAll())
    }
  }

  #send(): void {
    const { prng, clock } = { prng: this.#prng, clock: this.#clock }
    const request = makeRequest(prng, this.#ledger, clock.nowMs(), false)
    const node = () => {
      const up = [...this.#cluster.members].filter(([name]) => !this.#stopped.has(name))
      return up.length === 0 ? undefined : prng.pick(up)[1].node
    }
    this.#watch(
      sendRequest(request, { prng: prng.fork(request.number), ledger: this.#ledger, clock, node, attemptsMax: 8 }),
    )
  }

  /** What else happens on time, sooner. */
  #work({ node }: Member): void {
    const prng = this.#prng
    for (const { store, publisher } of node.shards.values()) {
      const action = prng.below(5)
      if (action === 0) void store.cut('all')
      else if (publisher === undefined || action === 1) continue
      else {
        const message = action === 2 ? ({ kind: 'tidyUp' } as const) : { kind: 'publish' as const, everything: true }
        publisher
          .ask(message, { deadlineMs: 60_000 })
          .catch((error) => this.#trace(`publishing failed: ${error.message}`))
      }
    }
  }

  #start(name: NodeId): void {
    this.#trace(`start of ${name}`)
    this.#starting.add(name)
    this.#watch(
      this.#cluster.start(name).then(() => {
        this.#trace(`${name} is there`)
        this.#starting.delete(name)
      }),
    )
  }

  #kill(name: NodeId): void {
    const how = this.#prng.pick(['killed', 'power failure', 'disk lost'] as const)
    this.#trace(`${name}: ${how}`)
    this.#stopped.delete(name)
    this.#cluster.kill(name, this.#prng.chance(0.5), how)
  }

  #stopOrResume(name: NodeId): void {
    if (this.#stopped.delete(name)) {
      this.#trace(`${name} goes on`)
      this.#cluster.resume(name)
    } else if (this.#stopped.size === 0) {
      this.#trace(`${name} is stopped`)
      this.#stopped.add(name)
      this.#cluster.suspend(name)
    }
  }

  /** Checked when it comes back; of one that is not complete only what it has. */
  #searchOnce(member: Member, tenant: TenantId, mustBeWhole: boolean): Promise<void> {
    const { node } = member
    const request = {
      tenant,
      query: '*',
      range: RANGE,
      timeoutMs: 20_000,
      order: 'asc',
      limit: 10_000,
      page: 1,
    } as const
    const search = member.search.search({ ...request, total: 'exact' }, NEVER).then((answer) => {
      if (!node.life.isAlive) return
      if (answer.kind !== 'rows') throw new Error('rows were asked for')
      this.#searches++
      const { complete, missing } = answer.coverage
      if (mustBeWhole && !complete) throw new Violation('Q2', `${node.nodeId} misses ${JSON.stringify(missing)}`)
      const found = answer.logs.map((log) => {
        const { uid, id } = JSON.parse(log) as { uid: string; id: string }
        return { uid, id, tenant, tier: 'segment' as const }
      })
      this.#ledger.checkAnswer(tenant, found, new Set(), () => true, mustBeWhole, this.#clock.nowMs())
    })
    return this.#watch(Promise.race([search, node.life.ended]))
  }

  /** Runs beside the schedule; what is not an operating error is a violation. */
  #watch(work: Promise<void>): Promise<void> {
    const watched = work
      .catch((error) => {
        this.#trace(asWeirError(error).message)
        if (!(error instanceof WeirError)) this.#violation ??= error
      })
      .finally(() => this.#background.delete(watched))
    this.#background.add(watched)
    return watched
  }

  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    if (this.#violation !== undefined) throw this.#violation
    for (const [name, { node }] of this.#cluster.members) {
      if (node.fatal !== undefined) throw new Violation('C2', `${name} failed for good: ${node.fatal.stack}`)
    }
  }

  async #passUntil(isDone: () => boolean, otherwise: string): Promise<void> {
    for (let passed = 0; !isDone(); passed += 500) {
      if (passed > PATIENCE_MS) throw new Violation('liveness', `${otherwise}: ${this.#describe()}`)
      await this.#pass(500)
    }
  }

  #describe(): string {
    return [...this.#cluster.members.values()].map(({ node }) => `${node.nodeId}: ${node.describe()}`).join('\n')
  }

  #entries() {
    const entries = [...this.#cluster.machine.registry.entries.values()]
    const ofShards = entries.filter(({ key }) => key.startsWith(SHARD_KEYS))
    return ofShards.map(({ key, value }) => ({ ...decodeShardEntry(value), shard: shardOfKey(key) }))
  }

  /** J5: whatever is trimmed is at or below the floor of every shard, as the registry has it. */
  #watchTrims(): void {
    const { journal, options } = this.#cluster.machine
    const { trim } = journal
    Object.defineProperty(journal, 'trim', {
      value: (lane: LaneId, upTo: number) => {
        const floors = this.#entries().map(({ floor }) => floor.sequence)
        if (floors.length < options.shardCount || floors.some((floor) => floor < upTo)) {
          this.#violation ??= new Violation('J5', `the lane is trimmed to ${upTo}, floors are ${floors.join(', ')}`)
        }
        trim.call(journal, lane, upTo)
      },
    })
  }

  /** All is well again, and everything is found from every node: in the end by nodes that have nothing but journal, registry and bucket. */
  async #finish(): Promise<void> {
    for (const name of this.#stopped) this.#cluster.resume(name)
    this.#stopped.clear()
    await this.#passUntil(() => this.#starting.size === 0, 'nodes do not start')
    for (const name of NAMES) if (!this.#cluster.members.has(name)) this.#start(name)
    this.#cluster.tellAll()
    await this.#checkAll('after the last fault')
    for (const name of NAMES) this.#cluster.kill(name, false, 'disk lost')
    for (const name of FRESH_NAMES) this.#start(name)
    await this.#checkAll('without any disk')
    for (const name of FRESH_NAMES) this.#cluster.kill(name, false)
  }

  async #checkAll(when: string): Promise<void> {
    this.#trace(`check ${when}`)
    await this.#passUntil(() => this.#background.size === 0, `clients and starts do not come to an end ${when}`)
    // Who was stopped hears what happened meanwhile.
    await this.#pass(HEARD_AFTER_MS)
    await this.#passUntil(() => this.#isSettled(), `the shards do not settle ${when}`)
    for (const member of this.#cluster.members.values()) {
      for (const tenant of TENANTS) void this.#searchOnce(member, tenant, true)
    }
    await this.#passUntil(() => this.#background.size === 0, `searches do not come to an end ${when}`)
  }

  /** Every shard has one owner, whom the registry names, and who has applied all there is. */
  #isSettled(): boolean {
    const { lastSequence } = this.#cluster.machine.journal.lane(LANE)
    const members = [...this.#cluster.members.values()]
    return this.#entries().every(({ owner, epoch, shard }) => {
      const holders = members.flatMap(({ node }) => {
        const hosted = [...node.shards.values()].find((held) => held.epoch === epoch && held.shard === shard)
        return hosted === undefined ? [] : [{ nodeId: node.nodeId, applied: hosted.store.applied.sequence }]
      })
      return holders.length === 1 && holders[0]!.nodeId === owner && holders[0]!.applied >= lastSequence
    })
  }
}
