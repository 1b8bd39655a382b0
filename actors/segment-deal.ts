import type { NodeId } from '../base/ids.ts'
import { rendezvous } from '../cluster/ring.ts'
import type { ManifestPage } from '../storage/manifest.ts'
import type { SegmentMeta } from '../storage/segment.ts'
import type { SegmentDeal } from './messages/leaf.ts'

/** Of each page the last deal: nodes seldom change, and queries ask for the same pages. */
const dealt = new WeakMap<ManifestPage, { readonly key: string; readonly segments: readonly SegmentMeta[] }>()

/** The segments of a page that a deal gives to the node that is asked. The deals of one page to all nodes name each segment once. */
export function segmentsDealt(page: ManifestPage, deal: SegmentDeal): readonly SegmentMeta[] {
  const key = JSON.stringify(deal)
  const known = dealt.get(page)
  if (known?.key === key) return known.segments
  const rounds = [...deal.after, deal]
  const segments = page.segments.filter((meta) => rounds.every(({ among, to }) => rendezvous(meta.key, among) === to))
  dealt.set(page, { key, segments })
  return segments
}

/** What went to the node of `deal`, which did not answer, dealt out again among others: a deal for each of them. */
export function dealAgain({ among, to, after }: SegmentDeal, others: readonly NodeId[]): SegmentDeal[] {
  return others.map((node) => ({ among: others, to: node, after: [...after, { among, to }] }))
}
