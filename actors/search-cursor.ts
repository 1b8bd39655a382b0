import { WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import type { RecordKey } from '../storage/record-id.ts'
import type { TimeRange } from './messages/search.ts'

/**
 * Q1: where a search goes on: the range of time, frozen when the first page was asked for, and the key of the last record that was
 * given. So pages neither overlap nor leave gaps while new records arrive.
 */
export interface SearchCursor {
  readonly range: TimeRange
  readonly after: RecordKey
}

/** Where a tail goes on: per shard, the last row that was looked at. */
export interface TailCursor {
  readonly shards: readonly TailPlace[]
}

export interface TailPlace {
  readonly shard: ShardId
  readonly generation: number
  readonly sequence: number
  readonly row: number
}

/** Above every row number of a frame: the place behind a whole frame. */
export const TAIL_ROW_LAST = 0xffffffff

const SEARCH = 's1'
const TAIL = 't1'

export function encodeSearchCursor({ range, after }: SearchCursor): string {
  const { timeMs, timeNs, shard, generation, sequence, row } = after
  return encode([SEARCH, range.fromMs, range.toMs, timeMs, timeNs, shard, generation, sequence, row])
}

/** Throws invalid_parameter. */
export function decodeSearchCursor(text: string): SearchCursor {
  const [fromMs, toMs, timeMs, timeNs, shard, generation, sequence, row] = numbers(text, SEARCH, 8)
  return {
    range: { fromMs: fromMs!, toMs: toMs! },
    after: {
      timeMs: timeMs!,
      timeNs: timeNs!,
      shard: shard! as ShardId,
      generation: generation!,
      sequence: sequence!,
      row: row!,
    },
  }
}

export function encodeTailCursor({ shards }: TailCursor): string {
  return encode([TAIL, ...shards.flatMap(({ shard, generation, sequence, row }) => [shard, generation, sequence, row])])
}

/** Throws invalid_parameter. */
export function decodeTailCursor(text: string): TailCursor {
  const values = numbers(text, TAIL, undefined)
  const shards: TailPlace[] = []
  for (let i = 0; i + 3 < values.length; i += 4) {
    const [shard, generation, sequence, row] = values.slice(i, i + 4) as [number, number, number, number]
    shards.push({ shard: shard as ShardId, generation, sequence, row })
  }
  return { shards }
}

function encode(values: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url')
}

/** The numbers of a cursor of this kind; `count` of them, or any multiple of four. */
function numbers(text: string, kind: string, count: number | undefined): number[] {
  try {
    const [found, ...values] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown[]
    const fits = count === undefined ? values.length % 4 === 0 : values.length === count
    if (found === kind && fits && values.every((value) => typeof value === 'number' && Number.isFinite(value))) {
      return values as number[]
    }
  } catch {
    // Not our JSON: told below, as any other text that is no cursor.
  }
  throw new WeirError('invalid_parameter', 'not a cursor that this endpoint gave out', { parameter: 'cursor' })
}
