import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { DryRunRecord, Pipeline, PipelineDefinition } from '../../api-types.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { problemOf } from '../../loaded.ts'
import { usePolled } from '../../polled.ts'
import { place, setParams } from '../../router.ts'
import { formatTime } from '../../time-range.ts'

const NEW_DEFINITION = {
  description: 'Reads JSON inside the message and hides secrets',
  services: ['checkout*'],
  steps: [{ type: 'json', removeField: true, onError: 'continue' }, { type: 'mask' }],
}
const SAMPLE = { service: 'checkout', message: '{"user":"ada","password":"hunter2"}' }

/** What records pass on their way in; tried on records before it is in force. */
export function Pipelines() {
  const { value, problem, reload } = usePolled('pipelines', 0, (signal) => call('GET /v1/pipelines', { signal }))
  const id = place.value.params.get('pipeline')
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={reload} />
  if (value === undefined) return <Spinner label="Asking for the pipelines" />
  const shown = value.pipelines.find((pipeline) => pipeline.id === id)
  return (
    <>
      <div class="bar-row">
        {value.pipelines.map((pipeline) => (
          <button
            key={pipeline.id}
            type="button"
            class="button"
            aria-pressed={pipeline.id === id}
            onClick={() => setParams({ pipeline: pipeline.id })}
          >
            {pipeline.id}
          </button>
        ))}
        <button type="button" class="button" aria-pressed={id === null} onClick={() => setParams({ pipeline: null })}>
          <Icon name="plus" /> New
        </button>
        <a class="button button-quiet" href="/docs">
          <Icon name="book" /> Step types
        </a>
      </div>
      <Editor key={`${id} ${shown?.version}`} pipeline={shown} onChanged={reload} />
    </>
  )
}

function Editor({ pipeline, onChanged }: { readonly pipeline: Pipeline | undefined; readonly onChanged: () => void }) {
  const name = useSignal(pipeline?.id ?? '')
  const text = useSignal(JSON.stringify(pipeline?.definition ?? NEW_DEFINITION, null, 2))
  const samples = useSignal(JSON.stringify(SAMPLE))
  const outcome = useSignal<Outcome | undefined>(undefined)
  const tried = useSignal<readonly DryRunRecord[] | undefined>(undefined)
  const attempt = async (work: () => Promise<string | undefined>) => {
    try {
      const said = await work()
      outcome.value = said === undefined ? undefined : { said }
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  const save = () =>
    attempt(async () => {
      const id = name.value.trim()
      const saved = await call('PUT /v1/pipelines/{id}', {
        path: { id },
        body: JSON.parse(text.value) as PipelineDefinition,
      })
      onChanged()
      setParams({ pipeline: id })
      return `Version ${saved.version} is in force.`
    })
  const dryRun = () =>
    attempt(async () => {
      const records = samples.value
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      const definition = JSON.parse(text.value) as PipelineDefinition
      const answer = await call('POST /v1/pipelines/dry-run', { body: { definition, records } })
      tried.value = answer.records
      return undefined
    })
  const remove = () =>
    attempt(async () => {
      await call('DELETE /v1/pipelines/{id}', { path: { id: pipeline!.id } })
      setParams({ pipeline: null })
      onChanged()
      return undefined
    })
  useEffect(() => {
    outcome.value = undefined
  }, [outcome])
  return (
    <div class="form-grid">
      <label class="field">
        <span>Name (records pass pipelines in the order of names)</span>
        <input
          class="input"
          value={name.value}
          disabled={pipeline !== undefined}
          placeholder="10-checkout"
          onInput={(event) => {
            name.value = event.currentTarget.value
          }}
        />
      </label>
      {pipeline !== undefined && (
        <p class="dim">
          Version {pipeline.version}, of {formatTime(Date.parse(pipeline.updatedAt), 'minute')}
        </p>
      )}
      <label class="field wide">
        <span>Definition</span>
        <textarea
          class="textarea"
          rows={14}
          spellcheck={false}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value
          }}
        />
      </label>
      <label class="field wide">
        <span>Records to try it on, a JSON object a line</span>
        <textarea
          class="textarea"
          rows={4}
          spellcheck={false}
          value={samples.value}
          onInput={(event) => {
            samples.value = event.currentTarget.value
          }}
        />
      </label>
      <div class="bar-row wide">
        <button type="button" class="button" onClick={() => void dryRun()}>
          <Icon name="play" /> Try
        </button>
        <button
          type="button"
          class="button button-primary"
          disabled={name.value.trim() === ''}
          onClick={() => void save()}
        >
          <Icon name="check" /> Save
        </button>
        {pipeline !== undefined && (
          <ConfirmButton question={`Delete ${pipeline.id}?`} onConfirm={() => void remove()}>
            Delete
          </ConfirmButton>
        )}
      </div>
      <div class="wide">
        <Notice outcome={outcome.value} />
        {tried.value?.map((record, i) => (
          <Tried key={i} record={record} />
        ))}
      </div>
    </div>
  )
}

function Tried({ record }: { readonly record: DryRunRecord }) {
  const tag = record.outcome === 'kept' ? 'good' : record.outcome === 'deadLetter' ? 'bad' : 'warn'
  return (
    <section class="section card">
      <h2>
        <span class={`tag tag-${tag}`}>{record.outcome}</span> {record.reason ?? ''}
      </h2>
      <ol>
        {record.steps.map(({ pipeline, step, type, outcome, reason, before, after }) => {
          const isChanged = JSON.stringify(before) !== JSON.stringify(after)
          return (
            <li key={`${pipeline} ${step}`} class="section">
              <h3>
                {step + 1}. {type}{' '}
                <span class="dim">
                  {outcome === 'next' ? '' : outcome}
                  {reason === undefined ? '' : `: ${reason}`}
                  {isChanged ? '' : ', changes nothing'}
                </span>
              </h3>
              {isChanged && <pre class="code-box">{JSON.stringify(after, null, 2)}</pre>}
            </li>
          )
        })}
      </ol>
      {record.steps.length === 0 && <p class="dim">No step is meant for this record.</p>}
    </section>
  )
}
