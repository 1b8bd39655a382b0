import { withinEditDistance } from '../base/edit-distance.ts'
import { tokensOfText } from '../base/tokenizer.ts'
import type { TextMatch, TokenPattern } from './ast.ts'
import { compileUserRegex } from './regex.ts'
import { compileGlob } from './text-match-glob.ts'

/** A function that says whether one value's text matches: the definition, which faster ways must agree with. */
export function compileTextMatch(match: TextMatch): (text: string) => boolean {
  switch (match.kind) {
    case 'phrase':
      return sequenceMatcher(match.tokens.map((wanted) => (token: string) => token === wanted))
    case 'tokenPattern':
      return sequenceMatcher(match.tokens.map(compileTokenPattern))
    case 'fuzzy': {
      const isNear = compileFuzzy(match.token, match.distance)
      return (text) => tokensOfText(text).some(isNear)
    }
    case 'regex': {
      const regex = compileUserRegex(match.source, match.flags, 'find')
      return (text) => regex.test(text)
    }
  }
}

/** Tokens that satisfy the tests one after the other. A sequence of none matches nothing: no query matches by having said nothing. */
function sequenceMatcher(tests: readonly ((token: string) => boolean)[]): (text: string) => boolean {
  if (tests.length === 0) return () => false
  return (text) => {
    const tokens = tokensOfText(text)
    for (let first = 0; first + tests.length <= tokens.length; first++) {
      let k = 0
      while (k < tests.length && tests[k]!(tokens[first + k]!)) k++
      if (k === tests.length) return true
    }
    return false
  }
}

/** `*` stands for any run within the token, `?` for one character (a code point). */
export function compileTokenPattern(pattern: TokenPattern): (token: string) => boolean {
  return pattern.literal ? (token) => token === pattern.pattern : compileGlob(pattern.pattern)
}

function compileFuzzy(wanted: string, distance: number): (token: string) => boolean {
  return (token) => withinEditDistance(token, wanted, distance)
}
