import type { CommandSpec } from './command.ts'
import { optionsOf } from './command-line.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** What completes the words of `weir` in a shell, made from the table of commands. */
export function completionScript(shell: Shell, commands: readonly CommandSpec[]): string {
  if (shell === 'fish') return fishScript(commands)
  const { paths, values } = tablesOf(commands)
  return shell === 'bash' ? bashScript(paths, values) : zshScript(paths, values)
}

interface Choice {
  readonly word: string
  readonly about: string
}

/** Behind which words of commands which words may come; of which options which values. */
function tablesOf(commands: readonly CommandSpec[]) {
  const paths = new Map<string, Choice[]>()
  const values = new Map<string, readonly string[]>()
  const add = (path: string, choice: Choice) => {
    const choices = paths.get(path) ?? []
    if (!choices.some(({ word }) => word === choice.word)) choices.push(choice)
    paths.set(path, choices)
  }
  for (const command of commands) {
    command.path.forEach((word, depth) => {
      const isLast = depth === command.path.length - 1
      add(command.path.slice(0, depth).join(' '), { word, about: isLast ? command.summary : `${word} commands` })
    })
    const path = command.path.join(' ')
    if (path === 'completion') for (const shell of SHELLS) add(path, { word: shell, about: shell })
    for (const [name, { about, choices, form }] of Object.entries(optionsOf(command))) {
      add(path, { word: `--${name}`, about })
      if (choices !== undefined) values.set(`${path} --${name}`, choices)
      // Files, mostly, and words that nobody can know.
      else if (form !== 'switch') values.set(`${path} --${name}`, [])
    }
  }
  return { paths, values }
}

function bashScript(
  paths: ReadonlyMap<string, readonly Choice[]>,
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const choices = [...paths].map(([path, own]) => `    '${path}') words='${own.map(({ word }) => word).join(' ')}' ;;`)
  const options = [...values].map(([option, own]) => `    '${option}') words='${own.join(' ')}'; isValue=1 ;;`)
  return `# bash completion of weir:  source <(weir completion bash)
_weir_words() {
  case "$1" in
${choices.join('\n')}
  esac
}
_weir_values() {
  case "$1" in
${options.join('\n')}
  esac
}
_weir() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path='' words='' isValue='' plain='' i word
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ $word == -* ]] && break
    words=''
    _weir_words "\${path:+$path }$word"
    [[ -n $words ]] && path="\${path:+$path }$word"
  done
  words=''
  _weir_values "$path \${COMP_WORDS[COMP_CWORD-1]}"
  if [[ -n $isValue ]]; then
    if [[ -n $words ]]; then COMPREPLY=($(compgen -W "$words" -- "$current")); else COMPREPLY=($(compgen -f -- "$current")); fi
    return
  fi
  _weir_words "$path"
  # Options are offered where one is begun, and files where no word of ours may stand.
  for word in $words; do [[ $word == --* ]] || plain+="$word "; done
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$words" -- "$current"))
  elif [[ -n $plain ]]; then COMPREPLY=($(compgen -W "$plain" -- "$current"))
  else COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _weir weir
`
}

function zshScript(
  paths: ReadonlyMap<string, readonly Choice[]>,
  values: ReadonlyMap<string, readonly string[]>,
): string {
  const choices = [...paths].map(
    ([path, own]) =>
      `    '${path}') choices=(${own.map(({ word, about }) => zshWord(`${word.replaceAll(':', '\\:')}:${about}`)).join(' ')}) ;;`,
  )
  const options = [...values].map(
    ([option, own]) => `    '${option}') choices=(${own.map(zshWord).join(' ')}); isValue=1 ;;`,
  )
  return `#compdef weir
# zsh completion of weir:  source <(weir completion zsh), or as _weir in a directory of $fpath
_weir_words() {
  case "$1" in
${choices.join('\n')}
  esac
}
_weir_values() {
  case "$1" in
${options.join('\n')}
  esac
}
_weir() {
  local path_='' isValue='' i word
  local -a choices
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
    [[ $word == -* ]] && break
    choices=()
    _weir_words "\${path_:+$path_ }$word"
    (( $#choices )) && path_="\${path_:+$path_ }$word"
  done
  choices=()
  _weir_values "$path_ \${words[CURRENT-1]}"
  if [[ -n $isValue ]]; then
    if (( $#choices )); then _describe value choices; else _files; fi
    return
  fi
  _weir_words "$path_"
  _describe 'word of weir' choices
  [[ -n $path_ ]] && _files
}
if [[ $funcstack[1] == _weir ]]; then _weir "$@"; else compdef _weir weir; fi
`
}

function fishScript(commands: readonly CommandSpec[]): string {
  const lines = [
    '# fish completion of weir:  weir completion fish | source',
    'function __weir_path',
    '  set -l words (commandline -opc)',
    '  set -e words[1]',
    '  set -l path',
    '  for word in $words',
    "    string match -q -- '-*' $word; and break",
    '    set -a path $word',
    '  end',
    '  set -l expected (string split " " -- $argv[1])',
    '  test "$argv[1]" = ""; and set expected',
    '  test (count $path) -ge (count $expected); or return 1',
    '  test "$argv[2]" = exact; and test (count $path) -ne (count $expected); and return 1',
    '  for i in (seq (count $expected))',
    '    test "$path[$i]" = "$expected[$i]"; or return 1',
    '  end',
    'end',
  ]
  const told = new Set<string>()
  for (const command of commands) {
    command.path.forEach((word, depth) => {
      const before = command.path.slice(0, depth).join(' ')
      if (told.has(`${before} ${word}`)) return
      told.add(`${before} ${word}`)
      const about = depth === command.path.length - 1 ? command.summary : `${word} commands`
      lines.push(`complete -c weir -f -n "__weir_path '${before}' exact" -a ${word} -d ${fishWord(about)}`)
    })
    const path = command.path.join(' ')
    for (const [name, { about, choices, form, short }] of Object.entries(optionsOf(command))) {
      const value = form === 'switch' ? '' : choices === undefined ? ' -r' : ` -x -a '${choices.join(' ')}'`
      lines.push(
        `complete -c weir -n "__weir_path '${path}'" -l ${name}${short === undefined ? '' : ` -s ${short}`}${value} -d ${fishWord(about)}`,
      )
    }
  }
  for (const shell of SHELLS) lines.push(`complete -c weir -f -n "__weir_path completion exact" -a ${shell}`)
  return `${lines.join('\n')}\n`
}

function zshWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function fishWord(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
