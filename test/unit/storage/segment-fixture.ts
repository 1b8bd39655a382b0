import fc from 'fast-check'
import { utf8Text } from '../../../base/bytes.ts'
import { systemClock } from '../../../base/clock.ts'
import type { ColumnSource } from '../../../base/columns.ts'
import { VALUE_ABSENT, VALUE_NULL, VALUE_NUMBER, valueBytes, valueType } from '../../../base/columns.ts'
import { withinEditDistance } from '../../../base/edit-distance.ts'
import { type DayNumber, dayOf, type ShardId, type TenantId } from '../../../base/ids.ts'
import { isWord, tokensOfText } from '../../../base/tokenizer.ts'
import type { PruneExpr } from '../../../query/prune.ts'
import type { EncodedBlock } from '../../../storage/block.ts'
import { encodeBlock } from '../../../storage/block-codec.ts'
import type { SegmentIdentity } from '../../../storage/segment.ts'
import { TokenShapes } from '../../../storage/token-shapes.ts'
import { sourceOf, type TableModel, tableModels } from './arbitrary-table.ts'

export const SHARD = 3 as ShardId
export const DAY = dayOf(Date.UTC(2026, 10, 21)) as DayNumber
export const IDENTITY: SegmentIdentity = { shard: SHARD, epoch: 5, mergeLevel: 0 }
export const TENANT = 'acme' as TenantId

/** A block of a table, as a cut makes it; tables of one test need different sequences. */
export function encodeTable(model: TableModel, sequence: number, tenant = TENANT, day = DAY): Promise<EncodedBlock> {
  return encodeSource(sourceOf(model), sequence, tenant, day)
}

export async function encodeSource(
  source: ColumnSource,
  sequence: number,
  tenant = TENANT,
  day = DAY,
): Promise<EncodedBlock> {
  const part = { source, rows: null, sequence, rowBase: 0, receivedMs: 1_700_000_000_000 }
  const identity = { tenant, day, retentionClass: 0, generation: 1 }
  return encodeBlock([part], identity, { zstdLevel: 1, clock: systemClock })
}

/** The block with the shapes of the tokens that its words leave out. */
export function withShapes(block: EncodedBlock, source: ColumnSource): EncodedBlock {
  const shapes = new TokenShapes()
  for (const token of tokensOf(source)) {
    if (isWord(token)) continue
    const bytes = new TextEncoder().encode(token)
    shapes.note(bytes, 0, bytes.length, bytes.length === token.length)
  }
  return { ...block, summary: { ...block.summary, otherTokens: shapes.finish() } }
}

/** All values that senders gave to fields: [field, type, text]. */
export function* valuesOf(source: ColumnSource): Generator<[field: string, type: number, text: string]> {
  for (const name of source.columnNames) {
    const column = source.column(name)
    if (column === undefined || name.startsWith('\\@')) continue
    for (let row = 0; row < source.rowCount; row++) {
      const type = valueType(column, row)
      if (type !== VALUE_ABSENT) yield [name, type, utf8Text(valueBytes(column, row))]
    }
  }
}

export function tokensOf(source: ColumnSource): Set<string> {
  const tokens = new Set<string>()
  for (const [, , text] of valuesOf(source)) for (const token of tokensOfText(text)) tokens.add(token)
  return tokens
}

/** Brute force: whether some row holds what the leaf of a prune expression asks for; and and or by rows together. */
export function holds(expr: PruneExpr, source: ColumnSource): boolean {
  switch (expr.kind) {
    case 'any':
      return true
    case 'none':
      return false
    case 'and':
      return expr.of.every((inner) => holds(inner, source))
    case 'or':
      return expr.of.some((inner) => holds(inner, source))
    case 'token':
      return tokensOf(source).has(expr.token)
    case 'tokenPrefix':
      return [...tokensOf(source)].some((token) => token.startsWith(expr.prefix))
    case 'fuzzyToken':
      return [...tokensOf(source)].some((token) => withinEditDistance(token, expr.token, expr.distance))
    case 'value':
      return [...valuesOf(source)].some(
        ([field, type, text]) => field === expr.field && (type === VALUE_NULL ? 'null' : text) === expr.value,
      )
    case 'range':
      return [...valuesOf(source)].some(([field, type, text]) => {
        const value = Number(text)
        return field === expr.field && type === VALUE_NUMBER && value >= expr.min && value <= expr.max
      })
    case 'exists':
      return [...valuesOf(source)].some(([field]) => field === expr.field)
  }
}

/** Filters, most of which hold somewhere in `sources`. */
export function filtersFor(sources: readonly ColumnSource[]): fc.Arbitrary<PruneExpr> {
  const values = sources.flatMap((source) => [...valuesOf(source)])
  const tokens = [...new Set(sources.flatMap((source) => [...tokensOf(source)])), 'nowhere', 'n0where_']
  const token = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...tokens) },
    { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 6 }).map((text) => tokensOfText(text)[0] ?? 'zz') },
  )
  const value = values.length === 0 ? fc.constant<[string, number, string]>(['n', 1, 'x']) : fc.constantFrom(...values)
  const leaf: fc.Arbitrary<PruneExpr> = fc.oneof(
    token.map((text): PruneExpr => ({ kind: 'token', token: text })),
    fc
      .tuple(token, fc.nat({ max: 6 }))
      .map(
        ([text, cut]): PruneExpr => ({ kind: 'tokenPrefix', prefix: text.slice(0, Math.max(1, text.length - cut)) }),
      ),
    fc
      .tuple(token, fc.nat({ max: 40 }), fc.constantFrom('', 'a', '7', 'é'), fc.constantFrom(1, 2))
      .map(([text, at, letter, distance]): PruneExpr => {
        const typed = text.slice(0, at) + letter + text.slice(at + 1)
        return { kind: 'fuzzyToken', token: typed === '' ? 'x' : typed, distance }
      }),
    value.map(
      ([field, type, text]): PruneExpr => ({ kind: 'value', field, value: type === VALUE_NULL ? 'null' : text }),
    ),
    fc
      .tuple(value, fc.double({ noNaN: true }), fc.nat({ max: 1000 }))
      .map(([[field, type, text], other, width]): PruneExpr => {
        const middle = type === VALUE_NUMBER && Number.isFinite(Number(text)) ? Number(text) : other
        return { kind: 'range', field, min: middle, max: middle + width }
      }),
    value.map(([field]): PruneExpr => ({ kind: 'exists', field })),
    fc.constantFrom<PruneExpr>({ kind: 'any' }, { kind: 'none' }, { kind: 'exists', field: 'constructor' }),
  )
  const several = fc.array(leaf, { maxLength: 3 })
  return fc.oneof(
    { weight: 5, arbitrary: leaf },
    { weight: 1, arbitrary: several.map((of): PruneExpr => ({ kind: 'and', of })) },
    { weight: 1, arbitrary: several.map((of): PruneExpr => ({ kind: 'or', of })) },
  )
}

/** Tables of a test and what to ask of them. */
export function tablesWithFilters(options: { tablesMax: number; rowsMax: number }): fc.Arbitrary<{
  readonly models: readonly TableModel[]
  readonly filters: readonly PruneExpr[]
}> {
  return fc
    .array(tableModels({ rowsMax: options.rowsMax }), { minLength: 1, maxLength: options.tablesMax })
    .chain((models) =>
      fc.record({
        models: fc.constant(models),
        filters: fc.array(filtersFor(models.map((model) => sourceOf(model))), { minLength: 8, maxLength: 8 }),
      }),
    )
}
