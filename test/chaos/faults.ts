import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
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
  /** Who does not have to answer while it lasts. */
  readonly victims: readonly string[]
  readonly inject: () => Promise<unknown>
  /** How long it lasts, ms. */
  readonly holdMs: number
  readonly heal: () => Promise<unknown>
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
  /** It takes a node away, or brings one. */
  readonly nodes?: 'fewer' | 'more'
  readonly prepare: (context: FaultContext) => Promise<Fault> | Fault
}

const CLOCK_SKEW = fileURLToPath(new URL('./clock-skew.ts', import.meta.url))
const RECOVERY_AFTER_DEATH_MS_MAX = 10_000
/** Beyond what is normal: appends do not wait for a dead node (C8). */
const STALL_AFTER_DEATH_MS_MAX = 2000
/** C8: elections of JetStream take 4 to 9 s. */
const STALL_WITHOUT_NATS_SERVER_MS_MAX = 20_000
const NODE_DIES = { recoveryMsMax: RECOVERY_AFTER_DEATH_MS_MAX, stallMsMax: STALL_AFTER_DEATH_MS_MAX } as const
const HOUR_MS = 3_600_000
/** Of clocks, each way: well within what a sender's timestamp may be off (D5). */
const SKEWS_MS = [-HOUR_MS, -90_000, -10_000, 10_000, 90_000, HOUR_MS]
const S3_SLOW_MS = 400

function kill(name: string, losesDisk: boolean): FaultKind {
  return {
    name,
    recoversFrom: 'beginning',
    ...NODE_DIES,
    prepare: ({ cluster, searches, prng }) => {
      const id = prng.pick(cluster.ids)
      return {
        victims: [id],
        holdMs: prng.between(5000, 12_000),
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

/** It hangs for longer than the silence, and comes back believing that it owns what it owned. */
const pause: FaultKind = {
  name: 'node hangs',
  recoversFrom: 'beginning',
  ...NODE_DIES,
  prepare: ({ cluster, prng }) => {
    const id = prng.pick(cluster.ids)
    return {
      victims: [id],
      holdMs: prng.between(3500, 12_000),
      inject: async () => cluster.node(id).process.signal('SIGSTOP'),
      heal: async () => cluster.node(id).process.signal('SIGCONT'),
    }
  },
}

const partition: FaultKind = {
  name: 'node cut off from NATS and S3',
  recoversFrom: 'beginning',
  ...NODE_DIES,
  prepare: ({ cluster, prng }) => {
    const id = prng.pick(cluster.ids)
    return {
      victims: [id],
      holdMs: prng.between(3000, 15_000),
      inject: async () => cluster.cutOff(id),
      heal: async () => cluster.reconnect(id),
    }
  },
}

const natsLeaderDies: FaultKind = {
  name: 'NATS leader killed',
  recoversFrom: 'beginning',
  keepsOwners: true,
  stallMsMax: STALL_WITHOUT_NATS_SERVER_MS_MAX,
  prepare: async ({ cluster, prng }) => {
    const { nats } = cluster.processes
    const leader = await cluster.natsLeader()
    return {
      victims: [],
      holdMs: prng.between(3000, 15_000),
      inject: () => nats.kill(leader),
      heal: () => nats.restart(leader),
    }
  },
}

function s3(
  name: string,
  holdMsMax: number,
  inject: (cluster: ChaosCluster) => unknown,
  heal: (cluster: ChaosCluster) => unknown,
): FaultKind {
  return {
    name,
    recoversFrom: 'end',
    keepsOwners: true,
    prepare: ({ cluster, prng }) => ({
      victims: [],
      holdMs: prng.between(3000, holdMsMax),
      inject: async () => inject(cluster),
      heal: async () => heal(cluster),
    }),
  }
}

const join: FaultKind = {
  name: 'node joins with an empty disk',
  recoversFrom: 'beginning',
  nodes: 'more',
  prepare: ({ cluster, searches, newId }) => ({
    victims: [],
    holdMs: 0,
    inject: async () => searches.watch(await cluster.startNode(newId())),
    heal: async () => undefined,
  }),
}

const leave: FaultKind = {
  name: 'node drains and leaves',
  recoversFrom: 'beginning',
  nodes: 'fewer',
  prepare: ({ cluster, searches, prng }) => {
    const id = prng.pick(cluster.ids)
    return {
      victims: [id],
      holdMs: 0,
      inject: async () => {
        await searches.unwatch(id)
        assert.equal(await cluster.stopNode(id), 0, `${id} drains in time`)
      },
      heal: async () => undefined,
    }
  },
}

/** A node whose clock is wrong joins in the place of one whose clock is right. */
const skew: FaultKind = {
  name: 'clock of a node wrong',
  recoversFrom: 'beginning',
  prepare: ({ cluster, searches, prng }) => {
    const id = prng.pick(cluster.ids)
    const skewMs = prng.pick(SKEWS_MS)
    const restart = async (options: Parameters<ChaosCluster['startNode']>[1]) => {
      await searches.unwatch(id)
      assert.equal(await cluster.stopNode(id), 0, `${id} drains in time`)
      searches.watch(await cluster.startNode(id, options))
    }
    return {
      victims: [id],
      holdMs: prng.between(5000, 15_000),
      inject: () => restart({ nodeFlags: ['--import', CLOCK_SKEW], environment: { CLOCK_SKEW_MS: String(skewMs) } }),
      heal: () => restart({}),
    }
  },
}

/** A node fails while a server does. */
function both(server: FaultKind, node: FaultKind): FaultKind {
  return {
    name: `${server.name}, and ${node.name}`,
    recoversFrom: 'end',
    prepare: async (context) => {
      const first = await server.prepare(context)
      const second = await node.prepare(context)
      return {
        victims: [...first.victims, ...second.victims],
        holdMs: Math.max(first.holdMs, second.holdMs),
        inject: async () => {
          await first.inject()
          await second.inject()
        },
        heal: async () => {
          await first.heal()
          await second.heal()
        },
      }
    },
  }
}

const killed = kill('kill -9 of a node', false)
const killedWithDisk = kill('kill -9 of a node, its disk lost', true)
const s3Killed = s3(
  'S3 server killed',
  15_000,
  ({ processes }) => processes.s3.kill(),
  ({ processes }) => processes.s3.restart(),
)

export const FAULTS: readonly FaultKind[] = [
  killed,
  killedWithDisk,
  pause,
  partition,
  natsLeaderDies,
  s3Killed,
  s3(
    'S3 server hangs',
    15_000,
    ({ processes }) => processes.s3.pause(),
    ({ processes }) => processes.s3.resume(),
  ),
  s3(
    'S3 slow',
    20_000,
    (cluster) => cluster.s3Weather({ kind: 'delay', delayMs: S3_SLOW_MS }),
    (cluster) => cluster.s3Weather({ kind: 'pass' }),
  ),
  join,
  leave,
  skew,
  both(natsLeaderDies, killed),
  both(s3Killed, killedWithDisk),
  both(s3Killed, pause),
]

export function faultNamed(name: string): FaultKind {
  const kind = FAULTS.find((fault) => fault.name === name)
  assert(kind !== undefined, `there is no fault "${name}"`)
  return kind
}
