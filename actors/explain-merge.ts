import type { LeafExplained } from './messages/leaf.ts'

type ExplainedShard = LeafExplained['shards'][number]

/** What the leaves would look at, shard by shard: several of them may answer parts of one. */
export function mergeExplained(leaves: readonly (readonly ExplainedShard[])[]): ExplainedShard[] {
  const byShard = new Map<number, ExplainedShard>()
  for (const one of leaves.flat()) {
    const known = byShard.get(one.shard)
    byShard.set(one.shard, known === undefined ? one : joined(known, one))
  }
  return [...byShard.values()].sort((a, b) => a.shard - b.shard)
}

function joined(a: ExplainedShard, b: ExplainedShard): ExplainedShard {
  const pruned = new Map<string, number>()
  for (const { clause, blocks } of [...a.pruned, ...b.pruned]) pruned.set(clause, (pruned.get(clause) ?? 0) + blocks)
  return {
    shard: a.shard,
    headRows: a.headRows + b.headRows,
    localBlocks: a.localBlocks + b.localBlocks,
    segments: a.segments + b.segments,
    segmentBlocks: a.segmentBlocks + b.segmentBlocks,
    candidates: a.candidates + b.candidates,
    pruned: [...pruned].map(([clause, blocks]) => ({ clause, blocks })),
  }
}
