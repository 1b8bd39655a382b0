import { unreachable } from '../base/assert.ts'
import { Bitmap } from '../base/bitmap.ts'
import { isWord } from '../base/tokenizer.ts'
import type { PruneExpr } from '../query/prune.ts'
import type { BlockSummary } from './block.ts'
import type { BlockIndex } from './block-index.ts'

/** A filter that an index answers by itself. */
export type PruneLeaf = Exclude<PruneExpr, { readonly kind: 'and' | 'or' }>

/** What one filter ruled out, for explain. Filters that were not needed any more are not listed. */
export interface PruneFilterStats {
  readonly filter: PruneLeaf
  /** Blocks that were still candidates when it was asked. */
  readonly asked: number
  /** Of these, blocks that it left. */
  readonly kept: number
}

export interface PruneResult {
  /** Blocks that may hold a match; a superset (S5). */
  readonly candidates: Bitmap
  /** What the numbers of `candidates` mean. */
  readonly summaries: readonly BlockSummary[]
  readonly filters: readonly PruneFilterStats[]
}

/**
 * The blocks of `index` (of `within`, where given) that may hold a row that matches. On a local index all of it happens
 * before the first await, so the numbering cannot change under it.
 */
export async function pruneBlocks(expr: PruneExpr, index: BlockIndex, within?: Bitmap): Promise<PruneResult> {
  const { summaries } = index
  const filters: PruneFilterStats[] = []
  const all = within ?? Bitmap.full(summaries.length)
  const pruned = prune(expr, index, all, filters)
  const candidates = pruned instanceof Bitmap ? pruned : await pruned
  return { candidates, summaries, filters }
}

type MaybeLater<T> = T | Promise<T>

/** Members of `among` that `expr` does not rule out; `among` is left as it is. */
function prune(expr: PruneExpr, index: BlockIndex, among: Bitmap, filters: PruneFilterStats[]): MaybeLater<Bitmap> {
  switch (expr.kind) {
    case 'and':
      return pruneAll(
        [...expr.of].sort((a, b) => cost(a) - cost(b)),
        0,
        index,
        among.clone(),
        filters,
      )
    case 'or':
      return pruneAny(expr.of, 0, index, among, new Bitmap(among.length), filters)
    default:
      return then(answer(expr, index), (found) => {
        const kept = found.and(among)
        filters.push({ filter: expr, asked: among.count(), kept: kept.count() })
        return kept
      })
  }
}

/** Asks each filter about what those before it left; stops when nothing is left. */
function pruneAll(
  of: readonly PruneExpr[],
  next: number,
  index: BlockIndex,
  among: Bitmap,
  filters: PruneFilterStats[],
): MaybeLater<Bitmap> {
  const expr = of[next]
  if (expr === undefined || among.isEmpty()) return among
  return then(prune(expr, index, among, filters), (left) => pruneAll(of, next + 1, index, left, filters))
}

/** Asks each filter about what no filter before it took; stops when all is taken. */
function pruneAny(
  of: readonly PruneExpr[],
  next: number,
  index: BlockIndex,
  among: Bitmap,
  taken: Bitmap,
  filters: PruneFilterStats[],
): MaybeLater<Bitmap> {
  const expr = of[next]
  const rest = among.clone().andNot(taken)
  if (expr === undefined || rest.isEmpty()) return taken
  return then(prune(expr, index, rest, filters), (found) =>
    pruneAny(of, next + 1, index, among, taken.or(found), filters),
  )
}

function answer(filter: PruneLeaf, index: BlockIndex): MaybeLater<Bitmap> {
  switch (filter.kind) {
    case 'any':
      return Bitmap.full(index.summaries.length)
    case 'none':
      return new Bitmap(index.summaries.length)
    case 'token':
      return index.withToken(filter.token)
    case 'tokenPrefix':
      return index.withTokenPrefix(filter.prefix)
    case 'fuzzyToken':
      return index.withFuzzyToken(filter.token, filter.distance)
    case 'value':
      return index.withValue(filter.field, filter.value)
    case 'range':
      return index.withRange(filter.field, filter.min, filter.max)
    case 'exists':
      return index.withField(filter.field)
    default:
      return unreachable(filter)
  }
}

/** What an answer costs, roughly in reads; the cheap ones go first. */
function cost(expr: PruneExpr): number {
  switch (expr.kind) {
    case 'none':
    case 'any':
      return 0
    case 'exists':
    case 'range':
      return 1
    case 'token':
      return isWord(expr.token) ? 2 : 5
    case 'value':
      return 5
    case 'tokenPrefix':
      return 10
    case 'fuzzyToken':
      return 100
    case 'and':
      return Math.min(100, ...expr.of.map(cost))
    case 'or':
      return expr.of.reduce((sum, inner) => sum + cost(inner), 0)
    default:
      return unreachable(expr)
  }
}

function then<A, B>(value: MaybeLater<A>, next: (value: A) => MaybeLater<B>): MaybeLater<B> {
  return value instanceof Promise ? value.then(next) : next(value)
}
