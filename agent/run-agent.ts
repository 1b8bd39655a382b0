import { parseArgs } from 'node:util'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { loadAgentConfig } from './agent-config.ts'
import { LevelSwitch } from './level-switch.ts'
import { runShipper } from './shipper.ts'

export interface AgentParts {
  /** What follows the command. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly version: string
  readonly clock: Clock
  readonly writeOut: (text: string) => void
  readonly writeError: (text: string) => void
}

const HELP = `weir agent: reads logs where they are written and ships them to nodes of Weir

  --config <file>   the configuration (agent.yaml)
  --once            read what is there, deliver it, end
  --check           say whether the configuration is good, and end

It ends on SIGTERM or SIGINT; what is not delivered by then waits on the disk.
`
const STATUS_FAILED = 1
/** Of sysexits.h. */
const STATUS_USAGE = 64
const STATUS_CONFIG = 78

/** The command line of the shipper. Resolves with the exit status. */
export async function runAgent({ argv, env, cwd, version, clock, writeOut, writeError }: AgentParts): Promise<number> {
  let options: { readonly config?: string; readonly once?: boolean; readonly check?: boolean; readonly help?: boolean }
  try {
    options = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string', short: 'c' },
        once: { type: 'boolean' },
        check: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    writeError(`weir agent: ${(error as Error).message}\nTry weir agent --help.\n`)
    return STATUS_USAGE
  }
  if (options.help) {
    writeOut(HELP)
    return 0
  }
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  try {
    const config = loadAgentConfig({ file: options.config ?? 'agent.yaml', cwd, environment: env })
    if (options.check) {
      writeOut(`${options.config ?? 'agent.yaml'} is good: ${config.inputs.map(({ name }) => name).join(', ')}\n`)
      return 0
    }
    const log = new LevelSwitch(config.logLevel, { component: 'agent' })
    process.once('SIGTERM', onSignal)
    process.once('SIGINT', onSignal)
    const parts = { config, clock, logger: log.logger, version, stdin: process.stdin, once: options.once ?? false }
    await runShipper({ ...parts, setLogLevel: (level) => log.set(level) }, stop.signal)
    return 0
  } catch (error) {
    if (!(error instanceof WeirError) || error.code === 'internal') {
      writeError(`weir agent: ${error instanceof Error ? error.stack : String(error)}\n`)
      return STATUS_FAILED
    }
    writeError(`${error.message.replace(/^/gm, 'weir agent: ')}\n`)
    return error.code === 'invalid_config' ? STATUS_CONFIG : STATUS_FAILED
  } finally {
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
}
