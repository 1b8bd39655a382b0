import type { Bitmap } from '../base/bitmap.ts'
import { COLUMN_OVERFLOW, type Column, FIELD_LEVEL, FIELD_MESSAGE, VALUE_ABSENT, VALUE_NULL } from '../base/columns.ts'
import { HASH_MULTIPLIER, HASH_SEED, mix32 } from '../base/hash.ts'
import { PATTERN_MEMO_MAX, PATTERNS_PER_LEAF_MAX } from '../base/limits.ts'
import { cellReader } from './aggregate-groups.ts'
import { textOf, type ValueList } from './filter-scan.ts'
import { type Cluster, PatternTree, patternTokens } from './patterns-drain.ts'
import type { PipeRows, PipeUnit } from './pipes.ts'
import { recordJson } from './record-json.ts'
import { compareRowKeys, type RowKey } from './row-key.ts'
import { timestampText } from './row-time.ts'

/** A template of messages as a leaf knows it: plain values. */
export interface LeafPattern {
  readonly tokens: readonly string[]
  readonly count: number
  readonly levels: Readonly<Record<string, number>>
  /** Keys of the oldest record; and of the newest, which is the sample. */
  readonly first: RowKey
  readonly last: RowKey
  /** The newest record's JSON. */
  readonly sample: string
}

export interface Pattern {
  readonly pattern: string
  readonly count: number
  readonly levels: Readonly<Record<string, number>>
  /** RFC 3339. */
  readonly firstAt: string
  readonly lastAt: string
  readonly sample: string
}

/** Mines the messages of one leaf. Bounded: see PATTERN_* in base/limits.ts. */
export interface PatternMiner {
  /** Columns to open a unit with, of those it has. */
  columns(columnNames: readonly string[]): string[]
  add(unit: PipeUnit, matches: Bitmap): void
  /** The most frequent templates, with samples, for which units are reopened. */
  partial(): Promise<LeafPattern[]>
}

interface Tally {
  count: number
  readonly levels: Map<string, number>
  first: RowKey | null
  last: RowKey | null
  place: { readonly reopen: () => Promise<PipeRows>; readonly row: number } | null
}

const newTally = (): Tally => ({ count: 0, levels: new Map(), first: null, last: null, place: null })

export function createPatternMiner(idOf: (key: RowKey) => string): PatternMiner {
  const tree = new PatternTree<Tally>(newTally)
  // Most messages differ from an earlier one only in words with digits: those are told by a hash of the rest.
  const memo = new Map<number, Cluster<Tally>>()
  const clusterOf = (list: ValueList, index: number): Cluster<Tally> => {
    const shape = shapeOf(list.bytes, list.offsets[index]!, list.offsets[index + 1]!)
    let cluster = memo.get(shape)
    if (cluster === undefined) {
      cluster = tree.assign(patternTokens(textOf(list, index).slice(0, MESSAGE_CHARS_MAX)))
      if (memo.size >= PATTERN_MEMO_MAX) memo.clear()
      memo.set(shape, cluster)
    }
    return cluster
  }
  return {
    columns: (columnNames) => columnNames.filter((name) => READ.has(name)),
    add(unit, matches) {
      const source = unit.rows.columns
      const message = source.column(FIELD_MESSAGE)
      if (message === undefined || message.kind === 'integer') return
      const levelOf = cellReader(source, FIELD_LEVEL)
      const { reopen, shard } = unit
      for (const row of matches.toArray()) {
        const index = placeOf(message, row)
        if (index < 0) continue
        const tally = clusterOf(message, index).data
        tally.count++
        const level = String(levelOf(row) ?? 'null')
        tally.levels.set(level, (tally.levels.get(level) ?? 0) + 1)
        const timeMs = source.timeMs[row]!
        if (tally.first !== null && timeMs > tally.first.timeMs && timeMs < tally.last!.timeMs) continue
        const key: RowKey = {
          timeMs,
          timeNs: source.timeNs[row]!,
          shard,
          generation: unit.rows.generation,
          sequence: unit.rows.sequenceOf(row),
          row: unit.rows.rowOf(row),
        }
        if (tally.first === null || compareRowKeys(key, tally.first) < 0) tally.first = key
        if (tally.last === null || compareRowKeys(key, tally.last) > 0) {
          tally.last = key
          tally.place = { reopen, row }
        }
      }
    },
    async partial() {
      const frequent = tree.clusters
        .filter(({ data }) => data.count > 0)
        .sort((a, b) => b.data.count - a.data.count)
        .slice(0, PATTERNS_PER_LEAF_MAX)
      const samples = await printSamples(frequent, idOf)
      return frequent.map(({ tokens, data }, i) => ({
        tokens,
        count: data.count,
        levels: Object.fromEntries(data.levels),
        first: data.first!,
        last: data.last!,
        sample: samples[i]!,
      }))
    },
  }
}

/** The newest record of each, as JSON; one unit open at a time. */
async function printSamples(clusters: readonly Cluster<Tally>[], idOf: (key: RowKey) => string): Promise<string[]> {
  const samples = new Array<string>(clusters.length).fill('')
  const byUnit = Map.groupBy(clusters.keys(), (i) => clusters[i]!.data.place!.reopen)
  for (const [reopen, list] of byUnit) {
    const rows = await reopen()
    for (const i of list) {
      const { last, place } = clusters[i]!.data
      const meta = { id: idOf(last!), ingestedAtMs: rows.receivedMsOf(place!.row) }
      samples[i] = recordJson(rows.columns, place!.row, meta)
    }
  }
  return samples
}

const READ = new Set([FIELD_MESSAGE, FIELD_LEVEL, COLUMN_OVERFLOW])
/** What follows is hardly ever part of a template. */
const MESSAGE_CHARS_MAX = 2000

/** Index of a row's message in its column, or -1. */
function placeOf(column: Exclude<Column, { kind: 'integer' }>, row: number): number {
  const index = column.kind === 'bytes' ? row : column.codes[row]! - 1
  if (index < 0) return -1
  const type = column.types[index]!
  return type === VALUE_ABSENT || type === VALUE_NULL ? -1 : index
}

/** By byte: 1 ends a token (as patternTokens has it), 2 is a digit, else 0. */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x30 && byte <= 0x39) return 2
  return /[\s=:,;()[\]{}"'|<>]/.test(String.fromCharCode(byte)) && byte < 0x80 ? 1 : 0
})
const SECOND_MULTIPLIER = 0x85ebca6b | 0
const VARIABLE_HASH = 0x2545f491

/** 52 bits of hash of a message, words with digits all counting alike; 0.1 µs for 70 bytes. */
function shapeOf(bytes: Uint8Array, start: number, end: number): number {
  let a = HASH_SEED
  let b = HASH_SEED
  let word = 0
  let hasDigit = false
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    const kind = KINDS[byte]!
    if (kind === 1) {
      const token = hasDigit ? VARIABLE_HASH : word
      a = Math.imul(Math.imul(a ^ token, HASH_MULTIPLIER) ^ byte, HASH_MULTIPLIER)
      b = Math.imul(Math.imul(b ^ token, SECOND_MULTIPLIER) ^ byte, SECOND_MULTIPLIER)
      word = 0
      hasDigit = false
    } else {
      word = Math.imul(word ^ byte, HASH_MULTIPLIER)
      if (kind === 2) hasDigit = true
    }
  }
  const token = hasDigit ? VARIABLE_HASH : word
  a = Math.imul(a ^ token, HASH_MULTIPLIER)
  b = Math.imul(b ^ token, SECOND_MULTIPLIER)
  return (mix32(a) >>> 0) * 2 ** 20 + (mix32(b) >>> 12)
}

/** The most frequent templates of several leaves, alike ones joined. */
export function mergePatterns(partials: readonly (readonly LeafPattern[])[], limit: number): Pattern[] {
  const tree = new PatternTree<Tally & { sample: string }>(() => ({ ...newTally(), sample: '' }))
  for (const pattern of partials.flat()) {
    const { data } = tree.assign(pattern.tokens)
    data.count += pattern.count
    for (const [level, count] of Object.entries(pattern.levels)) {
      data.levels.set(level, (data.levels.get(level) ?? 0) + count)
    }
    if (data.first === null || compareRowKeys(pattern.first, data.first) < 0) data.first = pattern.first
    if (data.last === null || compareRowKeys(pattern.last, data.last) > 0) {
      data.last = pattern.last
      data.sample = pattern.sample
    }
  }
  return tree.clusters
    .toSorted((a, b) => b.data.count - a.data.count)
    .slice(0, limit)
    .map(({ tokens, data }) => ({
      pattern: tokens.join(''),
      count: data.count,
      levels: Object.fromEntries(data.levels),
      firstAt: timestampText(data.first!.timeMs, data.first!.timeNs),
      lastAt: timestampText(data.last!.timeMs, data.last!.timeNs),
      sample: data.sample,
    }))
}
