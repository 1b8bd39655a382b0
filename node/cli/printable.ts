/** Characters that steer a terminal or turn text round: controls, formats (bidi, tags, zero width) but the two joiners of scripts, separators of lines. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?![\u200c\u200d])\p{Cf}/gu
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Text of others in one line of a terminal: what would steer it is shown as an escape, such as `\x1b`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => SHORT[character] ?? escapeOf(character))
}

/** The same of text that may have several lines: each further one is indented, so that none passes for a line of ours. */
export function printableLines(text: string, indent: string): string {
  return text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map((line) => printable(line.replaceAll('\t', '    ')))
    .join(`\n${indent}`)
}

/** JSON text with such characters, which JSON allows in strings, as escapes: the same values. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE_IN_JSON, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${hex(character.charCodeAt(i), 4)}`).join(''),
  )
}

function escapeOf(character: string): string {
  const code = character.codePointAt(0) as number
  if (code < 0x100) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\u{${hex(code, 1)}}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

const ZERO_WIDTH = /^(?:\p{Mn}|\p{Me}|\u200c|\u200d)$/u
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u

/** Columns of a terminal that printable text takes. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let width = 0
  for (const character of text) width += ZERO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

/** As much of printable text as fits so many columns; what is cut off is marked by an ellipsis. */
export function fitted(text: string, columnsMax: number): string {
  if (widthOf(text) <= columnsMax) return text
  let kept = ''
  let width = 0
  for (const character of text) {
    width += widthOf(character)
    if (width > columnsMax - 1) break
    kept += character
  }
  return `${kept}…`
}
