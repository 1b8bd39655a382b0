import assert from 'node:assert/strict'
import { systemClock } from '../../base/clock.ts'
import { Prng } from '../../base/prng.ts'
import type { ClusterNode } from '../harness/cluster-processes.ts'
import { ChaosCluster } from './chaos-cluster.ts'
import type { FaultKind } from './faults.ts'
import { BATCH_ROWS, ChaosLedger, groupCount } from './ledger.ts'
import { ChaosLoad } from './load.ts'
import { type FaultRecord, faultTable, seconds } from './report.ts'
import { ChaosSearches } from './searches.ts'

const POLL_MS = 100
const CALM_MS = 3000
/** Every search must be complete again this long after a fault is over; the machine may be busy with other tests. */
const COMPLETE_MS_MAX = 60_000
const WHOLE_MS_MAX = 60_000
const SHARDS = 12
/** So long at most until every shard was published, and the journal trimmed behind them. */
const PUBLISHED_MS = 300_000
/** Two for each node that there may be. */
const SENDERS = 10
/** A table has 10,000 rows at most: batches are counted in as many parts. */
const COUNT_PARTS = 32

export interface ChaosRunOptions {
  readonly seed: string
  readonly nodes: number
  readonly recordsPerSecond: number
  /** Faults last no longer than this. */
  readonly holdMsMax: number
  readonly say: (line: string) => void
}

/** A cluster under load and searches, to which faults happen one after another. */
export class ChaosRun {
  readonly cluster: ChaosCluster
  readonly ledger: ChaosLedger
  readonly #options: ChaosRunOptions
  readonly #prng: Prng
  readonly #load: ChaosLoad
  readonly #searches: ChaosSearches
  readonly #records: FaultRecord[] = []
  /** Times that were too long. */
  readonly #late: string[] = []
  readonly #startMs = systemClock.monotonicMs()
  #normalStallMs = 0
  #idsMade: number

  private constructor(options: ChaosRunOptions, cluster: ChaosCluster, prng: Prng) {
    this.#options = options
    this.#prng = prng
    this.cluster = cluster
    this.#idsMade = options.nodes
    this.ledger = new ChaosLedger(SHARDS)
    this.#searches = new ChaosSearches({ ledger: this.ledger, seed: options.seed })
    for (const node of cluster.nodes) this.#searches.watch(node)
    this.#load = new ChaosLoad({
      ledger: this.ledger,
      nodes: () => cluster.nodes,
      senders: SENDERS,
      recordsPerSecond: options.recordsPerSecond,
    })
  }

  /** Starts servers and nodes, load and searches; the seed decides what the cluster is like. */
  static async start(options: ChaosRunOptions): Promise<ChaosRun> {
    const prng = new Prng(`${options.seed}/run`)
    const settings = {
      shards: SHARDS,
      'journal.lanes': prng.between(1, 2),
      workers: prng.between(1, 2),
      'replicas.standby': prng.between(0, 1),
      // Heads become blocks all the time, so that there is something to publish.
      'limits.headsBytes': 1024 * 1024,
      // Some clusters read all that is published from the bucket, each time.
      'cache.bytesMax': prng.chance(0.3) ? 0 : 1024 ** 3,
    }
    options.say(`seed ${options.seed}: ${options.nodes} nodes, ${JSON.stringify(settings)}`)
    const ownNetworks = prng.chance(0.5)
    const cluster = await ChaosCluster.start({ settings, ownNetworks })
    try {
      options.say(`logs of the nodes: ${cluster.logs}`)
      const ids = Array.from({ length: options.nodes }, (_, i) => `node-${i + 1}`)
      await Promise.all(ids.map((id) => cluster.startNode(id)))
      const run = new ChaosRun(options, cluster, prng)
      await run.#calm()
      return run
    } catch (error) {
      options.say(cluster.logTails())
      await cluster.remove({ keepLogs: true })
      throw error
    }
  }

  /** One fault from its beginning until all is well again and nothing is lost. */
  async suffer(kind: FaultKind): Promise<void> {
    const { cluster } = this
    const context = { cluster, searches: this.#searches, prng: this.#prng, newId: () => `node-${++this.#idsMade}` }
    const calmMs = systemClock.monotonicMs()
    await systemClock.sleep(CALM_MS)
    const before = await cluster.shards(this.#observer([]))
    const { victims, holdMs, inject, heal } = await kind.prepare(context)
    const others = cluster.ids.filter((id) => !victims.includes(id))
    const startMs = systemClock.monotonicMs()
    this.#normalStallMs = Math.max(this.#normalStallMs, this.#load.longestGap(cluster.ids, calmMs, startMs))
    await inject()
    await systemClock.sleep(Math.min(holdMs, this.#options.holdMsMax))
    // What the cluster does without must be made up for before it comes back.
    if (kind.recoversFrom === 'beginning') await this.#complete(others, startMs, kind.name)
    const healMs = systemClock.monotonicMs()
    await heal()
    const isBackMs = systemClock.monotonicMs()
    await this.#complete(cluster.ids, isBackMs, kind.name)
    await this.#calm()
    const endMs = systemClock.monotonicMs()
    const [fromMs, toMs] = kind.recoversFrom === 'beginning' ? [startMs, healMs] : [isBackMs, endMs]
    const recoveryMs = Math.max(...others.map((id) => this.#searches.recoveredAfter(id, fromMs, toMs) ?? Infinity))
    const stallMs = this.#load.longestGap(others, startMs, endMs)
    const errors = new Map([...this.#load.errors(startMs, endMs), ...this.#searches.troubles(startMs, endMs)])
    this.#records.push({ kind: kind.name, recoveryMs, stallMs, errors })
    this.#options.say(
      `${kind.name} (${victims.join() || 'all'}, ${Math.round(startMs)}): complete after ${seconds(recoveryMs)}, ` +
        `longest stall ${seconds(stallMs)} (normal ${seconds(this.#normalStallMs)}), ${JSON.stringify([...errors])}`,
    )
    await this.everyBatchIsWhole()
    if (kind.recoveryMsMax !== undefined && recoveryMs > kind.recoveryMsMax) {
      this.#late.push(`${kind.name}: searches were complete after ${seconds(recoveryMs)}`)
    }
    if (kind.stallMsMax !== undefined && stallMs > kind.stallMsMax + this.#normalStallMs) {
      this.#late.push(`${kind.name}: appends through other nodes stalled for ${seconds(stallMs)}`)
    }
    if (kind.keepsOwners === true) {
      assert.deepEqual(
        ownersOf(await cluster.shards(this.#observer([]))),
        ownersOf(before),
        `${kind.name} moves no shard`,
      )
    }
    this.mustHold()
  }

  /** Throws what rules did not hold so far. */
  mustHold(): void {
    const { violations } = this.ledger
    assert.deepEqual(violations.slice(0, 10), [], `${violations.length} rules did not hold`)
  }

  /** Every node finds every batch that is acknowledged by now, whole. */
  async everyBatchIsWhole(): Promise<void> {
    const untilMs = systemClock.monotonicMs()
    for (const node of this.cluster.nodes) await this.#findsEveryBatch(node, untilMs)
  }

  /** Ends the load; then every node must find every acknowledged record once. Says what the faults did. */
  async finish(): Promise<void> {
    const { cluster, ledger } = this
    await this.#load.end()
    await this.#searches.end()
    await this.everyBatchIsWhole()
    for (const node of cluster.nodes) ledger.checkAll(await allUids(node), node.id)
    this.mustHold()
    const { shards, trimmed } = await cluster.published(this.#observer([]))
    this.#options.say(`\n${this.#summary()}\npublished: ${shards} of ${SHARDS} shards; frames trimmed: ${trimmed}`)
    // Every shard is published once a minute.
    if (systemClock.monotonicMs() - this.#startMs > PUBLISHED_MS)
      assert(shards === SHARDS && trimmed > 0, 'all is published')
    assert.deepEqual(this.#late, [], 'everything was in time')
  }

  #summary(): string {
    const { ledger } = this
    const acknowledged = ledger.acknowledged().length * BATCH_ROWS
    const searches = (['complete', 'partial', 'failed'] as const).map((o) => `${this.#searches.count(o)} ${o}`)
    return [
      faultTable(this.#records),
      `${acknowledged} records acknowledged, missing 0, duplicates 0; ${ledger.uncertain * BATCH_ROWS} sent without a key and not acknowledged`,
      `searches: ${searches.join(', ')}; answers checked: ${ledger.checkedAnswers}`,
      `normal stall of appends: ${seconds(this.#normalStallMs)}`,
    ].join('\n')
  }

  /** Ends everything; the logs of the nodes stay where something was wrong. */
  async stop(isWell: boolean): Promise<void> {
    await this.#searches.end()
    await this.#load.abandon()
    await this.cluster.remove({ keepLogs: !isWell })
  }

  #observer(not: readonly string[]): ClusterNode {
    return this.cluster.nodes.find(({ id }) => !not.includes(id))!
  }

  /** The shards are where they belong and every search is complete. */
  async #calm(): Promise<void> {
    const { cluster } = this
    for (const node of cluster.nodes) await cluster.processes.settled(node, cluster.ids)
    await this.#complete(cluster.ids, systemClock.monotonicMs(), 'calm')
  }

  async #complete(ids: readonly string[], sinceMs: number, what: string): Promise<void> {
    await within(
      COMPLETE_MS_MAX,
      () => this.#searches.areComplete(ids, sinceMs),
      () => {
        const troubles = [...this.#searches.troubles(sinceMs, systemClock.monotonicMs())]
        return `${what}: searches through ${ids} are not complete again: ${JSON.stringify(troubles)}`
      },
    )
  }

  async #findsEveryBatch(node: ClusterNode, untilMs: number): Promise<void> {
    const { ledger } = this
    let told = ''
    await within(
      WHOLE_MS_MAX,
      async () => {
        const counts = await batchCounts(node)
        if (counts === undefined) return false
        const lacking = ledger.lacking(counts, untilMs, node.id)
        const examples = lacking
          .slice(0, 5)
          .map(({ number }) => `${ledger.describe(number)}: ${counts.get(number) ?? 0}`)
        told = `${lacking.length} of ${counts.size}: ${examples.join('; ')}`
        return lacking.length === 0
      },
      () => `${node.id} does not find every acknowledged batch whole: ${told}`,
    )
  }
}

/** The uid of every record that a node finds; again from the beginning when it could not tell completely. */
async function allUids({ id, client }: ClusterNode): Promise<readonly string[]> {
  let uids: readonly string[] | undefined
  let told = ''
  await within(
    WHOLE_MS_MAX,
    async () => {
      uids = await client.uids().catch((error: Error) => {
        told = error.message
        return undefined
      })
      return uids !== undefined
    },
    () => `${id} does not give all records: ${told}`,
  )
  return uids!
}

/** How many records of each batch the node finds; undefined when it cannot tell completely. */
async function batchCounts({ client }: ClusterNode): Promise<ReadonlyMap<number, number> | undefined> {
  const counts = new Map<number, number>()
  const step = groupCount() / COUNT_PARTS
  for (let first = 0; first < groupCount(); first += step) {
    const query = `group:[${first} TO ${first + step - 1}] | stats count() as n by batch`
    const { rows, coverage } = await client.search({ query, from: 0, to: 'now+2d', limit: 10_000 })
    if (!coverage.complete) return undefined
    for (const { batch, n } of rows as { batch: string; n: number }[]) counts.set(Number(batch), n)
  }
  return counts
}

async function within(msMax: number, isTrue: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const untilMs = systemClock.monotonicMs() + msMax
  while (!(await isTrue())) {
    assert(systemClock.monotonicMs() < untilMs, what())
    await systemClock.sleep(POLL_MS)
  }
}

function ownersOf(
  shards: readonly { readonly shard: number; readonly owner: string | null; readonly epoch: number }[],
) {
  return shards.map(({ shard, owner, epoch }) => `${shard}: ${owner} ${epoch}`)
}
