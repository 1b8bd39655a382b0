import { readFileSync } from 'node:fs'
import { systemClock } from '../base/clock.ts'
import { useCompileCache } from '../base/compile-cache.ts'
import { becomeLean } from './lean-process.ts'

/** The shipper as a process. `argv` is what follows the command. Resolves with the exit status. */
export async function agentProgram(argv: readonly string[]): Promise<number> {
  becomeLean()
  useCompileCache()
  const { runAgent } = await import('./run-agent.ts')
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return runAgent({
    argv,
    env: process.env,
    cwd: process.cwd(),
    version,
    clock: systemClock,
    writeOut: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
  })
}
