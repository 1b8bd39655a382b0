import { parseArgs } from 'node:util'
import { systemClock } from '../../base/clock.ts'
import { FuzzedNode } from './fuzz-run.ts'
import { FUZZ_TARGETS } from './targets.ts'

/**
 * npm run fuzz -- [--protocol NAME[,NAME]] [--minutes 10] [--seed TEXT] [--case NUMBER]
 *
 * Sends mutated requests by each protocol, for so many minutes each. Ends with the seed and the case of the first failure.
 */
const { values } = parseArgs({
  options: {
    protocol: { type: 'string' },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    case: { type: 'string' },
  },
})
const names = values.protocol?.split(',') ?? FUZZ_TARGETS.map(({ name }) => name)
const unknown = names.find((name) => !FUZZ_TARGETS.some((target) => target.name === name))
if (unknown !== undefined) {
  throw new Error(`there is no protocol ${unknown}; there are ${FUZZ_TARGETS.map(({ name }) => name).join(', ')}`)
}
const seed = values.seed ?? Buffer.from(systemClock.randomBytes(4)).toString('hex')

for (const target of FUZZ_TARGETS.filter(({ name }) => names.includes(name))) {
  const node = await FuzzedNode.start()
  const untilMs = systemClock.monotonicMs() + Number(values.minutes) * 60_000
  const only = values.case === undefined ? {} : { only: Number(values.case) }
  const cases = await node.fuzz(target, { seed, casesMax: Number.POSITIVE_INFINITY, untilMs, ...only })
  const mib = Math.round(node.memoryBytes / 1024 / 1024)
  process.stdout.write(`${target.name}: ${cases} requests, seed ${seed}, ${mib} MiB\n`)
  await node.stop()
}
