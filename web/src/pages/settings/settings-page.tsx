import { useSignal } from '@preact/signals'
import { call } from '../../api-client.ts'
import type { CreateKey, NewKey } from '../../api-types.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { problemOf } from '../../loaded.ts'
import { usePolled } from '../../polled.ts'
import { THEMES, type Theme, theme } from '../../theme.ts'
import { formatTime, timesInUtc } from '../../time-range.ts'
import '../../styles/tables.css'

const ROLES: readonly (readonly [role: CreateKey['roles'][number], does: string])[] = [
  ['ingest', 'sends records'],
  ['read', 'searches and follows'],
  ['alert', 'sees to rules and silences'],
  ['enrol', 'registers agents'],
  ['admin', 'all of it, and keys'],
]

/** What this browser remembers, and the keys of the tenant. */
export function SettingsPage() {
  return (
    <div class="page-scroll">
      <div class="page-head">
        <h1>Settings</h1>
      </div>
      <section class="section">
        <h2>This browser</h2>
        <div class="bar-row">
          <label class="field">
            <span>Theme</span>
            <select
              class="input"
              value={theme.value}
              onChange={(event) => {
                theme.value = event.currentTarget.value as Theme
              }}
            >
              {THEMES.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>Times are shown in</span>
            <select
              class="input"
              value={String(timesInUtc.value)}
              onChange={(event) => {
                timesInUtc.value = event.currentTarget.value === 'true'
              }}
            >
              <option value="false">the zone of this browser</option>
              <option value="true">UTC</option>
            </select>
          </label>
        </div>
      </section>
      <Keys />
    </div>
  )
}

function Keys() {
  const { value, problem, reload } = usePolled('keys', 0, (signal) => call('GET /v1/keys', { signal }))
  const outcome = useSignal<Outcome | undefined>(undefined)
  const made = useSignal<NewKey | undefined>(undefined)
  const create = async (form: HTMLFormElement) => {
    const data = new FormData(form)
    const tenant = String(data.get('tenant') ?? '').trim()
    try {
      made.value = await call('POST /v1/keys', {
        body: {
          name: String(data.get('name')).trim(),
          roles: data.getAll('role') as CreateKey['roles'][number][],
          ...(tenant === '' ? {} : { tenant }),
        },
      })
      outcome.value = undefined
      form.reset()
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  const revoke = async (id: string) => {
    try {
      await call('DELETE /v1/keys/{id}', { path: { id } })
      outcome.value = { said: 'The key is revoked.' }
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  return (
    <section class="section">
      <h2>Keys</h2>
      <p class="dim">
        A node with <code>auth.mode: keys</code> takes no request without one.
      </p>
      <Notice outcome={outcome.value ?? (problem === undefined ? undefined : { problem })} />
      {made.value !== undefined && (
        <div class="notice" role="status">
          <p>
            The key of <strong>{made.value.name}</strong>, which is shown this once:
          </p>
          <code>{made.value.key}</code>{' '}
          <button
            type="button"
            class="button"
            onClick={() => void navigator.clipboard.writeText(made.value!.key).catch(() => undefined)}
          >
            <Icon name="copy" /> Copy
          </button>
        </div>
      )}
      <form
        class="bar-row"
        onSubmit={(event) => {
          event.preventDefault()
          void create(event.currentTarget)
        }}
      >
        <label class="field">
          <span>Name</span>
          <input class="input" name="name" required maxLength={256} placeholder="shipper of the shop" />
        </label>
        <label class="field">
          <span>Tenant, where it is another</span>
          <input class="input" name="tenant" maxLength={256} />
        </label>
        <fieldset class="settings-roles">
          <legend class="dim">Roles</legend>
          {ROLES.map(([role, does]) => (
            <label key={role} title={does}>
              <input type="checkbox" name="role" value={role} defaultChecked={role === 'ingest'} /> {role}
            </label>
          ))}
        </fieldset>
        <button type="submit" class="button button-primary">
          <Icon name="key" /> Make a key
        </button>
      </form>
      {value !== undefined && value.keys.length > 0 && (
        <WideTable label="Keys">
          <thead>
            <tr>
              <th>Name</th>
              <th>Tenant</th>
              <th>Roles</th>
              <th>Made</th>
              <th>
                <span class="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {value.keys.map(({ id, name, tenant, roles, createdAt }) => (
              <tr key={id}>
                <td>{name}</td>
                <td>{tenant === '*' ? 'any' : tenant}</td>
                <td>{roles.join(', ')}</td>
                <td>{formatTime(Date.parse(createdAt), 'minute')}</td>
                <td class="actions">
                  <ConfirmButton question={`Revoke ${name}?`} onConfirm={() => void revoke(id)}>
                    Revoke
                  </ConfirmButton>
                </td>
              </tr>
            ))}
          </tbody>
        </WideTable>
      )}
      {value?.keys.length === 0 && <p class="dim">There are none.</p>}
    </section>
  )
}
