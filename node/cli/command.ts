import type { Clock } from '../../base/clock.ts'
import type { NodeClient } from './node-client.ts'
import type { Terminal } from './terminal.ts'

/** An option of a command. Help, completion, docs/cli.md and the parser are made from it. */
export interface OptionSpec {
  /** `switch` stands alone; `count` is an integer from 0. */
  readonly form: 'switch' | 'text' | 'count'
  /** What the value is, in help: `time`, `file`. */
  readonly value?: string
  readonly short?: string
  readonly many?: true
  readonly choices?: readonly string[]
  readonly default?: string | number
  readonly about: string
}
export type OptionSpecs = Readonly<Record<string, OptionSpec>>

type OptionValue<S extends OptionSpec> = S extends { form: 'switch' }
  ? boolean
  : S extends { many: true }
    ? readonly string[]
    :
        | (S extends { form: 'count' } ? number : S extends { choices: readonly (infer C)[] } ? C : string)
        | (S extends { default: string | number } ? never : undefined)

export type Options<O extends OptionSpecs> = { readonly [Name in keyof O]: OptionValue<O[Name]> }

/** Words that follow a command. */
export interface WordSpec {
  readonly name: string
  readonly about: string
  readonly isOptional?: true
  readonly many?: true
}

export interface Example {
  readonly line: string
  readonly about: string
}

export const GROUPS = ['Find', 'Send', 'Alert', 'Operate', 'Run'] as const

/** A command: all that is known of it without loading it. */
export interface CommandSpec {
  /** `['alerts', 'rules', 'list']` is `weir alerts rules list`. */
  readonly path: readonly string[]
  /** Other names of it. */
  readonly aliases?: readonly string[]
  readonly group: (typeof GROUPS)[number]
  /** One line, begins with a verb. */
  readonly summary: string
  /** Paragraphs for its help. */
  readonly description?: readonly string[]
  readonly words?: readonly WordSpec[]
  readonly options?: OptionSpecs
  /** Asks a running node: takes the options of the connection too. */
  readonly asksNode?: true
  /** Takes every setting of a node as an option; parsed and checked with those of the other sources. */
  readonly takesSettings?: true
  readonly examples: readonly Example[]
  /** Loads what runs it; absent for those that main.ts itself starts. */
  readonly load?: () => Promise<CommandModule>
}

export interface CommandModule {
  /** Resolves with the exit status. */
  run(call: Call): Promise<number>
}

/** What a command is run with. */
export interface Call<O extends OptionSpecs = OptionSpecs> {
  readonly words: readonly string[]
  readonly options: Options<O>
  /** Every command that there is. */
  readonly commands: readonly CommandSpec[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly terminal: Terminal
  readonly stdin: () => NodeJS.ReadStream
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal
  /** The node that the user names; throws a usage failure for an address that is none. */
  readonly node: () => NodeClient
}
