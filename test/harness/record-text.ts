import type { FlatRecord } from './column-source.ts'

/** The record as a sender writes it; every path is one of nested keys. */
export function recordText(record: FlatRecord): string {
  const nanos = BigInt(record.timeMs) * 1_000_000n + BigInt(record.timeNs)
  const members = [`"timestamp":${nanos}`]
  for (const [path, { type, text }] of record.fields) {
    const value = type === 1 ? JSON.stringify(text) : type === 4 ? 'null' : text
    const keys = path.split('.')
    members.push(`${keys.map((key) => `${JSON.stringify(key)}:`).join('{')}${value}${'}'.repeat(keys.length - 1)}`)
  }
  return `{${members.join(',')}}`
}
