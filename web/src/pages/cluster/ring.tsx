import type { Cluster } from '../../api-types.ts'

const SIZE = 220
const CENTRE = SIZE / 2
const OUTER = 104
const INNER = 70

/** The shards as a ring, each an arc in the colour of its owner, in it a thin one in that of its standby. */
export function Ring({ cluster }: { readonly cluster: Cluster }) {
  const { shards, nodes } = cluster
  const owned = nodes.map(({ id, shards: count }) => `${id} owns ${count}`).join(', ')
  const behind = shards.reduce((most, { lagSeconds }) => Math.max(most, lagSeconds ?? 0), 0)
  return (
    <figure class="card cluster-ring">
      <svg viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={`${shards.length} shards: ${owned}`}>
        {shards.map(({ shard, owner, standby }, i) => (
          <g key={shard}>
            <path class={colourOf(cluster, owner)} d={arc(i, shards.length, INNER, OUTER)}>
              <title>{`Shard ${shard}: ${owner ?? 'nobody'}${standby === null ? '' : `, then ${standby}`}`}</title>
            </path>
            {standby !== null && (
              <path class={colourOf(cluster, standby)} d={arc(i, shards.length, INNER - 9, INNER - 3)} />
            )}
          </g>
        ))}
        <text x={CENTRE} y={CENTRE - 4} class="cluster-ring-count">
          {shards.length}
        </text>
        <text x={CENTRE} y={CENTRE + 16} class="cluster-ring-label">
          shards
        </text>
      </svg>
      <figcaption>
        <ul>
          {nodes.map(({ id, shards: count }) => (
            <li key={id}>
              <i class={`cluster-dot ${colourOf(cluster, id)}`} /> {id}: <span class="number">{count}</span>
            </li>
          ))}
        </ul>
        <p class="dim">{behind < 1 ? 'No shard is behind.' : `The furthest is ${behind.toFixed(1)} s behind.`}</p>
      </figcaption>
    </figure>
  )
}

/** The colour of a node: a class. */
export function colourOf({ nodes }: Cluster, id: string | null): string {
  const index = nodes.findIndex((node) => node.id === id)
  return index < 0 ? 'cluster-series-none' : `cluster-series-${(index % 8) + 1}`
}

/** The path of part `index` of `count` of the ring between two radii, with a gap behind it. */
function arc(index: number, count: number, inner: number, outer: number): string {
  const gap = count > 1 ? Math.min(0.02, 1 / count) : 0
  const from = (index / count) * 2 * Math.PI - Math.PI / 2
  const to = ((index + 1) / count) * 2 * Math.PI - Math.PI / 2 - gap - (count === 1 ? 0.001 : 0)
  const isLarge = to - from > Math.PI ? 1 : 0
  const at = (radius: number, angle: number) =>
    `${(CENTRE + radius * Math.cos(angle)).toFixed(2)} ${(CENTRE + radius * Math.sin(angle)).toFixed(2)}`
  return `M${at(outer, from)}A${outer} ${outer} 0 ${isLarge} 1 ${at(outer, to)}L${at(inner, to)}A${inner} ${inner} 0 ${isLarge} 0 ${at(inner, from)}Z`
}
