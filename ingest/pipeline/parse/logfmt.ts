import type { TextParser } from './parsed-fields.ts'
import { quotedEnd, unescaped } from './quoted-text.ts'

const SPACE = 0x20
const QUOTE = 0x22
const EQUALS = 0x3d

export interface LogfmtOptions {
  /** Words without `=` are fields that are true; else they are passed over. */
  readonly takesFlags: boolean
  /** Values without quotes that are numbers or booleans become such. */
  readonly detectsTypes: boolean
}

/**
 * Pairs `key=value` and `key="quoted value"` between spaces, as logfmt has them (https://pkg.go.dev/github.com/go-logfmt/logfmt). Keys have no
 * space, quote or `=`. Fails for a text without any pair, and for a quote that is not closed.
 */
export function logfmtParser({ takesFlags, detectsTypes }: LogfmtOptions): TextParser {
  return (text, into) => {
    const end = text.length
    let pairs = 0
    let at = 0
    // One field too many, and the text fails however it goes on.
    while (!into.isOverfull) {
      while (at < end && text.charCodeAt(at) <= SPACE) at++
      if (at === end) break
      const start = at
      let c = text.charCodeAt(at)
      while (c > SPACE && c !== EQUALS && c !== QUOTE) c = text.charCodeAt(++at)
      const key = text.slice(start, at)
      if (c !== EQUALS || key === '') {
        // A word, or a quote where no value is: passed over as a whole.
        if (c === QUOTE) {
          at = quotedEnd(text, at, '"')
          if (at < 0) return 'a quote is not closed'
        } else if (c === EQUALS) while (at < end && text.charCodeAt(at) > SPACE) at++
        else if (takesFlags) into.json(key, 'true')
        continue
      }
      at++
      pairs++
      if (text.charCodeAt(at) === QUOTE) {
        const close = quotedEnd(text, at, '"')
        if (close < 0) return 'a quote is not closed'
        into.text(key, unescaped(text.slice(at + 1, close - 1)))
        at = close
        continue
      }
      const from = at
      while (at < end && text.charCodeAt(at) > SPACE) at++
      const value = text.slice(from, at)
      if (detectsTypes) into.bare(key, value)
      else into.text(key, value)
    }
    return pairs === 0 ? 'there is no pair key=value' : undefined
  }
}
