import { flagName, SETTING_KEYS, settingSpec } from '../config.ts'
import type { GivenFlag } from '../config-load.ts'
import { didYouMean } from '../did-you-mean.ts'

const COMMANDS = ['start', 'config', 'cluster', 'restore'] as const
/** What a command that asks a running node is given. */
export interface NodeAccess {
  /** Of the node's HTTP side; undefined: this machine, the default port. */
  readonly url?: string
  readonly key?: string
}

export type CommandLine =
  | { readonly command: 'start' | 'config' | 'restore'; readonly flags: readonly GivenFlag[] }
  | ({ readonly command: 'clusterStatus' } & NodeAccess)
  | { readonly command: 'help' | 'version' }
  | { readonly command: 'mistake'; readonly message: string }

/** Takes the arguments apart (without the program's name). Names of settings are checked later, with those of the other sources. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const flags: GivenFlag[] = []
  const words: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] as string
    if (argument === '-h' || argument === '--help' || argument === 'help') return { command: 'help' }
    if (argument === '-v' || argument === '--version' || argument === 'version') return { command: 'version' }
    if (!argument.startsWith('-')) {
      words.push(argument)
      continue
    }
    if (!argument.startsWith('--')) return { command: 'mistake', message: `unknown flag ${argument}` }
    const [name, value] = splitOnce(argument.slice(2), '=')
    const next = argv[i + 1]
    if (value !== undefined) flags.push({ name, value })
    else if (isSwitch(name) || next === undefined || next.startsWith('--')) flags.push({ name, value: true })
    else {
      flags.push({ name, value: next })
      i++
    }
  }
  const [first = 'start', ...rest] = words
  const command = COMMANDS.find((known) => known === first)
  if (!command) {
    const near = didYouMean(first, COMMANDS)
    return { command: 'mistake', message: `unknown command ${first}${near ? `; did you mean ${near}?` : ''}` }
  }
  if (command === 'cluster') return clusterCommand(rest, flags)
  if (rest.length > 0) return { command: 'mistake', message: `weir ${command} takes no ${rest[0]}` }
  const isExplain = ({ name }: GivenFlag) => command === 'config' && name === 'explain'
  return { command, flags: flags.filter((flag) => !isExplain(flag)) }
}

/** `weir cluster status` */
function clusterCommand([word, ...rest]: readonly string[], flags: readonly GivenFlag[]): CommandLine {
  if (word !== 'status' || rest.length > 0) {
    return { command: 'mistake', message: 'weir cluster is followed by status' }
  }
  const access: { url?: string; key?: string } = {}
  for (const { name, value } of flags) {
    if (name !== 'url' && name !== 'key') {
      return { command: 'mistake', message: `weir cluster status takes --url and --key, not --${name}` }
    }
    if (value === true) return { command: 'mistake', message: `--${name} is followed by a value` }
    access[name] = value
  }
  return { command: 'clusterStatus', ...access }
}

/** Flags that stand alone: a word behind them is a command, not their value. */
function isSwitch(name: string): boolean {
  if (name === 'explain') return true
  return SETTING_KEYS.some((key) => settingSpec(key).kind === 'boolean' && (name === key || name === flagName(key)))
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
