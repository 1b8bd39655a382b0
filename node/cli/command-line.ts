import { parseArgs } from 'node:util'
import { didYouMean } from '../did-you-mean.ts'
import type { CommandSpec, OptionSpec, OptionSpecs, Options, WordSpec } from './command.ts'
import { CONNECTION_OPTIONS, HELP_OPTION } from './common-options.ts'
import { UsageFailure } from './failures.ts'

/** What the arguments (without the program's name) ask for. */
export type CommandLine =
  | { readonly kind: 'run'; readonly command: CommandSpec; readonly arguments: readonly string[] }
  | { readonly kind: 'help'; readonly path: readonly string[] }
  | { readonly kind: 'version' }

/**
 * Finds the command that the arguments begin with. Without one it is `node`, whose settings may stand before a command word too, as in
 * `weir --demo config`. Throws UsageFailure.
 */
export function findCommand(argv: readonly string[], commands: readonly CommandSpec[]): CommandLine {
  const [first, ...rest] = argv
  if (first === 'help') return { kind: 'help', path: rest.filter((word) => !word.startsWith('-')) }
  if (first === '--version' || first === '-v' || first === 'version') return { kind: 'version' }
  if (first === undefined || first === '--help' || first === '-h') {
    return first === undefined ? runOf('node', argv, commands) : { kind: 'help', path: [] }
  }
  if (first.startsWith('-')) return runOf('node', argv, commands)
  const candidates = commands.filter(({ path, aliases = [] }) => path[0] === first || aliases.includes(first))
  if (candidates.length === 0) throw unknownCommand([], first, commands)
  const longest = candidates
    .filter(({ path }) => path.slice(1).every((word, i) => rest[i] === word))
    .sort((a, b) => b.path.length - a.path.length)[0]
  if (longest !== undefined) {
    const own = argv.slice(longest.path.length)
    return isHelpWanted(own, longest)
      ? { kind: 'help', path: longest.path }
      : { kind: 'run', command: longest, arguments: own }
  }
  if (rest.length === 0 || rest.some((word) => word === '--help' || word === '-h'))
    return { kind: 'help', path: [first] }
  const depth = deepest(candidates, argv)
  throw unknownCommand(argv.slice(0, depth), argv[depth], candidates)
}

function runOf(name: string, argv: readonly string[], commands: readonly CommandSpec[]): CommandLine {
  const command = commands.find(({ path }) => path.length === 1 && path[0] === name) as CommandSpec
  return isHelpWanted(argv, command) ? { kind: 'help', path: [] } : { kind: 'run', command, arguments: argv }
}

/** The agent is a program of its own, with a help of its own. */
function isHelpWanted(argv: readonly string[], { load, takesSettings }: CommandSpec): boolean {
  if (load === undefined && !takesSettings) return false
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => word === '--help' || word === '-h')
}

/** How many of the words are those of a command. */
function deepest(candidates: readonly CommandSpec[], words: readonly string[]): number {
  return Math.max(...candidates.map(({ path }) => path.findIndex((word, i) => words[i] !== word)))
}

function unknownCommand(
  before: readonly string[],
  word: string | undefined,
  candidates: readonly CommandSpec[],
): UsageFailure {
  const depth = before.length
  const names = candidates
    .filter(({ path }) => before.every((name, i) => path[i] === name))
    .flatMap(({ path, aliases = [] }) => [path[depth], ...(depth === 0 ? aliases : [])])
    .filter((name) => name !== undefined)
  const choices = [...new Set(names)]
  if (word === undefined || word.startsWith('-')) {
    return new UsageFailure(`weir ${before.join(' ')} is followed by ${choices.join(', ')}`)
  }
  const near = didYouMean(word, choices)
  return new UsageFailure(
    `unknown command ${[...before, word].join(' ')}${near === undefined ? '' : `; did you mean ${near}?`}`,
  )
}

export interface GivenArguments {
  readonly words: readonly string[]
  readonly options: Options<OptionSpecs>
}

/** Every option that a command takes, by name. */
export function optionsOf({ options = {}, asksNode }: CommandSpec): OptionSpecs {
  return { ...options, ...(asksNode ? CONNECTION_OPTIONS : {}), ...HELP_OPTION }
}

/** The arguments of a command, checked. Throws UsageFailure. */
export function parseArguments(argv: readonly string[], command: CommandSpec): GivenArguments {
  const specs = optionsOf(command)
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      Object.entries(specs).map(([name, { form, short }]) => [
        name,
        { type: form === 'switch' ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) } as const,
      ]),
    ),
  })
  const words: string[] = []
  const given: Record<string, string | number | boolean | readonly string[] | undefined> = {}
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const spec = specs[token.name]
    // `-level:INFO` is a filter, and no level.
    const isFilter = !token.rawName.startsWith('--') && token.inlineValue === true && token.value?.includes(':')
    if (spec === undefined || (isFilter && takesQuery(command))) {
      throw unknownOption(token.rawName, token.name, specs, command)
    }
    // An option without its value takes none from the next one.
    const value = token.inlineValue === false && token.value?.startsWith('--') ? undefined : token.value
    given[token.name] = givenValue(token.name, spec, value, given[token.name])
  }
  for (const [name, spec] of Object.entries(specs)) given[name] ??= absentValue(spec)
  return { words: checkedWords(words, command), options: given as Options<OptionSpecs> }
}

function absentValue({ form, many, default: fallback }: OptionSpec) {
  if (form === 'switch') return false
  return many ? [] : fallback
}

function givenValue(name: string, spec: OptionSpec, value: string | undefined, before: unknown) {
  if (spec.form === 'switch') {
    if (value !== undefined) throw new UsageFailure(`--${name} takes no value`)
    return true
  }
  if (value === undefined) throw new UsageFailure(`--${name} is followed by ${spec.value ?? 'a value'}`)
  if (spec.choices !== undefined && !spec.choices.includes(value)) {
    throw new UsageFailure(`--${name} is one of ${spec.choices.join(', ')}, not ${value}`)
  }
  if (spec.many) return [...((before as readonly string[] | undefined) ?? []), value]
  if (before !== undefined) throw new UsageFailure(`--${name} is given twice`)
  if (spec.form === 'text') return value
  if (!/^\d{1,15}$/.test(value)) throw new UsageFailure(`--${name} is a number from 0, not ${value}`)
  return Number(value)
}

/** Its words are text of the query language. */
export function takesQuery({ words }: CommandSpec): boolean {
  return words?.[0]?.name === 'query'
}

function unknownOption(raw: string, name: string, specs: OptionSpecs, command: CommandSpec): UsageFailure {
  const { path } = command
  const near = didYouMean(name, Object.keys(specs))
  const isFilter = takesQuery(command) && !raw.startsWith('--')
  const hint = isFilter
    ? `; a query that begins with - stands behind --, as in weir ${path.join(' ')} -- '-level:INFO'`
    : near === undefined
      ? ''
      : `; did you mean --${near}?`
  return new UsageFailure(`weir ${path.join(' ')} takes no ${isFilter ? 'such option' : raw}${hint}`)
}

function checkedWords(given: readonly string[], { path, words = [] }: CommandSpec): readonly string[] {
  const missing = words[given.length]
  if (missing !== undefined && !missing.isOptional) {
    throw new UsageFailure(`weir ${path.join(' ')} is followed by ${wordText(missing)}`)
  }
  if (given.length > words.length && !words.at(-1)?.many) {
    throw new UsageFailure(`weir ${path.join(' ')} takes no ${given[words.length]}`)
  }
  return given
}

/** As help writes it: `<id>`, `[<file>…]`. */
export function wordText({ name, isOptional, many }: WordSpec): string {
  const text = `<${name}>${many ? '…' : ''}`
  return isOptional ? `[${text}]` : text
}
