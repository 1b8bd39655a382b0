import type { Prng } from '../../base/prng.ts'
import type { Filter, TextMatch, ValueMatch } from '../../query/ast.ts'
import { type FlatRecord, type FlatValue, number, string } from './column-source.ts'
import { naiveTokens } from './oracle.ts'

/** Few values, so that filters hit; capitals, and characters of two to four bytes. */
const WORDS = [
  'timeout',
  'Timeout',
  'time',
  'out',
  'gateway',
  'a',
  '5',
  '42',
  '500',
  'größe',
  'GRÖSSE',
  '日本',
  '😀x',
  'x_1',
]
const GAPS = [' ', '-', '.', '=', ': ', '\n', '"', '\\', '/']
export const SERVICES = ['checkout', 'cart', 'web-1', 'caf\u00e9', '5', 'True', 'null', 'unknown']
const HOSTS = ['h1', 'h2', 'H1', '10.0.0.1']
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']
const NUMBERS = ['5', '42', '500', '-7', '0', '1.5', '5.0', '5e2', '9007199254740993', '0.1']
const STORED = ['service', 'host', 'status', 'a.b', 'metadata.userId', 'tags.env', 'note']
const REGEXES = ['time', 'ti.*out', '^a', '\\d+', '[^a-z ]+', '(time|out)', 'o{1,2}', 'x\\/y', '\\btime\\b', '5.?0']

/** A record of random fields; `service` and `level` are always there, as ingest makes them. */
export function randomRecord(random: Prng, timeMs: number, timeNs: number): FlatRecord {
  const fields = new Map<string, FlatValue>()
  fields.set('service', string(random.pick(SERVICES)))
  fields.set('level', string(random.pick(LEVELS)))
  if (random.chance(0.8)) fields.set('message', string(randomText(random)))
  if (random.chance(0.7)) fields.set('host', string(random.pick(HOSTS)))
  if (random.chance(0.7)) fields.set('n', number(random.below(50)))
  for (const path of ['status', 'a.b', 'metadata.userId', 'tags.env', 'note']) {
    if (random.chance(0.4)) fields.set(path, randomValue(random))
  }
  return { timeMs, timeNs, fields }
}

function randomText(random: Prng): string {
  let text = ''
  for (let i = random.below(6); i >= 0; i--) text += random.pick(WORDS) + random.pick(GAPS)
  return text
}

function randomValue(random: Prng): FlatValue {
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return number(random.pick(NUMBERS))
    case 3:
      return { type: 3, text: random.pick(['true', 'false']) }
    case 4:
      return { type: 4, text: '' }
    case 5:
      return { type: 5, text: random.pick(['[]', '{}', '["time out",5]']) }
    default:
      return string(random.chance(0.3) ? random.pick(NUMBERS) : randomText(random))
  }
}

/** A filter as the parser makes them: no AND directly in an AND, no OR in an OR. Times lie about `aroundMs`. */
export function randomFilter(random: Prng, aroundMs: number, depth = 3): Filter {
  const draw = random.below(10)
  if (depth > 0 && draw < 4) {
    const kind = draw < 2 ? 'and' : 'or'
    const parts = Array.from({ length: 2 + random.below(2) }, () => randomFilter(random, aroundMs, depth - 1))
    return { kind, of: parts.flatMap((part) => (part.kind === kind ? part.of : [part])) }
  }
  if (depth > 0 && draw === 4) return { kind: 'not', of: randomFilter(random, aroundMs, depth - 1) }
  return randomLeaf(random, aroundMs)
}

function randomLeaf(random: Prng, aroundMs: number): Filter {
  switch (random.below(12)) {
    case 0:
      return { kind: 'all' }
    case 1:
      return { kind: 'exists', field: random.pick([...STORED, 'metadata', 'a', 'n', 'nowhere']) }
    case 2:
    case 3:
    case 4:
      return {
        kind: 'text',
        field: random.chance(0.6) ? null : random.pick(['message', 'note', 'a.b']),
        match: textMatch(random),
      }
    case 5:
      return { kind: 'field', field: 'level', match: { kind: 'equal', text: random.pick(LEVELS), number: null } }
    case 6:
      return { kind: 'field', field: 'timestamp', match: timeRange(random, aroundMs) }
    case 7:
    case 8:
      return { kind: 'field', field: 'service', match: equal(random, SERVICES) }
    default:
      return { kind: 'field', field: random.pick([...STORED, 'n']), match: valueMatch(random) }
  }
}

function textMatch(random: Prng): TextMatch {
  const tokens = naiveTokens(random.pick(WORDS) + (random.chance(0.3) ? ` ${random.pick(WORDS)}` : ''))
  switch (random.below(6)) {
    case 0: {
      const [first = 'a'] = tokens
      const characters = Array.from(first)
      const kept = 1 + random.below(characters.length)
      const pattern = `${characters.slice(0, kept).join('')}*`
      return { kind: 'tokenPattern', tokens: [{ pattern, literal: false }] }
    }
    case 1: {
      const [first = 'a'] = tokens
      return { kind: 'tokenPattern', tokens: [{ pattern: `?${Array.from(first).slice(1).join('')}`, literal: false }] }
    }
    case 2:
      return { kind: 'fuzzy', token: tokens[0] ?? 'a', distance: random.chance(0.5) ? 1 : 2 }
    case 3:
      return { kind: 'regex', source: random.pick(REGEXES), flags: random.chance(0.5) ? 'i' : '' }
    default:
      return { kind: 'phrase', tokens }
  }
}

type FieldMatch = Exclude<ValueMatch, { kind: 'timeRange' }>

function equal(random: Prng, texts: readonly string[]): FieldMatch {
  const text = random.pick(texts)
  const value = Number(text)
  // Only numbers that print as they were written are numbers to the printer.
  return {
    kind: 'equal',
    text,
    number: /^-?\d/.test(text) && String(value) === text && random.chance(0.5) ? value : null,
  }
}

function valueMatch(random: Prng): FieldMatch {
  switch (random.below(7)) {
    case 0:
    case 1:
      return equal(random, [...NUMBERS, ...HOSTS, 'true', 'null', '', '[]', 'timeout '])
    case 2:
      return { kind: 'wildcard', pattern: random.pick(['h*', '?1', '*o*', '5*', 'time*t*', '*.*', 'caf?']) }
    case 3:
      return { kind: 'regex', source: random.pick(REGEXES), flags: '' }
    case 4: {
      const [a, b] = [random.pick(HOSTS), random.pick(['Z', 'a', 'k', 'x_1'])].sort() as [string, string]
      if (Buffer.compare(Buffer.from(a), Buffer.from(b)) >= 0) return equal(random, HOSTS)
      return { kind: 'textRange', min: a, minInclusive: random.chance(0.5), max: b, maxInclusive: random.chance(0.5) }
    }
    default: {
      const min = random.chance(0.3) ? -Infinity : random.below(40) - 10
      const max =
        random.chance(0.3) && min !== -Infinity ? Infinity : (min === -Infinity ? 0 : min) + 1 + random.below(500)
      return {
        kind: 'range',
        min,
        minInclusive: min === -Infinity || random.chance(0.5),
        max,
        maxInclusive: max === Infinity || random.chance(0.5),
      }
    }
  }
}

function timeRange(random: Prng, aroundMs: number): ValueMatch & { kind: 'timeRange' } {
  const fromMs = random.chance(0.3) ? -Infinity : aroundMs + random.below(2000) - 1000
  const toMs =
    random.chance(0.3) && fromMs !== -Infinity
      ? Infinity
      : (fromMs === -Infinity ? aroundMs : fromMs) + 1 + random.below(1000)
  return {
    kind: 'timeRange',
    fromMs,
    fromNs: fromMs === -Infinity ? 0 : random.pick([0, 1, 999_999]),
    fromInclusive: fromMs === -Infinity || random.chance(0.5),
    toMs,
    toNs: toMs === Infinity ? 0 : random.pick([0, 1, 999_999]),
    toInclusive: toMs === Infinity || random.chance(0.5),
  }
}
