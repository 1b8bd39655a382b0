import { type CommandSpec, GROUPS, type OptionSpec, type OptionSpecs } from './command.ts'
import { wordText } from './command-line.ts'
import { CONNECTION_OPTIONS } from './common-options.ts'
import { UsageFailure } from './failures.ts'
import type { Paint } from './terminal.ts'

const WIDTH = 100

/** The help of a command, of all that begin with `path`, or of `weir`. Throws UsageFailure where there is no such command. */
export async function helpText(
  path: readonly string[],
  commands: readonly CommandSpec[],
  paint: Paint,
): Promise<string> {
  if (path.length === 0) return overview(commands, paint)
  const [first] = path
  const below = commands.filter(
    (command) =>
      path.every((word, i) => command.path[i] === word) ||
      (path.length === 1 && first !== undefined && command.aliases?.includes(first)),
  )
  const exact = below.find((command) => command.path.length === path.length)
  if (exact !== undefined) return commandHelp(exact, below, paint)
  if (below.length === 0) throw new UsageFailure(`there is no command ${path.join(' ')}`)
  return `${paint(`weir ${path.join(' ')}`, 'bold')}\n\n${listText(below, paint)}\nweir ${path.join(' ')} <command> --help says more.\n`
}

function overview(commands: readonly CommandSpec[], paint: Paint): string {
  const groups = GROUPS.map((group) => {
    const own = commands.filter((command) => command.group === group)
    return own.length === 0 ? '' : `${paint(group, 'bold')}\n${listText(own, paint)}\n`
  })
  return `${paint('weir', 'bold')} keeps logs and finds them.

${groups.join('')}${paint('Everywhere', 'bold')}
  WEIR_URL, WEIR_KEY   the node that is asked, and the key; http://127.0.0.1:9347 without them
  --help               of each command, with examples:  weir query --help
  exit status          0 done   1 failed   2 wrong command line   3 nothing found (--fail-empty)
                       4 the answer is incomplete   5 not authorised   6 no node answers

Begin with:  weir node --demo     and, in another terminal:  weir tail
`
}

function listText(commands: readonly CommandSpec[], paint: Paint): string {
  const names = commands.map(({ path }) => path.join(' '))
  const width = Math.max(...names.map((name) => name.length)) + 2
  return commands.map(({ summary }, i) => `  ${paint((names[i] ?? '').padEnd(width), 'cyan')}${summary}\n`).join('')
}

async function commandHelp(command: CommandSpec, below: readonly CommandSpec[], paint: Paint): Promise<string> {
  const { path, summary, description = [], words = [], options = {}, asksNode, takesSettings, examples } = command
  const name = `weir ${path.join(' ')}`
  const takesOptions = takesSettings || Object.keys(options).length > 0 || asksNode
  const usage = [name, ...words.map(wordText), ...(takesOptions ? ['[options]'] : [])].join(' ')
  const parts = [
    `${paint(usage, 'bold')}\n`,
    `${wrapped(`${summary}.`, '')}\n`,
    ...description.map((paragraph) => `${wrapped(paragraph, '')}\n`),
    ...section(
      'Words',
      words.map((word): Line => [wordText(word), word.about]),
      paint,
    ),
    ...section('Options', optionLines(options), paint),
    ...(asksNode ? section('Node', optionLines(CONNECTION_OPTIONS), paint) : []),
    ...(takesSettings ? [await settingsSection(paint)] : []),
    ...(examples.length === 0
      ? []
      : [
          `${paint('Examples', 'bold')}\n${examples.map(({ line, about }) => `  ${paint(`# ${about}`, 'dim')}\n  ${line}\n`).join('')}`,
        ]),
    ...(below.length > 1
      ? [
          `${paint('More', 'bold')}\n${listText(
            below.filter((other) => other !== command),
            paint,
          )}`,
        ]
      : []),
  ]
  return parts.join('\n')
}

type Line = readonly [head: string, about: string]

function section(title: string, lines: readonly Line[], paint: Paint): string[] {
  if (lines.length === 0) return []
  const width = Math.min(30, Math.max(...lines.map(([head]) => head.length))) + 2
  const texts = lines.map(([head, about]) => {
    const indent = ' '.repeat(width + 2)
    const text = wrapped(about, indent)
    return head.length + 2 > width ? `  ${head}\n${indent}${text}\n` : `  ${head.padEnd(width)}${text}\n`
  })
  return [`${paint(title, 'bold')}\n${texts.join('')}`]
}

/** Settings take a while to load, and are wanted by few. */
async function settingsSection(paint: Paint): Promise<string> {
  const { environmentName, SETTING_KEYS } = await import('../config.ts')
  const lines: Line[] = [
    ['--config <file>', 'settings file; default weir.yaml in the working directory, if there is one'],
    ...SETTING_KEYS.map((key): Line => [`--${key} <value>`, environmentName(key)]),
  ]
  return section(
    'Settings, as in weir.yaml and the environment (docs/config.md says what they mean)',
    lines,
    paint,
  ).join('')
}

function optionLines(options: OptionSpecs): Line[] {
  return Object.entries(options).map(([name, spec]) => [optionText(name, spec), optionAbout(spec)])
}

/** `-n, --limit <count>` */
export function optionText(name: string, { form, value, short }: OptionSpec): string {
  const placeholder = form === 'switch' ? '' : ` <${value ?? (form === 'count' ? 'count' : 'text')}>`
  return `${short === undefined ? '' : `-${short}, `}--${name}${placeholder}`
}

function optionAbout({ about, choices, default: fallback }: OptionSpec): string {
  const one = choices === undefined ? '' : ` One of ${choices.join(', ')}.`
  const without = fallback === undefined || fallback === 'auto' ? '' : ` Default: ${fallback}.`
  return `${about.replaceAll('`', '')}${one}${without}`
}

function wrapped(text: string, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join(`\n${indent}`)
}
