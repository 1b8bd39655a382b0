/** Levels by rising weight; the number is the index in LEVEL_NAMES. TRACE is 0. */
const LEVEL_DEBUG = 1
export const LEVEL_INFO = 2
export const LEVEL_WARN = 3
export const LEVEL_ERROR = 4
const LEVEL_FATAL = 5
/** The text names no level. */
export const LEVEL_UNKNOWN = -1

export const LEVEL_NAMES: readonly string[] = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']

const WORDS: readonly (readonly string[])[] = [
  ['trace', 'trc', 't', 'verbose', 'vrb', 'v', 'silly', 'finest', 'finer', 'spam'],
  ['debug', 'dbg', 'd', 'fine', 'config'],
  ['info', 'information', 'informational', 'inf', 'i', 'notice', 'note', 'default', 'success', 'log', 'http'],
  ['warn', 'warning', 'wrn', 'w'],
  ['error', 'err', 'e', 'severe', 'failure', 'fail'],
  ['fatal', 'ftl', 'f', 'critical', 'crit', 'c', 'alert', 'a', 'emergency', 'emerg', 'panic', 'dpanic'],
]

/** Words that a message must hold for a level to be read off it; single letters would be found everywhere. */
const MESSAGE_WORDS: readonly (readonly string[])[] = [
  ['trace'],
  ['debug'],
  ['info', 'notice'],
  ['warn', 'warning'],
  ['error', 'err', 'severe'],
  ['fatal', 'critical', 'crit', 'alert', 'emergency', 'emerg', 'panic'],
]

const WORD_BYTES_MAX = 13
const textEncoder = new TextEncoder()

interface Word {
  readonly bytes: Uint8Array
  readonly level: number
}

/** First letter → words with it. */
function byFirstLetter(words: readonly (readonly string[])[]): readonly (readonly Word[])[] {
  const table: Word[][] = Array.from({ length: 26 }, () => [])
  words.forEach((names, level) => {
    for (const name of names) table[name.charCodeAt(0) - 0x61]!.push({ bytes: textEncoder.encode(name), level })
  })
  return table
}

const WORD_TABLE = byFirstLetter(WORDS)
const MESSAGE_TABLE = byFirstLetter(MESSAGE_WORDS)

function levelOfWord(table: readonly (readonly Word[])[], bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  const letter = (bytes[start]! | 0x20) - 0x61
  if (length > WORD_BYTES_MAX || letter < 0 || letter > 25) return LEVEL_UNKNOWN
  const words = table[letter]!
  next: for (let w = 0; w < words.length; w++) {
    const word = words[w]!
    if (word.bytes.length !== length) continue
    for (let i = 1; i < length; i++) if ((bytes[start + i]! | 0x20) !== word.bytes[i]) continue next
    return word.level
  }
  return LEVEL_UNKNOWN
}

/**
 * Level of a text: a name in any case, also with OpenTelemetry's digit (`ERROR2`) or in brackets, or a number as
 * `levelOfNumber` reads it. LEVEL_UNKNOWN when it is none.
 */
export function levelOfText(bytes: Uint8Array, start: number, end: number): number {
  let from = start
  let to = end
  while (from < to && (bytes[from]! <= 0x20 || bytes[from] === 0x5b)) from++
  while (from < to && (bytes[to - 1]! <= 0x20 || bytes[to - 1] === 0x5d)) to--
  if (from === to) return LEVEL_UNKNOWN
  const first = bytes[from]!
  if (first >= 0x30 && first <= 0x39) return levelOfNumber(bytes, from, to)
  const last = bytes[to - 1]!
  if (last >= 0x31 && last <= 0x34 && to - from > 1) to--
  return levelOfWord(WORD_TABLE, bytes, from, to)
}

/** Level of a number's text: 0 to 7 as syslog severities, 10 to 69 as pino and Bunyan number them. */
export function levelOfNumber(bytes: Uint8Array, start: number, end: number): number {
  const value = smallInteger(bytes, start, end)
  if (value < 0) return LEVEL_UNKNOWN
  if (value <= 7) return SYSLOG_LEVELS[value]!
  if (value >= 10 && value < 70) return Math.floor(value / 10) - 1
  return LEVEL_UNKNOWN
}

/** Level of OpenTelemetry's severity_number, 1 to 24. */
export function levelOfSeverityNumber(bytes: Uint8Array, start: number, end: number): number {
  const value = smallInteger(bytes, start, end)
  return value >= 1 && value <= 24 ? (value - 1) >> 2 : LEVEL_UNKNOWN
}

const SYSLOG_LEVELS = [
  LEVEL_FATAL,
  LEVEL_FATAL,
  LEVEL_FATAL,
  LEVEL_ERROR,
  LEVEL_WARN,
  LEVEL_INFO,
  LEVEL_INFO,
  LEVEL_DEBUG,
]

/** An integer of one or two digits, else -1. */
function smallInteger(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 1 || length > 2) return -1
  const first = bytes[start]! - 0x30
  if (first < 0 || first > 9) return -1
  if (length === 1) return first
  const second = bytes[start + 1]! - 0x30
  return second < 0 || second > 9 ? -1 : first * 10 + second
}

const DETECT_BYTES_MAX = 100

/** Bytes of a word. */
const IS_WORD = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++)
  IS_WORD[byte] = /[a-zA-Z0-9_]/.test(String.fromCharCode(byte)) || byte >= 0x80 ? 1 : 0

/**
 * Level that the first bytes of a message name, else LEVEL_UNKNOWN. A word counts when it is in capitals (`ERROR`),
 * in brackets (`[error]`, `<warn>`), the value of a pair (`level=info`, `"severity":"error"`), or opens the message before
 * a colon (`error: …`).
 */
export function detectLevel(bytes: Uint8Array, start: number, end: number): number {
  const limit = Math.min(end, start + DETECT_BYTES_MAX)
  let at = start
  while (at < limit) {
    if (IS_WORD[bytes[at]!] === 0) {
      at++
      continue
    }
    const from = at
    at++
    while (at < end && at - from <= WORD_BYTES_MAX && IS_WORD[bytes[at]!] === 1) at++
    if (at - from >= 3 && at - from <= WORD_BYTES_MAX) {
      const level = levelOfWord(MESSAGE_TABLE, bytes, from, at)
      if (level !== LEVEL_UNKNOWN && isLevelPlace(bytes, start, from, at, end)) return level
    }
    while (at < limit && IS_WORD[bytes[at]!] === 1) at++
  }
  return LEVEL_UNKNOWN
}

function isLevelPlace(bytes: Uint8Array, start: number, from: number, to: number, end: number): boolean {
  let isCapitals = true
  for (let i = from; i < to; i++) if (bytes[i]! >= 0x61) isCapitals = false
  if (isCapitals) return true
  const after = to < end ? bytes[to]! : 0x20
  if (from === start) return after === 0x3a
  const before = bytes[from - 1]!
  if (before === 0x5b || before === 0x3c || before === 0x28) return after === 0x5d || after === 0x3e || after === 0x29
  // The value of a pair: level=info, "level":"info", severity: info.
  let at = from - 1
  while (at >= start && (bytes[at] === 0x22 || bytes[at] === 0x20)) at--
  if (at < start || (bytes[at] !== 0x3d && bytes[at] !== 0x3a)) return false
  at--
  while (at >= start && (bytes[at] === 0x22 || bytes[at] === 0x20)) at--
  return LEVEL_KEYS.some((key) => endsWith(bytes, start, at + 1, key))
}

/** Keys whose value is a level, or that end in such a word. */
const LEVEL_KEYS = ['level', 'severity', 'lvl'].map((key) => textEncoder.encode(key))

function endsWith(bytes: Uint8Array, start: number, end: number, suffix: Uint8Array): boolean {
  const from = end - suffix.length
  if (from < start) return false
  for (let i = 0; i < suffix.length; i++) if ((bytes[from + i]! | 0x20) !== suffix[i]) return false
  return true
}
