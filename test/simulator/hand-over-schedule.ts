import { publishedOf } from '../../actors/shard-ledger.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import { comparePositions, POSITION_ZERO } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import type { ShardEntry } from '../../storage/manifest.ts'
import { decodeShardEntry, shardEntryKey } from '../../storage/manifest.ts'
import { MemoryObjectStore } from '../harness/memory-object-store.ts'
import { SimulatedClock } from '../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../harness/simulated-registry.ts'
import { Lane } from './lane.ts'
import { LaneTraffic } from './lane-traffic.ts'
import { Violation } from './ledger.ts'
import { PortTrouble, TROUBLE_LINGERS_MS } from './port-trouble.ts'
import { PublishedRows } from './published-rows.ts'
import type { ShardWorld } from './shard-node.ts'
import { SHARD, ShardMachine, type ShardNode } from './shard-node.ts'
import { RETENTION_DAYS, TENANTS } from './workload.ts'

/** What a schedule went through, for the summary of a run. */
export interface HandOverSummary {
  readonly frames: number
  readonly owners: number
  readonly checks: number
  readonly segments: number
  /** Questions to an owner that were answered, and that were refused. */
  readonly answered: number
  readonly refused: number
  /** Steps of publishing that failed because another owner had the shard. */
  readonly fenced: number
}

const STEPS = 60
const STARTS_MS = [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1, 23, 58)]
const PATIENCE_MS = 300_000
/** What comes of being too late: another node was quicker, or knows more. */
const RACES = [
  'epoch_fenced',
  'revision_conflict',
  'shard_unavailable',
  'actor_stopped',
  'deadline_exceeded',
  'mailbox_full',
]

interface Seat {
  readonly machine: ShardMachine
  node: ShardNode | undefined
  isStarting: boolean
}

/**
 * One shard that changes its owner, all of it from the seed: two or three nodes follow one lane, each by fits and starts and cutting where it will; at any
 * moment one claims the shard, hears late of another, is stopped and goes on as if nothing had happened, publishes without being the owner any more, dies,
 * comes back with its disk or without, meets ports that fail. Throws a Violation when a row is lost, found twice, or published twice, and when
 * a node that is not the owner writes or answers as if it were.
 */
export async function runHandOver(seed: number, trace?: (line: string) => void): Promise<HandOverSummary> {
  return new HandOver(seed, trace).run()
}

class HandOver {
  readonly #prng: Prng
  readonly #clock: SimulatedClock
  readonly #lane = new Lane()
  readonly #traffic: LaneTraffic
  readonly #registry = new SimulatedRegistry()
  readonly #objects = new MemoryObjectStore()
  readonly #published: PublishedRows
  readonly #trouble: PortTrouble
  readonly #seats: Seat[]
  readonly #trace: (line: string) => void
  #violation: Error | undefined
  /** Entries of the registry that are still to be checked. */
  #unchecked: ShardEntry[] = []
  #checks = 0
  #answered = 0
  #refused = 0
  #fenced = 0

  constructor(seed: number, trace: (line: string) => void = () => undefined) {
    this.#prng = new Prng(`hand-over/${seed}`)
    const prng = this.#prng
    this.#clock = new SimulatedClock(seed, prng.pick(STARTS_MS))
    this.#traffic = new LaneTraffic(prng.fork('traffic'), this.#lane)
    this.#published = new PublishedRows(this.#objects, this.#lane)
    this.#trouble = new PortTrouble(prng.fork('trouble'), this.#clock, this.#registry, this.#objects)
    this.#trace = (line) => trace(`${(this.#clock.monotonicMs() / 1000).toFixed(3)} ${line}`)
    const answerMsMax = prng.pick([0, 2, 20, 200])
    const delays = prng.fork('delays')
    const world: ShardWorld = {
      seed,
      clock: this.#clock,
      lane: this.#lane,
      registry: this.#registry,
      objects: this.#objects,
      retentionDays: RETENTION_DAYS,
      headsBytesMax: prng.chance(0.3) ? 4096 : 64 * 1024 * 1024,
      delay: () => {
        if (answerMsMax === 0) return Promise.resolve()
        // Now and then so long that an owner hears of its own change after that of the next.
        const ms = delays.random() * answerMsMax
        return this.#clock.sleep(delays.chance(0.02) ? 20 * ms : ms)
      },
      log: (level, message, fields) => this.#hear(level, message, fields),
    }
    this.#seats = Array.from({ length: prng.chance(0.6) ? 2 : 3 }, (_, i) => ({
      machine: new ShardMachine(world, `node-${i + 1}`),
      node: undefined,
      isStarting: false,
    }))
    this.#registry.pause = () => world.delay()
    for (const { machine } of this.#seats) this.#trouble.reach(machine.kv)
  }

  async run(): Promise<HandOverSummary> {
    const watch = this.#registry.connect().watch(shardEntryKey(SHARD), ({ value }) => {
      if (value !== undefined) this.#unchecked.push(decodeShardEntry(value))
    })
    await this.#clock.run(watch)
    for (const seat of this.#seats) this.#start(seat)
    for (let step = 0; step < STEPS; step++) {
      this.#act()
      await this.#pass(this.#prng.chance(0.1) ? this.#prng.below(40_000) : this.#prng.exponential(400))
    }
    await this.#finish()
    return {
      frames: this.#traffic.frames,
      owners: this.#entry()?.epoch ?? 0,
      checks: this.#checks,
      segments: [...this.#objects.objects.keys()].filter((key) => key.endsWith('.seg')).length,
      answered: this.#answered,
      refused: this.#refused,
      fenced: this.#fenced,
    }
  }

  #act(): void {
    const prng = this.#prng
    const seat = prng.pick(this.#seats)
    const { node } = seat
    const action = prng.below(100)
    if (action < 28) for (let i = prng.between(1, 6); i > 0; i--) this.#append()
    else if (node === undefined) this.#start(seat)
    else if (node.life.isSuspended && prng.chance(0.3)) this.#resume(node)
    else if (!node.isOwner && node.isLeftBehind(this.#entry())) this.#openAnew(seat, node)
    else if (action < 36) this.#background(`search of ${node.name}`, node, () => this.#check(node))
    else if (action < 42) for (const { node: asked } of this.#seats) this.#ask(asked)
    else if (action < 54) this.#cut(node)
    else if (action < 66) this.#publish()
    else if (action < 69) this.#background(`sweep of ${node.name}`, node, () => node.sweep())
    else if (action < 80) this.#background(`${node.name} hears`, node, () => node.hear())
    else if (action < 88) this.#claim(node)
    else if (action < 91) this.#suspend(node)
    else if (action < 94) this.#die(seat)
    else if (action < 96) this.#trace(this.#trouble.turn())
    else if (action < 99) this.#trim()
    else if (prng.chance(0.3)) this.#recreate()
  }

  // --- what comes -------------------------------------------------------------------------------------------------

  #append(): void {
    this.#traffic.append(this.#clock.nowMs())
  }

  /** J5: up to the floor that the registry has. */
  #trim(): void {
    const floor = this.#entry()?.floor
    if (floor === undefined || floor.generation !== this.#lane.generation) return
    this.#trace(`trim up to ${floor.sequence}`)
    this.#lane.trim(floor.sequence)
  }

  #recreate(): void {
    this.#trace('the lane is lost and made anew')
    this.#traffic.forgetBeyond(this.#entry()?.floor ?? POSITION_ZERO)
    this.#lane.recreate()
  }

  // --- what nodes do ----------------------------------------------------------------------------------------------

  #cut(node: ShardNode): void {
    const how = this.#prng.below(3)
    this.#trace(`${node.name} cuts ${['all', 'what is old', 'the largest'][how]}`)
    if (how === 0) void node.store.cut('all')
    else if (how === 1) void node.store.cut('old')
    else node.store.cutLargest()
  }

  /** Whoever believes to be the owner. */
  #publish(): void {
    const prng = this.#prng
    for (const { node } of this.#seats) {
      if (node === undefined || !node.isOwner) continue
      const kind = prng.chance(0.2) ? 'tidyUp' : 'publish'
      const everything = prng.chance(0.6)
      this.#background(`${kind} of ${node.name}`, node, () => node.ask(kind, everything))
    }
  }

  #claim(node: ShardNode): void {
    this.#background(`claim of ${node.name}`, node, async () => {
      this.#trace(`${node.name} is the owner under epoch ${await node.claim()}`)
      // The others hear of it at once, late, or by a publish that fails.
      for (const { node: other } of this.#seats) {
        if (other === undefined || other === node || this.#prng.chance(0.4)) continue
        this.#background(`${other.name} hears`, other, () => other.hear())
      }
    })
  }

  #start(seat: Seat): void {
    if (seat.isStarting || seat.node !== undefined) return
    this.#trace(`start of ${seat.machine.nodeId}`)
    seat.isStarting = true
    seat.machine.start().then(
      (node) => {
        seat.isStarting = false
        seat.node = node
        this.#trace(`${node.name} is there, at ${node.store.applied.sequence}`)
      },
      (error) => {
        seat.isStarting = false
        this.#expect(error, 'a start')
      },
    )
  }

  #openAnew(seat: Seat, node: ShardNode): void {
    this.#trace(`${node.name} is left behind at ${node.store.applied.sequence}`)
    node.life.resume()
    seat.node = undefined
    seat.isStarting = true
    const begin = () => {
      node.die('killed')
      seat.isStarting = false
      this.#start(seat)
    }
    node.close(true).then(begin, (error) => {
      this.#expect(error, `closing ${node.name}`)
      begin()
    })
  }

  #die(seat: Seat): void {
    const { node } = seat
    if (node === undefined) return
    const how = this.#prng.pick(['killed', 'power failure', 'power failure', 'disk lost'] as const)
    this.#trace(`${node.name}: ${how}`)
    node.die(how)
    seat.node = undefined
    this.#trouble.reach(seat.machine.kv)
  }

  #suspend(node: ShardNode): void {
    this.#trace(`${node.name} is stopped`)
    node.life.suspend()
  }

  #resume(node: ShardNode): void {
    this.#trace(`${node.name} goes on, ${node.isOwner ? `the owner under epoch ${node.shard.epoch}` : 'a follower'}`)
    node.life.resume()
    // Before it hears of anything.
    if (node.isOwner && this.#prng.chance(0.5)) {
      this.#background(`publish of ${node.name}`, node, () => node.ask('publish', true))
    }
  }

  // --- checks -----------------------------------------------------------------------------------------------------

  /** What a node finds now, whether it is the owner or not. */
  async #check(node: ShardNode): Promise<void> {
    for (const tenant of TENANTS) {
      const { applied, published } = node.store
      const found = await node.search(tenant)
      if (!node.life.isAlive) return
      this.#lane.checkFound(tenant, found, applied, published)
      this.#checks++
    }
  }

  /** C3: a query that knows the newest entry asks a node as if it were the owner; one that is not must refuse. */
  #ask(node: ShardNode | undefined): void {
    const entry = this.#entry()
    if (node === undefined || entry === undefined) return
    const { owner, epoch, floor, manifestObject } = entry
    this.#background(`question to ${node.name} under epoch ${epoch}`, node, async () => {
      const pinned = await this.#trouble.spare(() => publishedOf(entry, this.#objects))
      const share = {
        shard: SHARD,
        pin: { page: manifestObject, floor },
        hot: { as: 'owner', epoch },
        segments: true,
      } as const
      for (const tenant of TENANTS) {
        const { applied } = node.store
        const found = await node.answer(tenant, share)
        if (!node.life.isAlive) return
        if (found === undefined) {
          this.#refused++
          continue
        }
        if (owner !== node.machine.nodeId) {
          throw new Violation('C3', `${node.name} has answered under epoch ${epoch} of ${owner}`)
        }
        this.#lane.checkFound(tenant, found, applied, pinned)
        this.#answered++
      }
    })
  }

  async #checkEntries(): Promise<void> {
    for (let entry = this.#unchecked.shift(); entry !== undefined; entry = this.#unchecked.shift()) {
      const { owner, epoch, floor } = entry
      this.#trace(`entry: ${owner}, epoch ${epoch}, floor ${floor.generation}.${floor.sequence}`)
      const found = entry
      await this.#trouble.spare(() => this.#published.check(found))
    }
  }

  /** S3, S4: what is not published is beyond what is, and heads hold what the budget says. */
  #checkNode({ store, budget, name, life, fatal }: ShardNode): void {
    if (fatal !== undefined) throw new Violation('C2', `${name} failed for good: ${fatal.stack}`)
    if (!life.isAlive) return
    let bytes = 0
    for (const partition of store.openDays()) {
      for (const { tenant, day, head, frozen, unpublished } of partition.tenants()) {
        const through = store.published.publishedThrough(tenant, day)
        const heads = head === undefined ? frozen : [...frozen, head]
        for (const { generation, firstSequence } of [...heads, ...unpublished]) {
          if (comparePositions({ generation, sequence: firstSequence }, through) > 0) continue
          throw new Violation(
            'C7',
            `${name} has ${tenant} from ${firstSequence}, published through ${through.sequence}`,
          )
        }
        for (const { byteSize } of heads) bytes += byteSize
      }
    }
    if (bytes !== budget.bytes)
      throw new Violation('S4', `${name} has heads of ${bytes} bytes, counted ${budget.bytes}`)
  }

  // --- time and trouble -------------------------------------------------------------------------------------------

  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    if (this.#violation !== undefined) throw this.#violation
    for (const { node } of this.#seats) if (node !== undefined) this.#checkNode(node)
    await this.#checkEntries()
  }

  async #passUntil(isDone: () => boolean, what: string): Promise<void> {
    for (let passed = 0; !isDone(); passed += 200) {
      if (passed > PATIENCE_MS) throw new Violation('liveness', what)
      await this.#pass(200)
    }
  }

  /** A process that is stopped does it when it goes on. */
  #background(what: string, node: ShardNode, work: () => Promise<unknown>): void {
    node.life.awake(() => {
      if (!node.life.isAlive) return
      this.#trace(what)
      work().catch((error) => {
        if (node.life.isAlive) this.#expect(error, what)
      })
    })
  }

  /** Ports fail in times of trouble; a fenced owner is told so. */
  #expect(error: unknown, what: string): void {
    const { code, message } = asWeirError(error)
    this.#trace(`${what} failed: ${message}`)
    if (code === 'epoch_fenced') this.#fenced++
    const isTrouble = code === 'storage_unavailable' && this.#trouble.isOn
    if (error instanceof WeirError && (isTrouble || RACES.includes(code))) return
    this.#violation ??= error instanceof Error ? error : new Error(String(error))
  }

  #hear(level: string, message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#trace(`${level}: ${message} ${JSON.stringify(fields)}`)
    if (level === 'error') this.#violation ??= new Violation('log', `${message} ${JSON.stringify(fields)}`)
  }

  #entry(): ShardEntry | undefined {
    const known = this.#registry.entries.get(shardEntryKey(SHARD))
    return known === undefined ? undefined : decodeShardEntry(known.value)
  }

  // --- the end ----------------------------------------------------------------------------------------------------

  /** All is well again: one node owns the shard, and everything is published and found, in the end on nothing but the registry and the objects. */
  async #finish(): Promise<void> {
    this.#trouble.end()
    for (const { node } of this.#seats) node?.life.resume()
    await this.#pass(TROUBLE_LINGERS_MS)
    await this.#settle('after the last fault')
    for (const seat of this.#seats) {
      seat.node?.die('disk lost')
      seat.node = undefined
    }
    await this.#settle('without the local disks')
    for (const { node } of this.#seats) node?.die('killed')
  }

  async #settle(when: string): Promise<void> {
    this.#trace(`settle ${when}`)
    this.#append()
    for (const seat of this.#seats) this.#start(seat)
    await this.#passUntil(() => this.#seats.every(({ node }) => node !== undefined), `not all nodes are there ${when}`)
    // One that was replaced without knowing still thinks that it has the shard.
    const hearAll = () => Promise.all(this.#seats.map(({ node }) => node!.hear()))
    await this.#do(hearAll, `not all nodes hear ${when}`)
    const isFed = () => {
      for (const seat of this.#seats) {
        const { node } = seat
        if (node !== undefined && !node.isOwner && node.isLeftBehind(this.#entry())) this.#openAnew(seat, node)
      }
      return this.#seats.every(
        ({ node }) => node !== undefined && comparePositions(node.store.applied, this.#lane.last) >= 0,
      )
    }
    await this.#passUntil(isFed, `the lane is not applied ${when}`)
    const nodes = this.#seats.map(({ node }) => node!)
    const chosen = this.#prng.pick(nodes)
    await this.#do(() => chosen.claim(), `the shard has no owner ${when}`)
    await this.#checkAll(nodes)
    await this.#do(() => chosen.ask('publish', true), `nothing is published ${when}`)
    const { floor } = this.#entry()!
    if (comparePositions(floor, this.#lane.last) < 0)
      throw new Violation('S3', `the floor is ${floor.sequence} ${when}`)
    await this.#do(hearAll, `not all nodes hear ${when}`)
    await this.#pass(20_000)
    for (const node of nodes) {
      await this.#do(() => node.sweep(), `${node.name} does not sweep ${when}`)
      const days = [...node.store.openDays()].length
      if (days > 0) throw new Violation('S2', `${node.name} keeps ${days} days that hold nothing ${when}`)
      if (node.budget.bytes > 0) throw new Violation('S4', `${node.name} has heads of ${node.budget.bytes} bytes`)
    }
    await this.#checkAll(nodes)
  }

  async #checkAll(nodes: readonly ShardNode[]): Promise<void> {
    for (const node of nodes) await this.#do(() => this.#check(node), `a search on ${node.name} does not end`)
  }

  /** Passes the time that `work` takes. What it fails with is a violation. */
  async #do(work: () => Promise<unknown>, otherwise: string): Promise<void> {
    let isDone = false
    work().then(
      () => {
        isDone = true
      },
      (error) => {
        this.#violation ??= error
      },
    )
    await this.#passUntil(() => isDone, otherwise)
  }
}
