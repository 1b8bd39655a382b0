import { useSignal } from '@preact/signals'
import { call } from '../../api-client.ts'
import { nowMs } from '../../browser-clock.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { problemOf } from '../../loaded.ts'
import { formatBytes, formatCount } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { formatDuration } from '../../time-range.ts'

const PERIOD_MS = 5000
/** An agent says every 30 seconds that it lives. */
const SILENT_MS = 90_000

/** The fleet: who has registered, and what each last said of itself. */
export function Agents() {
  const { value, problem, reload } = usePolled('agents', PERIOD_MS, (signal) => call('GET /v1/agents', { signal }))
  const outcome = useSignal<Outcome | undefined>(undefined)
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={reload} />
  if (value === undefined) return <Spinner label="Asking for the agents" />
  if (value.agents.length === 0) {
    return (
      <div class="empty">
        <h2>No agent has registered</h2>
        <p>
          Make an enrol key under Settings, put it into <code>agent.yaml</code>, and start{' '}
          <code>weir agent --config agent.yaml</code>.
        </p>
      </div>
    )
  }
  const revoke = async (id: string) => {
    try {
      await call('DELETE /v1/agents/{id}', { path: { id } })
      outcome.value = { said: 'The agent is revoked; its token is no longer good.' }
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  return (
    <>
      <Notice outcome={outcome.value} />
      <WideTable label="Agents">
        <thead>
          <tr>
            <th>Host</th>
            <th>State</th>
            <th>Organization</th>
            <th>Version</th>
            <th class="number">Lines read</th>
            <th class="number">Delivered</th>
            <th class="number">Rejected</th>
            <th class="number">Waiting on its disk</th>
            <th>Last error</th>
            <th>
              <span class="sr-only">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {value.agents.map(({ clientId, host, organizationName, agentVersion, lastSeenAt, heartbeat }) => {
            const silentMs = lastSeenAt === null ? Number.POSITIVE_INFINITY : nowMs() - Date.parse(lastSeenAt)
            return (
              <tr key={clientId}>
                <td title={clientId}>{heartbeat?.host ?? host ?? clientId}</td>
                <td>
                  {lastSeenAt === null ? (
                    <span class="tag tag-dim">never heard</span>
                  ) : (
                    <span class={`tag tag-${silentMs < SILENT_MS ? 'good' : 'bad'}`}>
                      {silentMs < SILENT_MS ? 'alive' : `silent for ${formatDuration(silentMs)}`}
                    </span>
                  )}
                </td>
                <td>{organizationName}</td>
                <td>{heartbeat?.agentVersion ?? agentVersion ?? '–'}</td>
                <td class="number">{formatCount(heartbeat?.linesRead ?? 0)}</td>
                <td class="number">{formatCount(heartbeat?.recordsDelivered ?? 0)}</td>
                <td class="number">{formatCount(heartbeat?.recordsRejected ?? 0)}</td>
                <td class="number">{formatBytes(heartbeat?.spoolBytes ?? 0)}</td>
                <td class="clip" title={heartbeat?.lastError}>
                  {heartbeat?.lastError ?? ''}
                </td>
                <td class="actions">
                  <ConfirmButton question="Revoke its token?" onConfirm={() => void revoke(clientId)}>
                    Revoke
                  </ConfirmButton>
                </td>
              </tr>
            )
          })}
        </tbody>
      </WideTable>
    </>
  )
}
