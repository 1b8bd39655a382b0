import { VALUE_NULL, VALUE_NUMBER } from '../../base/columns.ts'
import type { FlatRecord } from './column-source.ts'

/** What queries answer, said naively, as `matches` says what a filter means. */

export interface NaiveBucket {
  readonly count: number
  readonly by: Readonly<Record<string, number>>
}

/** By the start of the bucket; only those that hold something. */
export function naiveHistogram(
  records: readonly FlatRecord[],
  field: string,
  intervalMs: number,
): Map<number, NaiveBucket> {
  const buckets = new Map<number, { count: number; by: Record<string, number> }>()
  for (const record of records) {
    const startMs = Math.floor(record.timeMs / intervalMs) * intervalMs
    const bucket = buckets.get(startMs) ?? { count: 0, by: {} }
    buckets.set(startMs, bucket)
    const key = textOf(record, field) ?? 'null'
    bucket.count++
    bucket.by[key] = (bucket.by[key] ?? 0) + 1
  }
  return buckets
}

/** How many records have each text of a field; those without it, or with null, are left out. The most frequent first. */
export function naiveValues(records: readonly FlatRecord[], field: string): { value: string; count: number }[] {
  const counts = new Map<string, number>()
  for (const record of records) {
    const value = textOf(record, field)
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts]
    .map(([value, count]) => ({ value, count }))
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
}

/** Each field with how many records have it, and how many texts it has. */
export function naiveFields(records: readonly FlatRecord[]): { name: string; count: number; cardinality: number }[] {
  const texts = new Map<string, string[]>()
  for (const { fields } of records) {
    for (const [name, { text }] of fields) texts.set(name, [...(texts.get(name) ?? []), text])
  }
  return [...texts].map(([name, all]) => ({ name, count: all.length, cardinality: new Set(all).size }))
}

/** Undefined for an absent or null one; numbers are those that JavaScript holds, where it holds them. */
export function textOf(record: FlatRecord, field: string): string | undefined {
  const value = record.fields.get(field)
  if (value === undefined || value.type === VALUE_NULL) return undefined
  const isHeld = value.type === VALUE_NUMBER && Math.abs(Number(value.text)) <= Number.MAX_SAFE_INTEGER
  return isHeld ? String(Number(value.text)) : value.text
}

/** Sum of a number field by the text of another; null where no record has the number. */
export function naiveSums(
  records: readonly FlatRecord[],
  by: string,
  field: string,
): Map<string | null, number | null> {
  const sums = new Map<string | null, number | null>()
  for (const record of records) {
    const key = textOf(record, by) ?? null
    const value = textOf(record, field)
    const sum = sums.get(key) ?? null
    sums.set(key, value === undefined ? sum : (sum ?? 0) + Number(value))
  }
  return sums
}

export function compareTimes(a: FlatRecord, b: FlatRecord): number {
  return a.timeMs - b.timeMs || a.timeNs - b.timeNs
}
