import assert from 'node:assert/strict'
import type { Prng } from '../../base/prng.ts'
import type { ChaosCluster } from './chaos-cluster.ts'
import type { ChaosSearches } from './searches.ts'

export interface FaultContext {
  readonly cluster: ChaosCluster
  readonly searches: ChaosSearches
  readonly prng: Prng
  /** Makes the name of a node that there never was. */
  readonly newId: () => string
}

/** A fault that is about to happen. */
export interface Fault {
  /** Of whom nothing is asked while it lasts. */
  readonly victims: readonly string[]
  readonly inject: () => Promise<void>
  /** How long it lasts, ms. */
  readonly holdMs: number
  readonly heal: () => Promise<void>
}

export interface FaultKind {
  readonly name: string
  /** Recovery is counted from its beginning, or from its end where the cluster cannot do without what is gone. */
  readonly recoversFrom: 'beginning' | 'end'
  /** Longest times that are allowed, ms: until searches through the others are complete, and in which the others acknowledge nothing. */
  readonly recoveryMsMax?: number
  readonly stallMsMax?: number
  /** True when no shard may change its owner. */
  readonly keepsOwners?: boolean
  readonly nodesMin: number
  readonly nodesMax: number
  readonly prepare: (context: FaultContext) => Promise<Fault> | Fault
}

const RECOVERY_AFTER_KILL_MS_MAX = 10_000
/** Beyond what is normal: appends do not wait for a dead node (C8). */
const STALL_AFTER_KILL_MS_MAX = 2000

function kill(name: string, losesDisk: boolean): FaultKind {
  return {
    name,
    recoversFrom: 'beginning',
    recoveryMsMax: RECOVERY_AFTER_KILL_MS_MAX,
    stallMsMax: STALL_AFTER_KILL_MS_MAX,
    nodesMin: 2,
    nodesMax: Number.POSITIVE_INFINITY,
    prepare: ({ cluster, searches, prng }) => {
      const id = prng.pick(cluster.ids)
      return {
        victims: [id],
        holdMs: prng.between(8000, 12_000),
        inject: async () => {
          await cluster.killNode(id)
          await searches.unwatch(id)
        },
        heal: async () => {
          if (losesDisk) cluster.processes.loseDisk(id)
          searches.watch(await cluster.startNode(id))
        },
      }
    },
  }
}

export const FAULTS: readonly FaultKind[] = [kill('kill -9 of a node', false), kill('kill -9, disk lost', true)]

export function faultNamed(name: string): FaultKind {
  const kind = FAULTS.find((fault) => fault.name === name)
  assert(kind !== undefined, `there is no fault "${name}"`)
  return kind
}
