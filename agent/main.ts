import { systemClock } from '../base/clock.ts'
import { useCompileCache } from '../base/compile-cache.ts'
import { becomeLean } from './lean-process.ts'

becomeLean()
useCompileCache()
const { runAgent } = await import('./run-agent.ts')

process.exitCode = await runAgent({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  clock: systemClock,
  writeOut: (text) => process.stdout.write(text),
  writeError: (text) => process.stderr.write(text),
})
