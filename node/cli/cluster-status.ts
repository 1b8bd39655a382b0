import { conformsTo } from '../../api/conforms.ts'
import { Cluster, type ClusterNode, type ClusterShard } from '../../api/contract/cluster.ts'
import type { Clock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import type { NodeAccess } from './command-line.ts'
import { type Column, tableText } from './table.ts'

const URL_DEFAULT = 'http://127.0.0.1:9347'
const ANSWER_MS_MAX = 15_000
const ABSENT = '-'

/**
 * Asks a running node for the cluster and prints it as tables. Throws invalid_parameter for an address that is none, shard_unavailable when
 * nobody answers there, and what the node answers instead.
 */
export async function clusterStatus({ url = URL_DEFAULT, key }: NodeAccess, clock: Clock): Promise<string> {
  const answer = await ask(addressOf(url), key, clock)
  return clusterText(answer, clock.nowMs())
}

function addressOf(url: string): URL {
  const parsed = URL.parse('/v1/cluster', url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new WeirError('invalid_parameter', `--url ${url} is no http or https address`, { parameter: 'url' })
  }
  return parsed
}

async function ask(address: URL, key: string | undefined, clock: Clock): Promise<Cluster> {
  const late = new AbortController()
  const timer = clock.after(ANSWER_MS_MAX, () => late.abort())
  try {
    const answer = await fetch(address, {
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      signal: late.signal,
    })
    return clusterOf(answer.status, await answer.text(), address)
  } catch (cause) {
    if (cause instanceof WeirError) throw cause
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause)
    throw new WeirError('shard_unavailable', `no node answers at ${address.origin}: ${reason}`, {}, { cause })
  } finally {
    timer.cancel()
  }
}

const isCluster = conformsTo(Cluster)

function clusterOf(status: number, text: string, { origin }: URL): Cluster {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new WeirError('shard_unavailable', `what answers at ${origin} is no node of Weir (${status})`)
  }
  if (status === 200 && isCluster(body)) return body
  const { code, detail } = body as { code?: unknown; detail?: unknown }
  if (status === 401) throw new WeirError('unauthenticated', `the node at ${origin} wants a key: give --key`)
  if (status === 403) throw new WeirError('forbidden', 'the key may not read the whole cluster')
  throw new WeirError('shard_unavailable', `the node at ${origin} answers ${status}: ${String(detail ?? code ?? '')}`)
}

export function clusterText({ name, nodeId, settled, nodes, shards, moves }: Cluster, nowMs: number): string {
  const parts = [
    `cluster ${name}: ${count(nodes.length, 'node')}, ${count(shards.length, 'shard')}, as ${nodeId} sees it\n`,
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
