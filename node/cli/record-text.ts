import { type Fields, leavesOf, valueText } from './exact-values.ts'
import { fitted, printable, printableLines } from './printable.ts'
import type { Paint } from './terminal.ts'

/** What a terminal shows of a message and of another value; the record itself has all of it. */
const SHOWN_MESSAGE_CHARS_MAX = 8192
const SHOWN_VALUE_CHARS_MAX = 200
const FURTHER_LINE = '    | '
/** Named by their place in the line, or of no use in it. */
const PLACED = new Set(['timestamp', 'level', 'service', 'message', 'id', 'ingestedAt'])

/** A record for people. `isWhole`: nothing is cut, and it is one line, as where another program reads it. */
export function recordText(record: Fields, paint: Paint, isWhole: boolean): string {
  const { timestamp, level, service, message } = record
  const name = valueText(level ?? '')
  const parts = [
    paint(printable(valueText(timestamp ?? '')), 'dim'),
    paintLevel(printable(name).padEnd(5), paint),
    paint(printable(valueText(service ?? '')), 'cyan'),
  ]
  if (message !== undefined) parts.push(messageText(valueText(message), isWhole))
  for (const [path, value] of leavesOf(record)) {
    if (!PLACED.has(path)) parts.push(paint(`${printable(path)}=${shownValue(value, isWhole)}`, 'dim'))
  }
  return parts.join(' ')
}

function messageText(message: string, isWhole: boolean): string {
  if (isWhole) return printable(message)
  const cut = message.length - SHOWN_MESSAGE_CHARS_MAX
  const shown = printableLines(cut > 0 ? message.slice(0, SHOWN_MESSAGE_CHARS_MAX) : message, FURTHER_LINE)
  return cut > 0 ? `${shown}… (${cut} characters more)` : shown
}

function shownValue(value: unknown, isWhole: boolean): string {
  const text = valueText(value)
  const quoted = typeof value === 'string' && /[\s"=]|^$/.test(text) ? JSON.stringify(text) : text
  const shown = printable(isWhole ? quoted : quoted.slice(0, 4 * SHOWN_VALUE_CHARS_MAX))
  return isWhole ? shown : fitted(shown, SHOWN_VALUE_CHARS_MAX)
}

function paintLevel(level: string, paint: Paint): string {
  switch (level.trimEnd()) {
    case 'FATAL':
      return paint(level, 'magenta')
    case 'ERROR':
      return paint(level, 'red')
    case 'WARN':
      return paint(level, 'yellow')
    case 'INFO':
      return paint(level, 'green')
    default:
      return paint(level, 'dim')
  }
}
