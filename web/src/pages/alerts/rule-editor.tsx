import { type Signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { AlertRuleDefinition } from '../../api-types.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { problemOf } from '../../loaded.ts'
import { usePolled } from '../../polled.ts'
import { navigate, place } from '../../router.ts'
import { definitionOf, formOf, METRICS, RULE_FORM_NEW, type RuleForm } from './rule-form.ts'
import { RulePreview } from './rule-preview.tsx'
import { RuleState } from './rule-state.tsx'

const NEW = 'new'

/** Makes a rule (id `new`) or changes one. */
export function RuleEditor({ id }: { readonly id: string }) {
  const { value, problem } = usePolled(`rule ${id}`, 0, async (signal) =>
    id === NEW ? null : await call('GET /v1/alerts/rules/{id}', { path: { id }, signal }),
  )
  if (problem !== undefined) return <ProblemNote problem={problem} />
  if (value === undefined) return <Spinner label="Asking for the rule" />
  const first = { ...RULE_FORM_NEW, query: place.value.params.get('q') ?? RULE_FORM_NEW.query }
  return (
    <>
      {value !== null && <RuleState id={id} />}
      <Editor key={value?.revision} id={id} definition={value?.definition ?? definitionOf(first)} />
    </>
  )
}

function Editor({ id, definition }: { readonly id: string; readonly definition: AlertRuleDefinition }) {
  const form = useSignal<RuleForm | undefined>(formOf(definition))
  const text = useSignal(JSON.stringify(definition, null, 2))
  const outcome = useSignal<Outcome | undefined>(undefined)
  useEffect(() => {
    if (form.value !== undefined) text.value = JSON.stringify(definitionOf(form.value), null, 2)
  }, [form.value, form, text])
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  const save = () =>
    attempt(async () => {
      const body = JSON.parse(text.value) as AlertRuleDefinition
      if (id === NEW) {
        const made = await call('POST /v1/alerts/rules', { body })
        navigate(`/alerts/rules/${encodeURIComponent(made.id)}`)
      } else {
        const { revision } = await call('PUT /v1/alerts/rules/{id}', { path: { id }, body })
        outcome.value = { said: `Revision ${revision} is in force.` }
      }
    })
  const remove = () =>
    attempt(async () => {
      await call('DELETE /v1/alerts/rules/{id}', { path: { id } })
      navigate('/alerts/rules')
    })
  return (
    <form
      class="alerts-editor"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      {form.value === undefined ? (
        <p class="dim">This rule has members that the form does not know; it is changed as JSON.</p>
      ) : (
        <>
          <Fields form={form as Signal<RuleForm>} />
          <RulePreview form={form.value} />
        </>
      )}
      <details open={form.value === undefined}>
        <summary>As JSON</summary>
        <textarea
          class="textarea"
          aria-label="Definition as JSON"
          rows={16}
          spellcheck={false}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value
          }}
        />
      </details>
      <Notice outcome={outcome.value} />
      <div class="bar-row">
        <button type="submit" class="button button-primary">
          <Icon name="check" /> {id === NEW ? 'Make the rule' : 'Save'}
        </button>
        <Link class="button" to="/alerts/rules">
          Back
        </Link>
        {id !== NEW && (
          <ConfirmButton question="Delete the rule?" onConfirm={() => void remove()}>
            Delete
          </ConfirmButton>
        )}
      </div>
    </form>
  )
}

const TEXTS: readonly (readonly [
  name: 'name' | 'service' | 'field' | 'threshold' | 'window' | 'groupBy' | 'for' | 'cooldown' | 'channels' | 'runbook',
  label: string,
  hint: string,
])[] = [
  ['service', 'Only of service', 'any'],
  ['field', 'Of field', 'latency_ms'],
  ['threshold', 'Fires when it is', '>100'],
  ['window', 'Within', '5m'],
  ['groupBy', 'For each (fields)', 'service, host'],
  ['for', 'If it lasts for', 'at once'],
  ['cooldown', 'And not again for', '10m'],
  ['channels', 'Tells (channels)', 'ops'],
  ['runbook', 'Runbook', 'https://…'],
]

function Fields({ form }: { readonly form: Signal<RuleForm> }) {
  const set = (changes: Partial<RuleForm>) => {
    form.value = { ...form.value, ...changes }
  }
  const shown = form.value
  return (
    <div class="form-grid">
      <label class="field wide">
        <span>Name</span>
        <input
          class="input"
          required
          value={shown.name}
          placeholder="Checkout errors"
          onInput={(event) => set({ name: event.currentTarget.value })}
        />
      </label>
      <label class="field wide">
        <span>Query</span>
        <input class="input mono" value={shown.query} onInput={(event) => set({ query: event.currentTarget.value })} />
      </label>
      <label class="field">
        <span>Value</span>
        <select
          class="input"
          value={shown.metric}
          onChange={(event) => set({ metric: event.currentTarget.value as RuleForm['metric'] })}
        >
          {METRICS.map((metric) => (
            <option key={metric}>{metric}</option>
          ))}
        </select>
      </label>
      {TEXTS.filter(([name]) => name !== 'field' || (shown.metric !== 'count' && shown.metric !== 'rate')).map(
        ([name, label, hint]) => (
          <label class="field" key={name}>
            <span>{label}</span>
            <input
              class="input"
              value={shown[name]}
              placeholder={hint}
              onInput={(event) => set({ [name]: event.currentTarget.value })}
            />
          </label>
        ),
      )}
      <label class="field">
        <span>Windows</span>
        <select
          class="input"
          value={shown.type}
          onChange={(event) => set({ type: event.currentTarget.value as RuleForm['type'] })}
        >
          <option value="sliding">sliding</option>
          <option value="tumbling">one after the other</option>
        </select>
      </label>
      <label class="field">
        <span>Severity</span>
        <select
          class="input"
          value={shown.severity}
          onChange={(event) => set({ severity: event.currentTarget.value as RuleForm['severity'] })}
        >
          <option>P0</option>
          <option>P1</option>
          <option>P2</option>
        </select>
      </label>
      <label>
        <input
          type="checkbox"
          checked={shown.enabled}
          onChange={(event) => set({ enabled: event.currentTarget.checked })}
        />{' '}
        In force
      </label>
    </div>
  )
}
