import { WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'

/**
 * What orders records everywhere (Q1): time, then shard, then position. Also what identifies one: no two rows share it.
 */
export interface RecordKey {
  readonly timeMs: number
  readonly timeNs: number
  readonly shard: ShardId
  readonly generation: number
  readonly sequence: number
  readonly row: number
}

export function compareRecordKeys(a: RecordKey, b: RecordKey): number {
  return (
    a.timeMs - b.timeMs ||
    a.timeNs - b.timeNs ||
    a.shard - b.shard ||
    a.generation - b.generation ||
    a.sequence - b.sequence ||
    a.row - b.row
  )
}

/**
 * The public id of a record: fixed-width lower-case hexadecimal fields, so that ids sort as their keys do. Nanoseconds since the epoch (16
 * digits), shard (4), generation (4), sequence (12), row (6). Records before 1970 do not exist (D5).
 */
export function encodeRecordId(key: RecordKey): string {
  // Milliseconds split so that every part stays an exact integer below 2^53: no BigInt on the way of a search answer.
  const high = Math.floor(key.timeMs / 2 ** 24)
  const low = key.timeMs - high * 2 ** 24
  const lowNs = low * 1e6 + key.timeNs
  const carry = high * 1e6 * 2 ** -8 + Math.floor(lowNs / 2 ** 32)
  const whole = Math.floor(carry)
  const rest = (carry - whole) * 2 ** 32 + (lowNs % 2 ** 32)
  const upper = whole + Math.floor(rest / 2 ** 32)
  writeHex(upper, 0, 8)
  writeHex(rest % 2 ** 32, 8, 16)
  writeHex(key.shard, 16, 20)
  writeHex(key.generation, 20, 24)
  writeHex(Math.floor(key.sequence / 2 ** 24), 24, 30)
  writeHex(key.sequence % 2 ** 24, 30, 36)
  writeHex(key.row, 36, 42)
  return scratch.toString('latin1')
}

/** Throws not_found: an id that was never made names no record. */
export function decodeRecordId(id: string): RecordKey {
  if (!/^[0-9a-f]{42}$/.test(id)) throw new WeirError('not_found', 'no record has this id')
  const ns = BigInt(`0x${id.slice(0, 16)}`)
  const part = (from: number, to: number) => Number.parseInt(id.slice(from, to), 16)
  return {
    timeMs: Number(ns / 1_000_000n),
    timeNs: Number(ns % 1_000_000n),
    shard: part(16, 20) as ShardId,
    generation: part(20, 24),
    sequence: part(24, 36),
    row: part(36, 42),
  }
}

const ID_LENGTH = 42
const scratch = Buffer.alloc(ID_LENGTH)
const HEX_DIGITS = Buffer.from('0123456789abcdef', 'latin1')

/** A value below 2^32 as the digits from `start` to `end` of `scratch`. */
function writeHex(value: number, start: number, end: number): void {
  for (let at = end - 1, left = value; at >= start; at--, left >>>= 4) scratch[at] = HEX_DIGITS[left & 15]!
}
