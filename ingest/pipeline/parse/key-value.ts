import type { TextParser } from './parsed-fields.ts'
import { quotedEnd, unescaped } from './quoted-text.ts'

export interface KeyValueOptions {
  /** Between two pairs: `&`, `, `, ` `. */
  readonly pairSeparator: string
  /** Between key and value: `=`, `: `; without the pair separator in it. */
  readonly valueSeparator: string
  /** Characters that quote a value; empty: none does. */
  readonly quotes: string
  readonly detectsTypes: boolean
}

/**
 * Pairs with separators of one's own choice. Space around keys and values is taken off. Parts without the value separator, or without a key,
 * are passed over. Fails for a text without any pair, and for a quote that is not closed.
 */
export function keyValueParser(options: KeyValueOptions): TextParser {
  const { pairSeparator, valueSeparator, quotes, detectsTypes } = options
  return (text, into) => {
    let pairs = 0
    let at = 0
    // Looked for again only once it lies behind, so that no part of the text is looked at twice.
    let middle = 0
    while (at < text.length && !into.isOverfull) {
      let next = text.indexOf(pairSeparator, at)
      if (next < 0) next = text.length
      if (middle < at || at === 0) middle = text.indexOf(valueSeparator, at)
      if (middle < 0) break
      if (middle >= next) {
        at = next + pairSeparator.length
        continue
      }
      const key = text.slice(at, middle).trim()
      let from = middle + valueSeparator.length
      while (from < text.length && text.charCodeAt(from) === 0x20 && !text.startsWith(pairSeparator, from)) from++
      const quote = from < text.length && quotes.includes(text[from]!) ? text[from]! : ''
      let value: string
      if (quote === '') {
        if (next < from) next = from
        value = text.slice(from, next).trim()
      } else {
        const close = quotedEnd(text, from, quote)
        if (close < 0) return 'a quote is not closed'
        value = unescaped(text.slice(from + 1, close - 1))
        next = text.indexOf(pairSeparator, close)
        if (next < 0) next = text.length
      }
      at = next + pairSeparator.length
      if (key === '') continue
      pairs++
      if (detectsTypes && quote === '') into.bare(key, value)
      else into.text(key, value)
    }
    return pairs === 0 ? 'there is no pair of a key and a value' : undefined
  }
}
