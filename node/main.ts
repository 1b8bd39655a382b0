#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { agentProgram } from '../agent/program.ts'
import { systemClock } from '../base/clock.ts'
import { useCompileCache } from '../base/compile-cache.ts'
import { exitStatusOfSignal } from './exit-status.ts'

/** The shipper is a program of its own, which loads nothing of a node. */
process.exitCode = process.argv[2] === 'agent' ? await agentProgram(process.argv.slice(3)) : await nodeProgram()

async function nodeProgram(): Promise<number> {
  useCompileCache()
  const { runCli } = await import('./cli/run.ts')

  // Before anything uses the thread pool: compression, file system and LMDB share it (T2).
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(8, 2 * availableParallelism()))

  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }

  return runCli({
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    version,
    clock: systemClock,
    stdin: () => process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    interruption,
    start: async (config) => {
      const { runNode } = await import('./node.ts')
      return runNode(config, version)
    },
    restore: async (config) => {
      const { restore } = await import('./restore.ts')
      return restore(config)
    },
  })
}

/** The first signal ends a command, with the status that shells expect; the second one the process. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(exitStatusOfSignal(signal)))
  }
  return controller.signal
}
