/**
 * Wildcards over a whole text: `*` stands for any run, `?` for one character (a code point); `\*`, `\?` and `\\` stand for the
 * character itself. Matching is linear in the text for each piece of the pattern, whatever either holds, where a regular
 * expression with several `.*` would not be.
 */

/** One part of a pattern: text, or a wildcard. */
type Part = { readonly literal: string } | '*' | '?'

function partsOf(pattern: string): Part[] {
  const parts: Part[] = []
  let literal = ''
  const close = () => {
    if (literal !== '') parts.push({ literal })
    literal = ''
  }
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    if (c === '\\' && /[*?\\]/.test(pattern[i + 1] ?? '')) literal += pattern[++i]
    else if (c === '*' || c === '?') {
      close()
      if (c === '?' || parts.at(-1) !== '*') parts.push(c)
    } else literal += c
  }
  close()
  return parts
}

/** The longest text that whatever matches `pattern` contains; may be empty. */
export function globLiteral(pattern: string): string {
  let longest = ''
  for (const part of partsOf(pattern)) {
    if (typeof part === 'object' && part.literal.length > longest.length) longest = part.literal
  }
  return longest
}

/** Runs of unknown length in `pattern`. */
export function globStars(pattern: string): number {
  return partsOf(pattern).filter((part) => part === '*').length
}

/** A regular expression source of the whole pattern, where `any` is the expression of one character. */
export function globSource(pattern: string, any: string, escapeText: (text: string) => string): string {
  return partsOf(pattern)
    .map((part) => (part === '*' ? `${any}*` : part === '?' ? any : escapeText(part.literal)))
    .join('')
}

/** A function that says whether a whole text matches `pattern`. */
export function compileGlob(pattern: string): (text: string) => boolean {
  const parts = partsOf(pattern)
  return parts.includes('?') ? globByCodePoints(parts) : globByPieces(parts)
}

/** Without `?`: a beginning, an end, and pieces between, each found at its first place. */
function globByPieces(parts: readonly Part[]): (text: string) => boolean {
  const pieces = parts.flatMap((part) => (typeof part === 'object' ? [part.literal] : []))
  const hasStar = parts.includes('*')
  if (!hasStar) return (text) => text === (pieces[0] ?? '')
  const first = parts[0] === '*' ? '' : pieces.shift()!
  const last = parts.at(-1) === '*' ? '' : pieces.pop()!
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    const end = text.length - last.length
    for (const piece of pieces) {
      at = text.indexOf(piece, at)
      if (at === -1 || at + piece.length > end) return false
      at += piece.length
    }
    return true
  }
}

/** The general way: go back to the last `*` and let it take one character more (two fingers, no recursion). */
function globByCodePoints(parts: readonly Part[]): (text: string) => boolean {
  const units = parts.flatMap((part): string[] => {
    if (typeof part === 'string') return [part]
    return Array.from(part.literal, (c) => `=${c}`)
  })
  return (text) => {
    const characters = Array.from(text)
    let i = 0
    let j = 0
    let star = -1
    let taken = 0
    while (i < characters.length) {
      const unit = units[j]
      if (unit === '*') {
        star = j++
        taken = i
      } else if (unit === '?' || unit === `=${characters[i]}`) {
        i++
        j++
      } else if (star >= 0) {
        j = star + 1
        i = ++taken
      } else return false
    }
    while (units[j] === '*') j++
    return j === units.length
  }
}
