import type { Cluster, ClusterNode, ClusterShard } from '../../api/contract/cluster.ts'
import { printable } from './printable.ts'
import { type Column, tableText } from './table.ts'

const ABSENT = '-'

/** The cluster as tables. */
export function clusterText({ name, nodeId, settled, nodes, shards, moves }: Cluster, nowMs: number): string {
  const parts = [
    `cluster ${printable(name)}: ${count(nodes.length, 'node')}, ${count(shards.length, 'shard')}, as ${printable(nodeId)} sees it\n`,
    settled ? '' : 'this node has just started and may not have heard of all others yet\n',
    `\n${tableText(nodeColumns(nowMs), nodes)}`,
    `\n${tableText(SHARD_COLUMNS, shards)}`,
    moves.length === 0 ? '' : `\n${tableText(MOVE_COLUMNS, moves)}`,
  ]
  return parts.join('')
}

const nodeColumns = (nowMs: number): readonly Column<ClusterNode>[] => [
  { title: 'NODE', text: ({ id }) => id },
  { title: 'STATE', text: ({ state, stuck }) => (stuck.length === 0 ? state : `${state}, stuck: ${stuck.join(' ')}`) },
  { title: 'URL', text: ({ url }) => url ?? ABSENT },
  { title: 'VERSION', text: ({ version }) => version ?? ABSENT },
  { title: 'UP', text: ({ startedAt }) => (startedAt === null ? ABSENT : ageText(nowMs - Date.parse(startedAt))) },
  { title: 'SHARDS', text: ({ shards }) => String(shards), align: 'right' },
  { title: 'STANDBYS', text: ({ standbys }) => String(standbys), align: 'right' },
  { title: 'RECORDS/S', text: ({ load }) => Math.round(load.recordsPerSecond).toLocaleString('en'), align: 'right' },
  { title: 'MB/S', text: ({ load }) => (load.bytesPerSecond / 1e6).toFixed(1), align: 'right' },
  { title: 'CPU', text: ({ load }) => load.cpuCores.toFixed(2), align: 'right' },
]

const SHARD_COLUMNS: readonly Column<ClusterShard>[] = [
  { title: 'SHARD', text: ({ shard }) => String(shard), align: 'right' },
  { title: 'OWNER', text: ({ owner }) => owner ?? ABSENT },
  { title: 'STANDBY', text: ({ standby }) => standby ?? ABSENT },
  { title: 'EPOCH', text: ({ epoch }) => String(epoch), align: 'right' },
  { title: 'LAG', text: lagText, align: 'right' },
  { title: 'FLOOR', text: ({ floor }) => (floor === null ? ABSENT : `${floor.generation}/${floor.sequence}`) },
]

const MOVE_STATES: Readonly<Record<Cluster['moves'][number]['state'], string>> = {
  planned: 'planned',
  catchingUp: 'catching up',
  following: 'following',
  unknown: ABSENT,
}

const MOVE_COLUMNS: readonly Column<Cluster['moves'][number]>[] = [
  { title: 'MOVING', text: ({ shard }) => String(shard), align: 'right' },
  { title: 'FROM', text: ({ from }) => from ?? ABSENT },
  { title: 'TO', text: ({ to }) => to },
  { title: 'STATE', text: ({ state }) => MOVE_STATES[state] },
  { title: 'LAG', text: lagText, align: 'right' },
]

function lagText({ lagRecords, lagSeconds }: Pick<ClusterShard, 'lagRecords' | 'lagSeconds'>): string {
  if (lagRecords === 0) return '0'
  const parts = [
    ...(lagRecords === null ? [] : [count(lagRecords, 'record')]),
    ...(lagSeconds === null ? [] : [`${lagSeconds.toFixed(1)} s`]),
  ]
  return parts.length === 0 ? ABSENT : parts.join(', ')
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

/** The clock of another node may be ahead of ours: no age is negative. */
function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}
