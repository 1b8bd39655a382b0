import { useSignal } from '@preact/signals'
import { call } from '../../api-client.ts'
import type { Cluster } from '../../api-types.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { problemOf } from '../../loaded.ts'
import { formatBytes, formatCount } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { formatDuration, formatTime } from '../../time-range.ts'
import '../../styles/tables.css'
import './cluster-page.css'
import { NodeFigures } from './node-figures.tsx'
import { colourOf, Ring } from './ring.tsx'

const PERIOD_MS = 2000

/** Nodes, shards and their owners, what is being moved, and how far behind anything is. */
export function ClusterPage() {
  const { value, problem, reload } = usePolled('cluster', PERIOD_MS, (signal) => call('GET /v1/cluster', { signal }))
  const outcome = useSignal<Outcome | undefined>(undefined)
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={reload} />
  if (value === undefined) return <Spinner label="Asking the cluster" />
  const drain = (id: string) => {
    call('POST /v1/cluster/nodes/{id}/drain', { path: { id } }).then(
      () => {
        outcome.value = { said: `${id} gives its shards away and ends.` }
      },
      (error: unknown) => {
        outcome.value = { problem: problemOf(error) }
      },
    )
  }
  return (
    <div class="page-scroll">
      <div class="page-head">
        <h1>Cluster {value.name}</h1>
        {!value.settled && <span class="tag tag-warn">not settled: others may not have been heard yet</span>}
        <span class="dim">as {value.nodeId} sees it</span>
      </div>
      <Notice outcome={outcome.value} />
      <div class="cluster-top">
        <Ring cluster={value} />
        <NodeFigures />
      </div>
      <Nodes cluster={value} onDrain={drain} />
      <Moves cluster={value} />
      <Shards cluster={value} />
    </div>
  )
}

const STATE_TAG = { active: 'good', joining: 'warn', draining: 'warn', silent: 'bad' } as const

function Nodes({ cluster, onDrain }: { readonly cluster: Cluster; readonly onDrain: (id: string) => void }) {
  return (
    <section class="section">
      <h2>Nodes</h2>
      <WideTable label="Nodes">
        <thead>
          <tr>
            <th>Node</th>
            <th>State</th>
            <th>Version</th>
            <th class="number">Shards</th>
            <th class="number">Standbys</th>
            <th class="number">Records/s</th>
            <th class="number">Bytes/s</th>
            <th class="number">Cores busy</th>
            <th>Started</th>
            <th>NATS server</th>
            <th>
              <span class="sr-only">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {cluster.nodes.map(({ id, state, url, version, shards, standbys, load, startedAt, natsServer, stuck }) => (
            <tr key={id}>
              <td>
                <i class={`cluster-dot ${colourOf(cluster, id)}`} />{' '}
                {url === null || id === cluster.nodeId ? id : <a href={url}>{id}</a>}
                {id === cluster.nodeId && <span class="dim"> (this one)</span>}
              </td>
              <td>
                <span class={`tag tag-${STATE_TAG[state]}`}>{state}</span>
                {stuck.length > 0 && <span class="tag tag-bad">stuck: {stuck.join(', ')}</span>}
              </td>
              <td>{version ?? '–'}</td>
              <td class="number">{shards}</td>
              <td class="number">{standbys}</td>
              <td class="number">{formatCount(load.recordsPerSecond)}</td>
              <td class="number">{formatBytes(load.bytesPerSecond)}</td>
              <td class="number">{load.cpuCores.toFixed(2)}</td>
              <td>{startedAt === null ? '–' : formatTime(Date.parse(startedAt), 'minute')}</td>
              <td>{natsServer ?? '–'}</td>
              <td class="actions">
                {state === 'active' && cluster.nodes.length > 1 && (
                  <ConfirmButton question={`Drain ${id}?`} label={`Drain ${id}`} onConfirm={() => onDrain(id)}>
                    Drain
                  </ConfirmButton>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </WideTable>
    </section>
  )
}

function Moves({ cluster: { moves } }: { readonly cluster: Cluster }) {
  if (moves.length === 0) return null
  return (
    <section class="section">
      <h2>Moves</h2>
      <table class="table">
        <thead>
          <tr>
            <th class="number">Shard</th>
            <th>From</th>
            <th>To</th>
            <th>State</th>
            <th class="number">Still to read</th>
          </tr>
        </thead>
        <tbody>
          {moves.map(({ shard, from, to, state, lagRecords }) => (
            <tr key={shard}>
              <td class="number">{shard}</td>
              <td>{from ?? 'nobody'}</td>
              <td>{to}</td>
              <td>{state}</td>
              <td class="number">{lagRecords === null ? '–' : formatCount(lagRecords)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Shards({ cluster }: { readonly cluster: Cluster }) {
  return (
    <section class="section">
      <h2>Shards</h2>
      <WideTable label="Shards">
        <thead>
          <tr>
            <th class="number">Shard</th>
            <th>Owner</th>
            <th>Standby</th>
            <th class="number">Epoch</th>
            <th class="number">Lag, records</th>
            <th class="number">Lag</th>
            <th class="number">Floor</th>
          </tr>
        </thead>
        <tbody>
          {cluster.shards.map(({ shard, owner, standby, epoch, lagRecords, lagSeconds, floor }) => (
            <tr key={shard}>
              <td class="number">{shard}</td>
              <td>
                {owner === null ? (
                  <span class="tag tag-bad">nobody</span>
                ) : (
                  <>
                    <i class={`cluster-dot ${colourOf(cluster, owner)}`} /> {owner}
                  </>
                )}
              </td>
              <td>{standby ?? '–'}</td>
              <td class="number">{epoch}</td>
              <td class="number">{lagRecords === null ? 'not said' : formatCount(lagRecords)}</td>
              <td class="number">{lagSeconds === null ? 'not said' : formatDuration(lagSeconds * 1000)}</td>
              <td class="number">{floor === null ? '–' : `${floor.generation}/${floor.sequence}`}</td>
            </tr>
          ))}
        </tbody>
      </WideTable>
    </section>
  )
}
