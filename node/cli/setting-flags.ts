import { flagName, SETTING_KEYS, settingSpec } from '../config.ts'
import type { GivenFlag } from '../config-load.ts'
import { didYouMean } from '../did-you-mean.ts'
import { UsageFailure } from './failures.ts'

const COMMANDS = ['node', 'start', 'config', 'restore'] as const

export interface SettingFlags {
  readonly command: 'node' | 'config' | 'restore'
  readonly flags: readonly GivenFlag[]
}

/**
 * Flags that are settings of a node, and perhaps the word of a command among them; without one it is `command`. Names of settings are checked
 * later, with those of the other sources. Throws UsageFailure.
 */
export function parseSettingFlags(argv: readonly string[], command: SettingFlags['command']): SettingFlags {
  const flags: GivenFlag[] = []
  const words: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] as string
    if (!argument.startsWith('-')) {
      words.push(argument)
      continue
    }
    if (!argument.startsWith('--')) throw new UsageFailure(`unknown flag ${argument}`)
    const [name, value] = splitOnce(argument.slice(2), '=')
    const next = argv[i + 1]
    if (value !== undefined) flags.push({ name, value })
    else if (isSwitch(name) || next === undefined || next.startsWith('--')) flags.push({ name, value: true })
    else {
      flags.push({ name, value: next })
      i++
    }
  }
  const named = command === 'node' ? namedCommand(words.shift()) : command
  if (words.length > 0) throw new UsageFailure(`weir ${named} takes no ${words[0]}`)
  const isExplain = ({ name }: GivenFlag) => named === 'config' && name === 'explain'
  return { command: named, flags: flags.filter((flag) => !isExplain(flag)) }
}

function namedCommand(word: string | undefined): SettingFlags['command'] {
  if (word === undefined) return 'node'
  const command = COMMANDS.find((known) => known === word)
  if (command !== undefined) return command === 'start' ? 'node' : command
  const near = didYouMean(word, COMMANDS)
  throw new UsageFailure(
    `unknown command ${word}${near ? `; did you mean ${near}?` : ''}; options of other commands stand behind them`,
  )
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
