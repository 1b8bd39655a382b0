import { useSignal } from '@preact/signals'
import { call } from '../../api-client.ts'
import { nowMs } from '../../browser-clock.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { problemOf } from '../../loaded.ts'
import { usePolled } from '../../polled.ts'
import { formatTime, parseDuration } from '../../time-range.ts'

const PERIOD_MS = 10_000

/** When nobody is to be notified, of what. */
export function Silences() {
  const { value, problem, reload } = usePolled('silences', PERIOD_MS, (signal) =>
    call('GET /v1/alerts/silences', { signal }),
  )
  const outcome = useSignal<Outcome | undefined>(undefined)
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work()
      outcome.value = undefined
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  const make = (form: HTMLFormElement) =>
    attempt(async () => {
      const data = new FormData(form)
      const text = (name: string) => String(data.get(name) ?? '').trim()
      await call('POST /v1/alerts/silences', {
        body: {
          matchers: [{ field: text('field'), value: text('value') }],
          endsAt: nowMs() + parseDuration(text('for')),
          ...(text('comment') === '' ? {} : { comment: text('comment') }),
          ...(text('by') === '' ? {} : { by: text('by') }),
        },
      })
      form.reset()
    })
  return (
    <>
      <form
        class="bar-row"
        onSubmit={(event) => {
          event.preventDefault()
          void make(event.currentTarget)
        }}
      >
        <label class="field">
          <span>Where (rule, name, severity, service …)</span>
          <input class="input" name="field" required placeholder="service" />
        </label>
        <label class="field">
          <span>is (* for any)</span>
          <input class="input" name="value" required placeholder="checkout*" />
        </label>
        <label class="field">
          <span>For</span>
          <select class="input" name="for">
            <option value="30m">30 minutes</option>
            <option value="1h">an hour</option>
            <option value="4h">4 hours</option>
            <option value="1d">a day</option>
            <option value="7d">a week</option>
          </select>
        </label>
        <label class="field">
          <span>Why</span>
          <input class="input" name="comment" />
        </label>
        <label class="field">
          <span>Who</span>
          <input class="input" name="by" />
        </label>
        <button type="submit" class="button button-primary">
          <Icon name="plus" /> Silence
        </button>
      </form>
      <Notice outcome={outcome.value} />
      {problem !== undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined && <Spinner label="Asking for silences" />}
      {value?.silences.length === 0 && (
        <div class="empty">
          <h2>Nothing is silenced</h2>
        </div>
      )}
      {value !== undefined && value.silences.length > 0 && (
        <WideTable label="Silences">
          <thead>
            <tr>
              <th>Of</th>
              <th>State</th>
              <th>From</th>
              <th>To</th>
              <th>Why</th>
              <th>
                <span class="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {value.silences.map(({ id, matchers, active, startsAt, endsAt, every, comment, by }) => (
              <tr key={id}>
                <td>
                  {matchers.map(({ field, value: of, not }) => `${field} ${not ? 'is not' : 'is'} ${of}`).join(', ')}
                </td>
                <td>
                  <span class={`tag tag-${active ? 'warn' : 'dim'}`}>{active ? 'in force' : 'not in force'}</span>
                </td>
                <td>{formatTime(Date.parse(startsAt), 'minute')}</td>
                <td>
                  {formatTime(Date.parse(endsAt), 'minute')}
                  {every !== undefined && `, every ${every}`}
                </td>
                <td>{[comment, by].filter(Boolean).join(' · ')}</td>
                <td class="actions">
                  <ConfirmButton
                    question="End it?"
                    onConfirm={() => void attempt(() => call('DELETE /v1/alerts/silences/{id}', { path: { id } }))}
                  >
                    End
                  </ConfirmButton>
                </td>
              </tr>
            ))}
          </tbody>
        </WideTable>
      )}
    </>
  )
}
