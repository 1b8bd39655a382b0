import { type CommandSpec, GROUPS, type OptionSpec, type OptionSpecs } from './command.ts'
import { wordText } from './command-line.ts'
import { COMMANDS } from './command-table.ts'
import { CONNECTION_OPTIONS } from './common-options.ts'
import { optionText } from './help.ts'

/** docs/cli.md, made from the table of commands. */
export function cliPage(): string[] {
  return [
    ...INTRODUCTION,
    ...GROUPS.flatMap((group) => {
      const own = COMMANDS.filter((command) => command.group === group)
      return own.length === 0 ? [] : [`## ${group}`, '', ...own.flatMap(commandSection)]
    }),
  ].slice(0, -1)
}

const INTRODUCTION = [
  '`weir` is one program: `npx weir …` where the project is checked out, `node node/main.ts …` anywhere. `weir --help` lists the commands, `weir <command> --help` says',
  'what this page says of each.',
  '',
  '    export WEIR_URL=http://127.0.0.1:9347 WEIR_KEY=weir_…',
  `    weir query 'level:ERROR timeout' --since 15m`,
  '',
  '## Everywhere',
  '',
  '- **The node** is `--url` or `WEIR_URL`, any of a cluster. **The key** is in `WEIR_KEY` or in the file that `--key-file` names; `WEIR_AUTH_ADMIN_KEY` serves too, for who is inside the container of a node.',
  '- **Output.** On a terminal, people read it: lines, tables, colours. In a pipe or a file, programs do: NDJSON, each record as the node has it, numbers with all their digits. `-o` chooses. What is told beside it (progress, counts,',
  '  warnings) goes to the error stream. `NO_COLOR` is heeded. A reader that goes away, as in `weir query | head -1`, ends the command without a word.',
  '- **Records are data.** What would steer a terminal in them (escape sequences, bidirectional and invisible characters) is shown as `\\x1b` or `\\u202e`, and a further line of a message is indented. Only `--raw` prints messages byte for byte.',
  '- **Incomplete answers** say so on the error stream, with what did not answer.',
  '- Ctrl-C ends a command; what it had printed or sent stands.',
  '',
  '| exit status | means |',
  '| --- | --- |',
  '| 0 | done |',
  '| 1 | failed, or some records were refused; the error stream says why |',
  '| 2 | the command line is wrong |',
  '| 3 | nothing was found, and `--fail-empty` was given |',
  '| 4 | what was printed is not all: something did not answer |',
  '| 5 | the node asks for a key, or the key may not do this |',
  '| 6 | no node answers there, or it broke off |',
  '| 78 | settings of a node are not valid |',
  '| 130, 143 | ended by Ctrl-C, by SIGTERM |',
  '',
  'Every command that asks a node takes:',
  '',
  ...optionTable(CONNECTION_OPTIONS),
  '',
]

function commandSection(command: CommandSpec): string[] {
  const { path, summary, description = [], words = [], options = {}, asksNode, takesSettings, examples } = command
  const takesOptions = takesSettings || asksNode || Object.keys(options).length > 0
  const usage = [`weir ${path.join(' ')}`, ...words.map(wordText), ...(takesOptions ? ['[options]'] : [])].join(' ')
  return [
    `### weir ${path.join(' ')}`,
    '',
    `    ${usage}`,
    '',
    `${summary}.`,
    '',
    ...description.flatMap((paragraph) => [paragraph, '']),
    ...(takesSettings ? ['Takes every setting of [config.md](config.md) as an option.', ''] : []),
    ...(words.length === 0 ? [] : [...words.map((word) => `- \`${wordText(word)}\`: ${word.about}`), '']),
    ...(Object.keys(options).length === 0 ? [] : [...optionTable(options), '']),
    ...examples.flatMap(({ about, line }) => [`    # ${about}`, `    ${line}`]),
    '',
  ]
}

function optionTable(options: OptionSpecs): string[] {
  const rows = Object.entries(options).map(([name, spec]) => `| \`${optionText(name, spec)}\` | ${aboutText(spec)} |`)
  return ['| option | |', '| --- | --- |', ...rows]
}

function aboutText({ about, choices, default: fallback }: OptionSpec): string {
  const one = choices === undefined ? '' : ` One of ${choices.map((choice) => `\`${choice}\``).join(', ')}.`
  const without = fallback === undefined || fallback === 'auto' ? '' : ` Default: \`${fallback}\`.`
  return `${about}${one}${without}`.replaceAll('|', '\\|')
}
