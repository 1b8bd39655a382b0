import { useSignal } from '@preact/signals'
import { ApiProblem, call } from '../../api-client.ts'
import type { Job } from '../../api-types.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { problemOf } from '../../loaded.ts'
import { formatBytes, formatCount } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { formatDuration, formatTime } from '../../time-range.ts'

const PERIOD_MS = 1500
const ENDED = new Set<Job['state']>(['done', 'failed', 'cancelled'])
const TAGS: Readonly<Record<Job['state'], string>> = {
  uploading: 'warn',
  waiting: 'dim',
  running: 'warn',
  done: 'good',
  failed: 'bad',
  cancelled: 'dim',
}

/** Files that are stored by a job: begun here, with their progress and what was refused of them. */
export function Uploads() {
  const { value, problem, reload } = usePolled('jobs', PERIOD_MS, (signal) => call('GET /v1/jobs', { signal }))
  const sentShare = useSignal<number | undefined>(undefined)
  const outcome = useSignal<Outcome | undefined>(undefined)

  const send = async (form: HTMLFormElement) => {
    const data = new FormData(form)
    const files = data.getAll('file').filter((file) => file instanceof File && file.size > 0) as File[]
    if (files.length === 0) return
    const query = new URLSearchParams()
    for (const name of ['format', 'service'] as const) {
      const text = String(data.get(name) ?? '').trim()
      if (text !== '') query.set(name, text)
    }
    outcome.value = undefined
    sentShare.value = 0
    try {
      await sendFiles(files, query, (share) => {
        sentShare.value = share
      })
      outcome.value = { said: 'The upload is safe on the node; its job stores the records now.' }
      form.reset()
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
    sentShare.value = undefined
  }
  return (
    <>
      <form
        class="bar-row"
        onSubmit={(event) => {
          event.preventDefault()
          void send(event.currentTarget)
        }}
      >
        <label class="field">
          <span>Files: NDJSON, JSON, CSV or text; .gz and .zst too</span>
          <input class="input" type="file" name="file" multiple required />
        </label>
        <label class="field">
          <span>Format</span>
          <select class="input" name="format">
            <option value="">detect</option>
            <option value="ndjson">NDJSON</option>
            <option value="json">JSON array</option>
            <option value="csv">CSV</option>
            <option value="text">plain text</option>
          </select>
        </label>
        <label class="field">
          <span>Service of records that name none</span>
          <input class="input" name="service" maxLength={256} />
        </label>
        <button type="submit" class="button button-primary" disabled={sentShare.value !== undefined}>
          <Icon name="upload" /> Upload
        </button>
        {sentShare.value !== undefined && (
          <span role="status">
            <progress class="progress" value={sentShare.value} aria-label="Sent" /> {Math.round(sentShare.value * 100)}{' '}
            % sent
          </span>
        )}
      </form>
      <Notice outcome={outcome.value} />
      {problem !== undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value?.jobs.length === 0 && (
        <div class="empty">
          <h2>No uploads yet</h2>
          <p>A file of any size is taken in, sealed, and stored by a job that survives the end of its node.</p>
        </div>
      )}
      {value !== undefined && value.jobs.length > 0 && (
        <WideTable label="Upload jobs">
          <thead>
            <tr>
              <th>Files</th>
              <th>State</th>
              <th>Progress</th>
              <th class="number">Records</th>
              <th class="number">Rejected</th>
              <th class="number">Records/s</th>
              <th>Begun</th>
              <th>
                <span class="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {value.jobs.map((job) => (
              <JobRow key={job.jobId} job={job} onCancelled={reload} />
            ))}
          </tbody>
        </WideTable>
      )}
    </>
  )
}

function JobRow({ job, onCancelled }: { readonly job: Job; readonly onCancelled: () => void }) {
  const names = job.files.map(({ name }) => name).join(', ')
  const isOver = ENDED.has(job.state)
  return (
    <tr>
      <td class="clip" title={names}>
        {names || job.jobId}
      </td>
      <td>
        <span class={`tag tag-${TAGS[job.state]}`}>{job.state}</span>
        {job.failure !== null && <p class="dim">{job.failure.reason}</p>}
      </td>
      <td>
        <progress
          class="progress"
          max={Math.max(1, job.bytesTotal)}
          value={job.state === 'done' ? Math.max(1, job.bytesTotal) : job.bytes}
          aria-label={`Progress of ${names || job.jobId}`}
        />
        <p class="dim">
          {formatBytes(job.bytes)} of {formatBytes(job.bytesTotal)}
          {!isOver && job.etaSeconds !== null && ` · ${formatDuration(job.etaSeconds * 1000)} left`}
        </p>
      </td>
      <td class="number">{formatCount(job.accepted)}</td>
      <td class="number" title={job.errors[0]?.reason}>
        {formatCount(job.rejected)}
      </td>
      <td class="number">{formatCount(job.recordsPerSecond)}</td>
      <td>{formatTime(Date.parse(job.createdAt), 'second')}</td>
      <td class="actions">
        {!isOver && (
          <ConfirmButton
            question="Cancel it?"
            onConfirm={() => {
              call('DELETE /v1/jobs/{id}', { path: { id: job.jobId } }).then(onCancelled, onCancelled)
            }}
          >
            Cancel
          </ConfirmButton>
        )}
      </td>
    </tr>
  )
}

/** Sends files as one upload. Throws ApiProblem. (XMLHttpRequest, since fetch does not tell what has been sent.) */
function sendFiles(files: readonly File[], query: URLSearchParams, onShare: (share: number) => void): Promise<void> {
  const body = new FormData()
  for (const file of files) body.append('file', file, file.name)
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', `/v1/logs/upload?${query}`)
    request.upload.onprogress = ({ loaded, total }) => onShare(total === 0 ? 0 : loaded / total)
    request.onload = () => {
      if (request.status === 202) return resolve()
      let document: Record<string, unknown> = {}
      try {
        document = JSON.parse(request.responseText)
      } catch {
        // No problem document: the status says it.
      }
      reject(new ApiProblem(request.status, document))
    }
    request.onerror = () =>
      reject(new ApiProblem(0, { code: 'unreachable', title: 'No answer', detail: 'The node does not answer' }))
    request.send(body)
  })
}
