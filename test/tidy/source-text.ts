/** A module split into what runs and what is said; both have the length of the text, with blanks for what they leave out. */
export interface SourceText {
  /** Without comments and without the insides of strings, templates and regular expressions. */
  readonly code: string
  /** Without comments. */
  readonly codeAndStrings: string
  /** Comments only. */
  readonly comments: string
}

/** A slash after one of these begins a regular expression, after anything else it divides. */
const BEFORE_REGEX = /(?:^|[=(,:;!&|?{}[+\-*%~^<>\n]|\b(?:return|typeof|case|of|in|do|else|void|throw|await|yield))\s*$/

/** Splits TypeScript by its lexical grammar; nothing is parsed. */
export function splitSource(text: string): SourceText {
  let code = ''
  let codeAndStrings = ''
  let comments = ''
  /** For each template that is open: how many braces are open in the expression inside it. */
  const templates: number[] = []
  let at = 0

  const take = (end: number, kind: 'code' | 'string' | 'comment') => {
    const part = text.slice(at, end)
    const blank = part.replace(/[^\n]/g, ' ')
    code += kind === 'code' ? part : blank
    codeAndStrings += kind === 'comment' ? blank : part
    comments += kind === 'comment' ? part : blank
    at = end
  }
  const takeTemplate = () => {
    let end = at
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end)) end += text[end] === '\\' ? 2 : 1
    take(end, 'string')
    if (text[end] === '`') return take(end + 1, 'code')
    take(Math.min(text.length, end + 2), 'code')
    templates.push(0)
  }

  while (at < text.length) {
    const char = text[at] as string
    const open = templates.length - 1
    if (text.startsWith('//', at)) take(endOf(text, '\n', at), 'comment')
    else if (text.startsWith('/*', at)) take(endOf(text, '*/', at + 2) + 2, 'comment')
    else if (char === '"' || char === "'") {
      take(at + 1, 'code')
      take(quoteEnd(text, at, char), 'string')
      take(Math.min(text.length, at + 1), 'code')
    } else if (char === '`') {
      take(at + 1, 'code')
      takeTemplate()
    } else if (open >= 0 && char === '}' && templates[open] === 0) {
      templates.pop()
      take(at + 1, 'code')
      takeTemplate()
    } else if (char === '/' && BEFORE_REGEX.test(code.slice(-40))) {
      take(at + 1, 'code')
      take(regexEnd(text, at), 'string')
      take(Math.min(text.length, at + 1), 'code')
    } else {
      if (open >= 0 && char === '{') templates[open] = (templates[open] as number) + 1
      if (open >= 0 && char === '}') templates[open] = (templates[open] as number) - 1
      take(at + 1, 'code')
    }
  }
  return { code, codeAndStrings, comments }
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from)
  return end === -1 ? text.length : end
}

function quoteEnd(text: string, from: number, quote: string): number {
  let end = from
  while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
  return end
}

function regexEnd(text: string, from: number): number {
  let isInClass = false
  let end = from
  for (; end < text.length && text[end] !== '\n'; end++) {
    if (text[end] === '\\') end++
    else if (text[end] === '[') isInClass = true
    else if (text[end] === ']') isInClass = false
    else if (text[end] === '/' && !isInClass) break
  }
  return end
}

export interface Import {
  /** As written. */
  readonly specifier: string
  readonly isTypeOnly: boolean
  readonly line: number
}

const IMPORTS: readonly RegExp[] = [
  /^[ \t]*(?:import|export)\b(?<names>[^;'"`]*?)\bfrom\s+'(?<specifier>[^']+)'/gm,
  /^[ \t]*import\s+'(?<specifier>[^']+)'/gm,
  /\bimport\(\s*'(?<specifier>[^']+)'\s*\)/g,
  /\bnew URL\(\s*'(?<specifier>\.[^']+\.ts)'\s*,\s*import\.meta\.url/g,
]

/** Every module that this one names: imports, re-exports, dynamic imports, and workers started by their URL. */
export function importsOf({ code, codeAndStrings }: SourceText): Import[] {
  return IMPORTS.flatMap((pattern) =>
    [...codeAndStrings.matchAll(pattern)].flatMap((match) => {
      const { specifier, names = '' } = match.groups as { specifier: string; names?: string }
      const index = match.index + match[0].search(/\S/)
      if (code[index] === ' ') return [] // said in a string
      return { specifier, isTypeOnly: areTypes(names), line: lineAt(codeAndStrings, index) }
    }),
  )
}

/** True for what stands between `import` and `from` when all of it is erased before the program runs. */
function areTypes(names: string): boolean {
  if (/^\s+type\b/.test(names)) return true
  const inside = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]
  const parts = inside?.split(',').filter((part) => part.trim() !== '') ?? []
  return parts.length > 0 && parts.every((part) => /^\s*type\s/.test(part))
}

export function lineAt(text: string, index: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line++
  return line
}
