import type { Clock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import { type LoadedConfig, loadConfig } from '../config-load.ts'
import { EXIT_CONFIG, EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../exit-status.ts'
import { parseCommandLine } from './command-line.ts'
import { explainConfig } from './explain-config.ts'
import { helpText } from './help.ts'

export interface CliParts {
  /** Without node and the script. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly version: string
  readonly clock: Clock
  readonly writeOut: (text: string) => void
  readonly writeError: (text: string) => void
  /** Starts the node; resolves with the exit status when it has ended. */
  readonly start: (config: LoadedConfig) => Promise<number>
  /** Fills an empty registry from the object store; resolves with what to tell. */
  readonly restore: (config: LoadedConfig) => Promise<string>
}

/** The command line of `weir`. Resolves with the exit status. Mistakes of the user are told in a line, without a stack. */
export async function runCli(parts: CliParts): Promise<number> {
  const line = parseCommandLine(parts.argv)
  switch (line.command) {
    case 'help':
      parts.writeOut(helpText())
      return EXIT_OK
    case 'version':
      parts.writeOut(`weir ${parts.version}\n`)
      return EXIT_OK
    case 'mistake':
      parts.writeError(`weir: ${line.message}\nTry weir --help.\n`)
      return EXIT_USAGE
  }
  try {
    if (line.command === 'clusterStatus') {
      // What it checks answers with is much to load, for nothing where a node starts.
      const { clusterStatus } = await import('./cluster-status.ts')
      // The variable keeps the key out of the list of processes.
      const key = line.key ?? parts.env.WEIR_AUTH_ADMIN_KEY
      parts.writeOut(await clusterStatus({ ...line, ...(key === undefined ? {} : { key }) }, parts.clock))
      return EXIT_OK
    }
    const config = loadConfig({ flags: line.flags, env: parts.env, cwd: parts.cwd })
    if (line.command === 'start') return await parts.start(config)
    if (line.command === 'restore') {
      parts.writeOut(await parts.restore(config))
      return EXIT_OK
    }
    parts.writeOut(explainConfig(config))
    return EXIT_OK
  } catch (error) {
    return tell(error, parts.writeError)
  }
}

/** Tells why the command failed and returns the exit status for it. */
function tell(error: unknown, write: (text: string) => void): number {
  if (!(error instanceof WeirError) || error.code === 'internal') {
    write(`weir: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return EXIT_FAILED
  }
  if (error.code !== 'invalid_config') {
    write(`weir: ${error.message} (${error.code})\n`)
    return EXIT_FAILED
  }
  const problems = error.message.split('\n').map((problem) => `  ${problem}\n`)
  write(`weir: the configuration is not valid\n${problems.join('')}Try weir config --explain or weir --help.\n`)
  return EXIT_CONFIG
}
