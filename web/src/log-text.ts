/** A run of text of a log, and how it is shown. */
export interface Segment {
  readonly text: string
  /** Classes of the style sheet: `ansi-31 ansi-bold`; `control` for a character that is named instead of obeyed; `match`. */
  readonly classes: string
}

/** Control characters, escapes, and what changes the direction of text or is invisible. */
const SPECIAL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/
const SPECIALS = new RegExp(SPECIAL.source, 'g')
/** Terminal sequences: CSI, OSC (bounded), and those of two characters. */
const ESCAPE =
  /\u001b(?:\[([0-9:;<=>?]{0,64})[ -/]{0,8}([@-~])|\][^\u0007\u001b]{0,512}(?:\u0007|\u001b\\)|[@-Z\\^_a-z])/y

/**
 * Text of a log as segments to be shown as text nodes. Colours of terminals become classes; every other terminal sequence is left out; a control or
 * direction character becomes its name, such as `U+202E`. At most `charsMax` UTF-16 units of `text` are looked at.
 */
export function logSegments(text: string, matcher: RegExp | null, charsMax: number): readonly Segment[] {
  const shown = text.length > charsMax ? text.slice(0, charsMax) : text
  const parts: Segment[] = []
  if (!SPECIAL.test(shown)) pushMatches(parts, shown, '', matcher)
  else pushSpecial(parts, shown, matcher)
  return parts
}

function pushSpecial(parts: Segment[], text: string, matcher: RegExp | null): void {
  const look = new Look()
  let from = 0
  SPECIALS.lastIndex = 0
  for (let found = SPECIALS.exec(text); found !== null; found = SPECIALS.exec(text)) {
    const at = found.index
    if (at > from) pushMatches(parts, text.slice(from, at), look.classes, matcher)
    ESCAPE.lastIndex = at
    const sequence = ESCAPE.exec(text)
    if (sequence !== null) {
      if (sequence[2] === 'm') look.apply(sequence[1] ?? '')
      from = ESCAPE.lastIndex
    } else {
      if (found[0] !== '\r') parts.push({ text: nameOf(found[0]), classes: 'control' })
      from = at + 1
    }
    SPECIALS.lastIndex = from
  }
  if (from < text.length) pushMatches(parts, text.slice(from), look.classes, matcher)
}

function pushMatches(parts: Segment[], text: string, classes: string, matcher: RegExp | null): void {
  if (matcher === null) {
    parts.push({ text, classes })
    return
  }
  let from = 0
  for (const match of text.matchAll(matcher)) {
    if (match[0] === '') continue
    if (match.index > from) parts.push({ text: text.slice(from, match.index), classes })
    parts.push({ text: match[0], classes: classes === '' ? 'match' : `${classes} match` })
    from = match.index + match[0].length
  }
  if (from < text.length) parts.push({ text: text.slice(from), classes })
}

function nameOf(char: string): string {
  const code = char.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code)
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

/** What SGR sequences have set so far: ISO 6429 colours 0-15, bold, dim, italic, underline. Colours of 256 and of 24 bits are taken for none. */
class Look {
  #colour = ''
  #background = ''
  readonly #styles = new Set<string>()
  classes = ''

  apply(parameters: string): void {
    const codes = parameters.split(/[;:]/).map(Number)
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i]!
      if (code === 0) this.#reset()
      else if (code === 1) this.#styles.add('ansi-bold')
      else if (code === 2) this.#styles.add('ansi-dim')
      else if (code === 3) this.#styles.add('ansi-italic')
      else if (code === 4) this.#styles.add('ansi-underline')
      else if (code === 22) {
        this.#styles.delete('ansi-bold')
        this.#styles.delete('ansi-dim')
      } else if (code === 23) this.#styles.delete('ansi-italic')
      else if (code === 24) this.#styles.delete('ansi-underline')
      else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) this.#colour = `ansi-${code}`
      else if (code === 39) this.#colour = ''
      else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) this.#background = `ansi-${code}`
      else if (code === 49) this.#background = ''
      else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4
    }
    this.classes = [this.#colour, this.#background, ...this.#styles].filter(Boolean).join(' ')
  }

  #reset(): void {
    this.#colour = ''
    this.#background = ''
    this.#styles.clear()
  }
}
