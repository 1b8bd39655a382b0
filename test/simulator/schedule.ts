import { asWeirError, WeirError } from '../../base/errors.ts'
import type { LaneId, TenantId } from '../../base/ids.ts'
import { comparePositions } from '../../base/ids.ts'
import { SPREAD_KEY_LEAD_MS, SPREAD_SETTLE_MS, SPREAD_SLOTS_MAX } from '../../base/limits.ts'
import { Prng } from '../../base/prng.ts'
import { decodeShardEntry, SHARD_KEYS } from '../../storage/manifest.ts'
import { SimulatedMachine, SimulatedNode } from '../harness/simulated-node.ts'
import { Ledger, Violation } from './ledger.ts'
import { makeRequest, RETENTION_DAYS, SERVICES, sendRequest, TENANTS } from './workload.ts'

/** What a schedule went through, for the summary of a run. */
export interface ScheduleSummary {
  readonly requests: number
  readonly checks: number
  readonly boots: number
  readonly segments: number
  readonly merged: number
}

const START_TROUBLE_MS = 4000
const START_MS_MAX = 60_000
const STEPS = 20
/** Until everything is read again after the last fault, ms. */
const CATCH_UP_MAX_MS = 120_000
/** A port that works again may be noticed this late. */
const TROUBLE_LINGERS_MS = 5000
/** Half of the schedules cross a midnight, when a day ends its time. */
const STARTS_MS = [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1, 23, 56)]

/** Kinds of trouble that a schedule may have for a while: which port, and how often a call of it fails. */
interface Trouble {
  readonly port: 'kv' | 'objects' | 'journal' | 'registry'
  readonly probability: number
}

/**
 * One node, one random life of it, all of it from the seed: requests of several tenants, services and days with retries, searches, crashes at any
 * await, faults of every port. Throws a Violation when a rule does not hold.
 */
export async function runSchedule(seed: number, trace?: (line: string) => void): Promise<ScheduleSummary> {
  return new Schedule(seed, trace).run()
}

class Schedule {
  readonly #prng: Prng
  readonly #machine: SimulatedMachine
  readonly #ledger = new Ledger(RETENTION_DAYS)
  readonly #trace: (line: string) => void
  #node: SimulatedNode | undefined
  #isReady = false
  #troubles: Trouble[] = []
  #violation: Error | undefined
  #merged = 0
  readonly #clients = new Set<Promise<void>>()

  constructor(seed: number, trace: (line: string) => void = () => undefined) {
    this.#prng = new Prng(`schedule/${seed}`)
    const prng = this.#prng
    this.#trace = (line) => trace(`${(this.#machine.clock.monotonicMs() / 1000).toFixed(3)} ${line}`)
    const shardCount = prng.between(1, 4)
    this.#machine = new SimulatedMachine({
      seed,
      shardCount,
      laneCount: prng.chance(0.2) ? Math.min(2, shardCount) : 1,
      headsBytesMax: prng.chance(0.3) ? 4096 : 64 * 1024 * 1024,
      retentionDays: RETENTION_DAYS,
      startMs: prng.pick(STARTS_MS),
      answerMsMax: prng.pick([0, 2, 20, 200]),
      log: (level, message, fields) => this.#hear(level, message, fields),
    })
    this.#installFaults()
  }

  async run(): Promise<ScheduleSummary> {
    await this.#boot()
    for (let step = 0; step < STEPS; step++) {
      await this.#act()
      await this.#pass(this.#prng.chance(0.2) ? this.#prng.below(40_000) : this.#prng.exponential(800))
    }
    await this.#finish()
    const { checks, requests } = this.#ledger
    const segments = [...this.#machine.objects.objects.keys()].filter((key) => key.endsWith('.seg')).length
    return { requests: requests.length, checks, boots: this.#machine.boots, segments, merged: this.#merged }
  }

  async #act(): Promise<void> {
    const prng = this.#prng
    const action = prng.below(100)
    if (action < 6) await this.#spread()
    else if (action < 46) for (let i = prng.between(1, 3); i > 0; i--) this.#send()
    else if (action < 55) void this.#search()
    else if (action < 72) await this.#ask()
    else if (action < 82) this.#makeTrouble()
    else if (action < 85) await this.#pass(prng.between(60_000, 900_000))
    else if (action < 95) await this.#interrupt()
    else await this.#stop()
  }

  // --- time -------------------------------------------------------------------------------------------------------

  async #pass(ms: number): Promise<void> {
    await this.#machine.clock.advance(ms)
    if (this.#violation !== undefined) throw this.#violation
    const fatal = this.#node?.fatal
    if (fatal !== undefined) throw new Violation('C2', `an actor failed for good: ${fatal.stack}`)
    this.#checkFloors()
  }

  /** S3: what is not published is above the floor. */
  #checkFloors(): void {
    const node = this.#node
    if (node === undefined || !node.life.isAlive) return
    for (const [shard, { store }] of node.shards) {
      const { floor } = store.published
      const isAbove = (generation: number, sequence: number) => comparePositions({ generation, sequence }, floor) > 0
      for (const partition of store.openDays()) {
        for (const { head, frozen, unpublished } of partition.tenants()) {
          const heads = head === undefined ? frozen : [...frozen, head]
          const areAbove =
            heads.every(({ generation, firstSequence }) => isAbove(generation, firstSequence)) &&
            unpublished.every(({ generation, firstSequence }) => isAbove(generation, firstSequence))
          if (!areAbove)
            throw new Violation('S3', `shard ${shard} has rows at or below its floor ${floor.sequence} unpublished`)
        }
      }
    }
  }

  /** Passes time until `isDone`, at most `msMax`. */
  async #passUntil(isDone: () => boolean, msMax: number, rule: string, what: string): Promise<void> {
    for (let passed = 0; !isDone(); passed += 500) {
      if (passed > msMax) throw new Violation(rule, `${what}: ${this.#node?.describe() ?? ''}`)
      await this.#pass(500)
    }
  }

  #background(work: Promise<void>): Promise<void> {
    const watched = work
      .catch((error) => {
        this.#violation ??= error
      })
      .finally(() => this.#clients.delete(watched))
    this.#clients.add(watched)
    return watched
  }

  // --- life and death ---------------------------------------------------------------------------------------------

  /** Starts a process and waits until it is there; a start that a fault makes fail is tried again. */
  async #boot(): Promise<void> {
    for (let attempts = 0; ; attempts++) {
      if (await this.#startOnce(Number.POSITIVE_INFINITY)) return
      await this.#pass(1000)
      if (attempts > 5) this.#endTrouble()
    }
  }

  /** False when the start failed or was cut short after `killAfterMs`. */
  async #startOnce(killAfterMs: number): Promise<boolean> {
    const node = new SimulatedNode(this.#machine)
    this.#trace(`boot ${this.#machine.boots}`)
    this.#ledger.forgetVisible()
    this.#node = node
    this.#isReady = false
    let outcome: 'started' | 'failed' | undefined
    node.start().then(
      () => {
        outcome = 'started'
      },
      (error) => {
        this.#trace(`start failed: ${asWeirError(error).message}`)
        if (!(error instanceof WeirError)) this.#violation ??= error
        outcome = 'failed'
      },
    )
    for (let passed = 0; outcome === undefined && passed < killAfterMs; passed += 20) {
      // Whoever waits for the disk or the registry starts once they are back, and soon.
      if (passed === START_TROUBLE_MS) this.#endTrouble()
      if (passed > START_MS_MAX) throw new Violation('C7', 'the node does not start')
      await this.#pass(20)
    }
    if (outcome === 'started') {
      this.#isReady = true
      return true
    }
    if (outcome === 'failed' && this.#troubles.length === 0) throw new Violation('C7', 'the node does not start')
    node.kill()
    return false
  }

  /** The process dies, or the machine; starts again, and maybe dies during the recovery. */
  async #interrupt(): Promise<void> {
    const prng = this.#prng
    this.#die()
    if (prng.chance(0.3)) await this.#pass(prng.below(5000))
    while (prng.chance(0.35)) {
      await this.#startOnce(prng.below(1000))
      if (this.#isReady) await this.#pass(prng.below(300))
      this.#die()
    }
    await this.#boot()
  }

  #die(): void {
    const prng = this.#prng
    const node = this.#node
    if (node === undefined) return
    const how = prng.pick(['killed', 'power failure', 'power failure', 'disk lost'] as const)
    this.#trace(how)
    if (how === 'killed') node.kill()
    else node.crash()
    if (how === 'disk lost') {
      this.#machine.loseDisk()
      this.#installFaults()
    }
    this.#isReady = false
  }

  async #stop(): Promise<void> {
    const node = this.#node!
    this.#trace('graceful stop')
    this.#isReady = false
    let isStopped = false
    void node.stop(8000).then(() => {
      isStopped = true
    })
    for (let passed = 0; !isStopped && passed < 10_000; passed += 100) await this.#pass(100)
    node.kill()
    await this.#boot()
  }

  // --- what clients and timers do ----------------------------------------------------------------------------------

  #send(): void {
    const { clock, options } = this.#machine
    // A request that failed on the lane of its key's home, and not on others, is not known there when the key comes with other records.
    const mayMisuse = options.laneCount === 1
    const request = makeRequest(this.#prng, this.#ledger, clock.nowMs(), mayMisuse)
    const client = {
      prng: this.#prng.fork(request.number),
      ledger: this.#ledger,
      clock,
      node: () => (this.#isReady ? this.#node : undefined),
      attemptsMax: 6,
    }
    void this.#background(sendRequest(request, client))
  }

  /** A service becomes hot, and its new slots are used. */
  async #spread(): Promise<void> {
    const node = this.#node
    if (node === undefined || !this.#isReady) return
    const tenant = this.#prng.pick(TENANTS)
    const service = this.#prng.pick(SERVICES)
    const slots = Math.min(2 * node.spread.latest(tenant, service).slots, SPREAD_SLOTS_MAX)
    if (slots === node.spread.latest(tenant, service).slots) return
    this.#trace(`spread ${service} of ${tenant} over ${slots} slots`)
    node.spread.raise(tenant, service, slots, 0).catch((error) => {
      if (!(error instanceof WeirError)) this.#violation ??= error
    })
    if (this.#prng.chance(0.3)) return
    await this.#pass(this.#prng.pick([SPREAD_SETTLE_MS, SPREAD_KEY_LEAD_MS]) + this.#prng.below(5000))
    for (let requests = this.#prng.between(1, 4); requests > 0; requests--) this.#send()
  }

  /** A search, which the schedule goes on under; checked when it comes back. */
  #search(): Promise<void> {
    const service = this.#prng.chance(0.5) ? this.#prng.pick(SERVICES) : undefined
    return this.#background(this.#searchOnce(this.#prng.pick(TENANTS), false, service))
  }

  async #searchOnce(tenant: TenantId, isWhole: boolean, service: string | undefined): Promise<void> {
    const node = this.#node
    if (node === undefined || !this.#isReady) return
    const mustSee = this.#ledger.visibleNow(tenant)
    const text = service === undefined ? '*' : `service:${service}`
    const wasTroubled = this.#isTroubled()
    const search = node.search(tenant, text)
    const found = await Promise.race([search, node.life.ended.then(() => undefined)]).catch((error) => {
      const isExpected = wasTroubled || this.#isTroubled() || !this.#isReady
      if (!(error instanceof WeirError && isExpected)) throw error
      return undefined
    })
    if (found === undefined || !node.life.isAlive) return
    const matches = (record: { service: string }) => service === undefined || record.service === service
    this.#ledger.checkAnswer(tenant, found, mustSee, matches, isWhole, this.#machine.clock.nowMs())
    this.#trace(`search of ${tenant} ${text} found ${found.length}`)
  }

  /** What else happens on time, sooner, and side by side. */
  async #ask(): Promise<void> {
    const prng = this.#prng
    const node = this.#node
    if (node === undefined || !this.#isReady) return
    for (let times = prng.between(1, 3); times > 0; times--) {
      for (const { publisher, store } of node.shards.values()) {
        if (prng.chance(0.5)) continue
        const action = prng.below(4)
        if (action === 0) void store.cut('all')
        else if (publisher === undefined) continue
        else if (action === 1) publisher.tell({ kind: 'tidyUp' })
        else publisher.tell({ kind: 'publish', everything: action === 2 })
      }
      if (prng.chance(0.3)) this.#send()
      for (let searches = prng.below(3); searches > 0; searches--) {
        await this.#pass(prng.exponential(20))
        void this.#search()
      }
      await this.#pass(prng.exponential(50))
      if (!this.#isReady || !node.life.isAlive) return
    }
  }

  // --- trouble ----------------------------------------------------------------------------------------------------

  /** Until when errors are no surprise: those of ports linger in what they interrupted. */
  #troubleUntilMs = 0

  #makeTrouble(): void {
    const prng = this.#prng
    if (this.#troubles.length > 0 || prng.chance(0.3)) {
      this.#endTrouble()
      return
    }
    const port = prng.pick(['kv', 'objects', 'journal', 'registry'] as const)
    this.#troubles.push({ port, probability: prng.pick([0.1, 0.5, 1]) })
    this.#trace(`trouble: ${JSON.stringify(this.#troubles)}`)
  }

  #endTrouble(): void {
    if (this.#troubles.length === 0) return
    this.#trace('trouble is over')
    this.#troubles = []
    this.#troubleUntilMs = this.#machine.clock.monotonicMs() + TROUBLE_LINGERS_MS
  }

  #isTroubled(): boolean {
    return this.#troubles.length > 0 || this.#machine.clock.monotonicMs() < this.#troubleUntilMs
  }

  #fails(port: Trouble['port']): boolean {
    return this.#troubles.some((trouble) => trouble.port === port && this.#prng.chance(trouble.probability))
  }

  #installFaults(): void {
    const { kv, journal, registry, objects } = this.#machine
    const fault = (port: Trouble['port']) => {
      if (!this.#fails(port)) return undefined
      const error = new WeirError('storage_unavailable', `${port}: no space is left on the device`)
      return { when: this.#prng.chance(0.7) ? ('before' as const) : ('after' as const), error }
    }
    kv.fault = (call) => {
      const found = fault('kv')
      return found !== undefined && call === 'open' ? { ...found, when: 'before' } : found
    }
    kv.pause = () => this.#machine.answerDelay()
    journal.fault = () => fault('journal')
    journal.pause = () => this.#machine.answerDelay()
    registry.fault = () => fault('registry')
    registry.pause = () => this.#machine.answerDelay()
    objects.fault = () => {
      const found = fault('objects')
      return found === undefined ? undefined : { kind: found.when, error: found.error }
    }
    this.#watchTrims()
  }

  /** J5: whatever is trimmed is below the floor of every shard of the lane, as the registry has it. */
  #watchTrims(): void {
    const { journal, registry, options } = this.#machine
    const { trim } = journal
    if (Object.hasOwn(journal, 'trim')) return
    Object.defineProperty(journal, 'trim', {
      value: (lane: LaneId, upTo: number) => {
        const entries = [...registry.entries.values()].filter(({ key }) => key.startsWith(SHARD_KEYS))
        const floors = entries
          .filter(({ key }) => Number(key.slice(SHARD_KEYS.length)) % options.laneCount === lane)
          .map(({ value }) => decodeShardEntry(value).floor.sequence)
        if (floors.some((floor) => floor < upTo) || entries.length < options.shardCount) {
          this.#violation ??= new Violation('J5', `lane ${lane} is trimmed to ${upTo}, floors are ${floors.join(', ')}`)
        }
        trim.call(journal, lane, upTo)
      },
    })
  }

  #hear(level: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#trace(`${level}: ${message} ${JSON.stringify(fields)}`)
    if (level !== 'error') return
    if (message.startsWith('rows cannot be stored') && this.#isTroubled()) return
    this.#violation ??= new Violation('log', `${message} ${JSON.stringify(fields)}`)
  }

  // --- the end ----------------------------------------------------------------------------------------------------

  /** All is well again; now everything must be there, in the end on nothing but the journal, the registry and the objects. */
  async #finish(): Promise<void> {
    this.#endTrouble()
    await this.#passUntil(() => this.#clients.size === 0, 600_000, 'liveness', 'clients do not come to an end')
    await this.#pass(TROUBLE_LINGERS_MS)
    if (!this.#isReady) await this.#boot()
    await this.#checkAll('after the last fault')
    // S3: two minutes and the time of a publish.
    await this.#pass(150_000)
    this.#checkPublished()
    await this.#checkAll('when all is published')
    await this.#pass(700_000)
    await this.#checkAll('when what was superseded is gone')
    this.#checkLocalDisk()
    this.#node!.crash()
    this.#machine.loseDisk()
    this.#installFaults()
    await this.#boot()
    await this.#checkAll('without the local disk')
    this.#node!.kill()
  }

  async #checkAll(when: string): Promise<void> {
    this.#trace(`check ${when}`)
    const isCaughtUp = () => {
      const { shards } = this.#node!
      for (const { lane, store } of shards.values()) {
        if (store.applied.sequence < this.#machine.journal.lane(lane).lastSequence) return false
      }
      return true
    }
    await this.#passUntil(isCaughtUp, CATCH_UP_MAX_MS, 'liveness', `the journal is not applied ${when}`)
    for (const tenant of TENANTS) {
      await this.#checkWhole(tenant, undefined, when)
      await this.#checkWhole(tenant, this.#prng.pick(SERVICES), when)
    }
  }

  async #checkWhole(tenant: TenantId, service: string | undefined, when: string): Promise<void> {
    let isDone = false
    const search = this.#searchOnce(tenant, true, service).then(() => {
      isDone = true
    })
    search.catch((error) => {
      const message = error instanceof Error ? error.message : String(error)
      this.#violation ??= Object.assign(new Error(`${when}: ${message}`), { stack: error?.stack })
      isDone = true
    })
    await this.#passUntil(() => isDone, 60_000, 'liveness', `a search does not end ${when}`)
  }

  /** S3: nothing is left to publish. J5: nothing is left in the journal. */
  #checkPublished(): void {
    const { journal } = this.#machine
    for (const [shard, { lane, store }] of this.#node!.shards) {
      const { lastSequence, frames } = journal.lane(lane)
      const floor = store.published.floor.sequence
      if (floor < lastSequence) throw new Violation('S3', `shard ${shard} has floor ${floor} of ${lastSequence}`)
      if (frames.length > 0) throw new Violation('J5', `lane ${lane} still has ${frames.length} frames`)
    }
    if (this.#node!.budget.bytes !== 0) throw new Violation('S4', `heads hold ${this.#node!.budget.bytes} bytes`)
  }

  /** Days that hold nothing are closed and gone. */
  #checkLocalDisk(): void {
    for (const [shard, { store }] of this.#node!.shards) {
      const days = [...store.openDays()].length
      if (days > 0) throw new Violation('S2', `shard ${shard} keeps ${days} days that hold nothing`)
    }
  }
}
