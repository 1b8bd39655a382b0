import type { Prng } from '../../base/prng.ts'
import type { FlatRecord } from './column-source.ts'

/** A row of a table. */
export type Row = Readonly<Record<string, string | number | null>>

/** Pipes, and what they mean said naively: over all matching records in the order of the search. */
export interface RandomPipes {
  readonly text: string
  /** Rows of a table in any order, when `isTable`; else the records left, in order. */
  readonly isTable: boolean
  table(records: readonly FlatRecord[]): Row[]
  rows(records: readonly FlatRecord[]): FlatRecord[]
}

const KEYS = ['service', 'level', 'host'] as const

export function randomPipes(random: Prng): RandomPipes {
  const key = random.pick(KEYS)
  const least = random.below(40)
  const count = 1 + random.below(12)
  const none = { table: () => [], rows: () => [] }
  switch (random.below(7)) {
    case 0:
      return {
        ...none,
        isTable: true,
        text: `| stats count(), sum(n), min(n), max(n), avg(n) as mean by ${key}`,
        table: (records) => statsBy(records, (record) => ({ [key]: textOf(record, key) })),
      }
    case 1:
      return {
        ...none,
        isTable: true,
        text: `| where n >= ${least} | stats count(), sum(n), min(n), max(n), avg(n) as mean by (level, bucket(1s))`,
        table: (records) =>
          statsBy(
            records.filter((record) => (numberOf(record) ?? -1) >= least),
            (record) => ({ level: textOf(record, 'level'), bucket: new Date(floor(record.timeMs)).toISOString() }),
          ),
      }
    case 2:
      return {
        ...none,
        isTable: true,
        text: '| rate 2s',
        table: (records) =>
          [...groups(records, (record) => ({ bucket: new Date(floor(record.timeMs, 2000)).toISOString() }))].map(
            ([group, all]) => ({ ...(JSON.parse(group) as Row), rate: all.length / 2 }),
          ),
      }
    case 3:
      return {
        ...none,
        isTable: false,
        text: `| limit ${count}`,
        rows: (records) => records.slice(0, count),
      }
    case 4:
      return {
        ...none,
        isTable: false,
        text: `| where n < ${least} and level != "INFO"`,
        rows: (records) =>
          records.filter((record) => (numberOf(record) ?? least) < least && textOf(record, 'level') !== 'INFO'),
      }
    case 5:
      return {
        ...none,
        isTable: false,
        text: '| where n >= 0 | sort n desc',
        // A sort keeps the order of those that are equal.
        rows: (records) =>
          records.filter((record) => numberOf(record) !== null).toSorted((a, b) => numberOf(b)! - numberOf(a)!),
      }
    default:
      return {
        ...none,
        isTable: false,
        text: `| dedup ${key}`,
        rows: (records) => {
          const seen = new Set<string | null>()
          return records.filter((record) => {
            const text = textOf(record, key)
            if (seen.has(text)) return false
            seen.add(text)
            return true
          })
        },
      }
  }
}

function statsBy(records: readonly FlatRecord[], groupOf: (record: FlatRecord) => Row): Row[] {
  return [...groups(records, groupOf)].map(([group, all]) => {
    const values = all.map(numberOf).filter((value) => value !== null)
    const sum = values.reduce((a, b) => a + b, 0)
    const has = values.length > 0
    return {
      ...(JSON.parse(group) as Row),
      count: all.length,
      sum_n: has ? sum : null,
      min_n: has ? Math.min(...values) : null,
      max_n: has ? Math.max(...values) : null,
      mean: has ? sum / values.length : null,
    }
  })
}

function groups(records: readonly FlatRecord[], groupOf: (record: FlatRecord) => Row): Map<string, FlatRecord[]> {
  const all = new Map<string, FlatRecord[]>()
  for (const record of records) {
    const key = JSON.stringify(groupOf(record))
    const group = all.get(key)
    if (group === undefined) all.set(key, [record])
    else group.push(record)
  }
  return all
}

function floor(ms: number, widthMs = 1000): number {
  return Math.floor(ms / widthMs) * widthMs
}

function textOf(record: FlatRecord, field: string): string | null {
  return record.fields.get(field)?.text ?? null
}

function numberOf(record: FlatRecord): number | null {
  const value = record.fields.get('n')
  return value === undefined ? null : Number(value.text)
}
