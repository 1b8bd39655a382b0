import type { CharMask } from '../base/char-mask.ts'
import { CHARS_NONE, charMaskOfText } from '../base/char-mask.ts'
import type { TextMatch } from './ast.ts'
import { compileUserRegex } from './regex.ts'
import { requiredLiteralOf } from './text-match-regex-syntax.ts'

/** Characters that every value that matches has; a column without one of them need not be opened (S5: fewer is always right). */
export function charsOfMatch(match: TextMatch): CharMask {
  switch (match.kind) {
    case 'phrase':
      return charMaskOfText(match.tokens.join(' '))
    case 'tokenPattern':
      // Wildcards are no characters of tokens.
      return charMaskOfText(match.tokens.map(({ pattern }) => pattern).join(' '))
    case 'fuzzy':
      return CHARS_NONE
    case 'regex': {
      const { native } = compileUserRegex(match.source, match.flags, 'find')
      const literal = native === null ? null : requiredLiteralOf(native)
      return literal === null ? CHARS_NONE : charMaskOfText(literal)
    }
  }
}
