import { after, test } from 'node:test'
import { FuzzedNode } from './fuzz-run.ts'
import { FUZZ_TARGETS } from './targets.ts'

/** A minute for all of them together, on a slow machine; `npm run fuzz` takes as long as it is told. */
const CASES = 300

const node = await FuzzedNode.start()
after(() => node.stop())

for (const target of FUZZ_TARGETS) {
  test(`mutated requests by ${target.name} are answered, and real ones beside them are kept`, async () => {
    await node.fuzz(target, { seed: 'slice', casesMax: CASES, untilMs: Number.POSITIVE_INFINITY })
  })
}
