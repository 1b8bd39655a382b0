import { useSignal } from '@preact/signals'
import { call } from '../../api-client.ts'
import type { AlertChannel, AlertChannelDefinition } from '../../api-types.ts'
import { ConfirmButton } from '../../components/confirm-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { problemOf } from '../../loaded.ts'
import { usePolled } from '../../polled.ts'

type ChannelType = AlertChannelDefinition['type']

/** What a channel of each type needs, beside its name: the member, and what it is. */
const NEEDS: Readonly<Record<ChannelType, readonly [member: 'url' | 'routingKey' | 'apiKey' | 'to', label: string]>> = {
  webhook: ['url', 'URL'],
  slack: ['url', 'URL of the incoming webhook'],
  teams: ['url', 'URL of the workflow'],
  pagerduty: ['routingKey', 'Routing key'],
  opsgenie: ['apiKey', 'API key'],
  email: ['to', 'Addresses, separated by commas'],
}
const TYPES = Object.keys(NEEDS) as readonly ChannelType[]

/** Where notifications go; each can be tried. */
export function Channels() {
  const { value, problem, reload } = usePolled('channels', 0, (signal) => call('GET /v1/alerts/channels', { signal }))
  const outcome = useSignal<Outcome | undefined>(undefined)
  const attempt = async (work: () => Promise<string | undefined>) => {
    try {
      const said = await work()
      outcome.value = said === undefined ? undefined : { said }
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  return (
    <>
      <NewChannel
        onMake={(body) => attempt(async () => `${(await call('POST /v1/alerts/channels', { body })).id} is made.`)}
      />
      <Notice outcome={outcome.value} />
      {problem !== undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined && <Spinner label="Asking for the channels" />}
      {value?.channels.length === 0 && (
        <div class="empty">
          <h2>No channel yet</h2>
          <p>Rules name the channels that they tell; what fires is listed under Events without one too.</p>
        </div>
      )}
      {value !== undefined && value.channels.length > 0 && (
        <WideTable label="Channels">
          <thead>
            <tr>
              <th>Channel</th>
              <th>Type</th>
              <th>Goes to</th>
              <th>
                <span class="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {value.channels.map((channel) => (
              <tr key={channel.id}>
                <td>
                  {channel.id}
                  {channel.name !== channel.id && <p class="dim">{channel.name}</p>}
                  {channel.enabled === false && <span class="tag tag-dim">off</span>}
                </td>
                <td>{channel.type}</td>
                <td class="clip">{targetOf(channel)}</td>
                <td class="actions">
                  <button type="button" class="button" onClick={() => void attempt(() => tested(channel.id))}>
                    <Icon name="play" /> Test
                  </button>{' '}
                  <ConfirmButton
                    question={`Delete ${channel.id}?`}
                    onConfirm={() =>
                      void attempt(async () => {
                        await call('DELETE /v1/alerts/channels/{id}', { path: { id: channel.id } })
                        return undefined
                      })
                    }
                  >
                    Delete
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

function NewChannel({ onMake }: { readonly onMake: (definition: AlertChannelDefinition) => Promise<void> }) {
  const type = useSignal<ChannelType>('webhook')
  const [member, label] = NEEDS[type.value]
  return (
    <form
      class="bar-row"
      onSubmit={(event) => {
        event.preventDefault()
        const data = new FormData(event.currentTarget)
        const target = String(data.get('target')).trim()
        void onMake({
          name: String(data.get('name')).trim(),
          type: type.value,
          ...(member === 'to' ? { to: target.split(/\s*,\s*/) } : { [member]: target }),
        })
      }}
    >
      <label class="field">
        <span>Type</span>
        <select
          class="input"
          value={type.value}
          onChange={(event) => {
            type.value = event.currentTarget.value as ChannelType
          }}
        >
          {TYPES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>Name</span>
        <input class="input" name="name" required placeholder="ops" />
      </label>
      <label class="field">
        <span>{label}</span>
        <input class="input" name="target" required size={40} />
      </label>
      <button type="submit" class="button button-primary">
        <Icon name="plus" /> Make a channel
      </button>
    </form>
  )
}

async function tested(id: string): Promise<string> {
  const { delivered, outcome, detail, tookMs } = await call('POST /v1/alerts/channels/{id}/test', { path: { id } })
  if (delivered) return `The test message has arrived, after ${Math.round(tookMs)} ms.`
  return `The test message has not arrived: ${outcome}${detail === null ? '' : ` (${detail})`}.`
}

function targetOf({ url, to }: AlertChannel): string {
  return to?.join(', ') ?? url ?? '********'
}
