import type { Clock } from '../../base/clock.ts'
import type { LoadedConfig } from '../config-load.ts'
import { EXIT_OK } from '../exit-status.ts'
import type { Call, CommandSpec } from './command.ts'
import { findCommand, parseArguments, takesQuery } from './command-line.ts'
import { COMMANDS } from './command-table.ts'
import { failureText } from './failure-text.ts'
import { OutputClosed } from './failures.ts'
import { Terminal, type TtyWritable } from './terminal.ts'

export interface CliParts {
  /** Without node and the script. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly version: string
  readonly clock: Clock
  readonly stdin: () => NodeJS.ReadStream
  readonly stdout: TtyWritable
  readonly stderr: TtyWritable
  /** Has a signal abort the returned one, which ends the command; the second one ends the process. */
  readonly interruption: () => AbortSignal
  /** Starts the node; resolves with the exit status when it has ended. */
  readonly start: (config: LoadedConfig) => Promise<number>
  /** Fills an empty registry from the object store; resolves with what to tell. */
  readonly restore: (config: LoadedConfig) => Promise<string>
}

/** The command line of `weir`. Resolves with the exit status. What goes wrong is told on the error stream. */
export async function runCli(parts: CliParts): Promise<number> {
  const { argv, env } = parts
  const terminal = new Terminal({ out: parts.stdout, error: parts.stderr, env })
  try {
    const line = findCommand(argv, COMMANDS)
    if (line.kind === 'version') await terminal.write(`weir ${parts.version}\n`)
    else if (line.kind === 'help') {
      const { helpText } = await import('./help.ts')
      await terminal.write(await helpText(line.path, COMMANDS, terminal.paint))
    } else if (line.command.takesSettings) return await runWithSettings(line.command, line.arguments, parts, terminal)
    else return await runCommand(line.command, line.arguments, parts, terminal)
    return EXIT_OK
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT_OK
    const { text, exitStatus } = failureText(error, terminal.paintError)
    terminal.tell(text)
    return exitStatus
  } finally {
    await terminal.flush()
  }
}

async function runCommand(
  command: CommandSpec,
  argv: readonly string[],
  parts: CliParts,
  terminal: Terminal,
): Promise<number> {
  const { words, options } = parseArguments(argv, command)
  if (options.color !== undefined) terminal.color = options.color as 'auto' | 'always' | 'never'
  const [{ run }, { NodeClient }, { nodeAccess }] = await Promise.all([
    (command.load as NonNullable<CommandSpec['load']>)(),
    import('./node-client.ts'),
    import('./node-access.ts'),
  ])
  const { env, clock, version } = parts
  const signal = parts.interruption()
  let client: InstanceType<typeof NodeClient> | undefined
  const node: Call['node'] = () => {
    client ??= new NodeClient({ ...nodeAccess(options, env), version, signal })
    return client
  }
  let input: NodeJS.ReadStream | undefined
  const stdin: Call['stdin'] = () => {
    input ??= parts.stdin()
    return input
  }
  try {
    return await run({ words, options, commands: COMMANDS, env, clock, terminal, stdin, signal, node })
  } catch (error) {
    if (signal.aborted) return signal.reason as number
    if (error instanceof OutputClosed) return EXIT_OK
    const { text, exitStatus } = failureText(error, terminal.paintError, queryOf(command, words))
    terminal.tell(text)
    return exitStatus
  } finally {
    client?.close()
    // What waits for input would keep the process.
    input?.destroy()
  }
}

/** What an error of the query points into. */
function queryOf(command: CommandSpec, given: readonly string[]): string | undefined {
  return takesQuery(command) ? given.join(' ') : undefined
}

async function runWithSettings(
  { path }: CommandSpec,
  argv: readonly string[],
  parts: CliParts,
  terminal: Terminal,
): Promise<number> {
  const [{ parseSettingFlags }, { loadConfig }] = await Promise.all([
    import('./setting-flags.ts'),
    import('../config-load.ts'),
  ])
  const { command, flags } = parseSettingFlags(argv, path[0] as 'node' | 'config' | 'restore')
  const config = loadConfig({ flags, env: parts.env, cwd: parts.cwd })
  if (command === 'node') return parts.start(config)
  if (command === 'restore') await terminal.write(await parts.restore(config))
  else {
    const { explainConfig } = await import('./explain-config.ts')
    await terminal.write(explainConfig(config))
  }
  return EXIT_OK
}
