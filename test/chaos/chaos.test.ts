import { it } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { Prng } from '../../base/prng.ts'
import { ChaosRun } from './chaos-run.ts'
import { FAULTS, type FaultKind, faultNamed } from './faults.ts'

/** Without these it is the short form: a fixed seed, and one fault of some kinds. */
const { CHAOS_SEED: seed = '1', CHAOS_MINUTES: minutes, CHAOS_NODES: nodes = '3', CHAOS_FAULTS: only } = process.env
const SHORT = ['kill -9 of a node', 'NATS leader killed', 'node hangs']
/** Longer than the silence, so that what hangs is taken for dead. */
const SHORT_HOLD_MS_MAX = 4000
const SHORT_MS_MAX = 280_000
const LONG_MS_MAX = 24 * 3600_000
const NODES_MIN = 3
const NODES_MAX = 5
const RECORDS_PER_SECOND = Number(process.env.CHAOS_RATE ?? 600)

/** At once: a long run is watched. */
function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** Every kind once in a random order, then once more, until the time is up. */
async function sufferAll(run: ChaosRun, kinds: readonly FaultKind[], untilMs: number, prng: Prng): Promise<void> {
  let queue: FaultKind[] = []
  while (systemClock.monotonicMs() < untilMs) {
    if (queue.length === 0) queue = prng.shuffle([...kinds])
    const kind = queue.pop()!
    const { length } = run.cluster.ids
    if (kind.nodes === 'more' && length >= NODES_MAX) await run.suffer(faultNamed('node drains and leaves'))
    else if (kind.nodes === 'fewer' && length <= NODES_MIN)
      await run.suffer(faultNamed('node joins with an empty disk'))
    else await run.suffer(kind)
  }
}

it('a cluster under load loses and doubles nothing, whatever fails', {
  timeout: minutes === undefined ? SHORT_MS_MAX : LONG_MS_MAX,
}, async () => {
  const run = await ChaosRun.start({
    seed,
    nodes: Number(nodes),
    recordsPerSecond: RECORDS_PER_SECOND,
    holdMsMax: minutes === undefined ? SHORT_HOLD_MS_MAX : Number.POSITIVE_INFINITY,
    say,
  })
  let isWell = false
  try {
    if (minutes === undefined) for (const name of SHORT) await run.suffer(faultNamed(name))
    else {
      const kinds = only === undefined ? FAULTS : only.split(',').map(faultNamed)
      const untilMs = systemClock.monotonicMs() + Number(minutes) * 60_000
      await sufferAll(run, kinds, untilMs, new Prng(`${seed}/schedule`))
    }
    await run.finish()
    isWell = true
  } finally {
    if (!isWell) say(run.cluster.logTails())
    await run.stop(isWell)
  }
})
