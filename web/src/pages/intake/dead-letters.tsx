import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { DeadLetter } from '../../api-types.ts'
import { Icon } from '../../components/icon.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { problemOf } from '../../loaded.ts'
import { formatCount } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { place, setParams } from '../../router.ts'
import { formatTime, QUICK_RANGES } from '../../time-range.ts'

const PAGE = 100
/** Of the bytes of a letter, so many are shown. */
const RAW_SHOWN_MAX = 4096
const FILTERS = ['protocol', 'code', 'reason'] as const

/** Records that were refused, with their reasons; they can be stored after all once what was wrong is mended. */
export function DeadLetters() {
  const { params } = place.value
  const filter = Object.fromEntries(FILTERS.flatMap((name) => (params.has(name) ? [[name, params.get(name)!]] : [])))
  const from = params.get('from') ?? 'now-24h'
  const cursor = params.get('cursor')
  const query = { ...filter, from, ...(cursor === null ? {} : { cursor }), limit: PAGE }
  const { value, problem, isLoading, reload } = usePolled(JSON.stringify(query), 0, (signal) =>
    call('GET /v1/dead-letters', { query, signal }),
  )
  const chosen = useSignal<ReadonlySet<string>>(new Set())
  const outcome = useSignal<Outcome | undefined>(undefined)
  useEffect(() => {
    chosen.value = new Set()
  }, [chosen, value])

  const replay = async () => {
    const ids = [...chosen.value]
    try {
      const { replayed, failed, failures, nextCursor } = await call('POST /v1/dead-letters/replay', {
        body: ids.length > 0 ? { ids } : { ...filter, from },
      })
      const first = failures[0] === undefined ? '' : ` The first: ${failures[0].reason}.`
      const more = nextCursor === null ? '' : ' There are more: replay again.'
      outcome.value = {
        said: `${formatCount(replayed)} stored, ${formatCount(failed)} refused again.${first}${more}`,
      }
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  const letters = value?.deadLetters ?? []
  return (
    <>
      <form
        class="bar-row"
        onSubmit={(event) => {
          event.preventDefault()
          const data = new FormData(event.currentTarget)
          setParams({
            cursor: null,
            from: String(data.get('from')),
            ...Object.fromEntries(FILTERS.map((name) => [name, String(data.get(name) ?? '').trim()])),
          })
        }}
      >
        <label class="field">
          <span>Received</span>
          <select class="input" name="from" defaultValue={from}>
            {QUICK_RANGES.map((range) => (
              <option key={range.from} value={range.from} selected={range.from === from}>
                {range.label}
              </option>
            ))}
          </select>
        </label>
        {FILTERS.map((name) => (
          <label class="field" key={name}>
            <span>{name === 'reason' ? 'Words of the reason' : name === 'code' ? 'Code' : 'Protocol'}</span>
            <input class="input" name={name} defaultValue={filter[name] ?? ''} />
          </label>
        ))}
        <button type="submit" class="button">
          <Icon name="filter" /> Filter
        </button>
        <button
          type="button"
          class="button button-primary"
          disabled={letters.length === 0}
          onClick={() => void replay()}
        >
          <Icon name="refresh" />{' '}
          {chosen.value.size > 0 ? `Replay ${chosen.value.size} chosen` : 'Replay all of the filter'}
        </button>
      </form>
      <Notice outcome={outcome.value} />
      {problem !== undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value?.coverage.complete === false && <p class="tag tag-warn">partial: some shards did not answer</p>}
      {value === undefined && isLoading && <Spinner label="Looking for dead letters" />}
      {value !== undefined && letters.length === 0 && (
        <div class="empty">
          <h2>Nothing was refused</h2>
          <p>Records that cannot be stored are kept here with the reason, and can be replayed after a fix.</p>
        </div>
      )}
      {letters.length > 0 && (
        <Letters
          letters={letters}
          chosen={chosen.value}
          onChoose={(ids) => {
            chosen.value = ids
          }}
        />
      )}
      {value?.nextCursor != null && (
        <p class="bar-row">
          <button type="button" class="button" onClick={() => setParams({ cursor: value.nextCursor })}>
            Older
          </button>
        </p>
      )}
    </>
  )
}

function Letters({
  letters,
  chosen,
  onChoose,
}: {
  readonly letters: readonly DeadLetter[]
  readonly chosen: ReadonlySet<string>
  readonly onChoose: (ids: ReadonlySet<string>) => void
}) {
  const toggled = (id: string) => {
    const next = new Set(chosen)
    if (!next.delete(id)) next.add(id)
    return next
  }
  return (
    <WideTable label="Dead letters">
      <thead>
        <tr>
          <th>
            <input
              type="checkbox"
              aria-label="Choose all that are shown"
              checked={chosen.size === letters.length}
              onChange={() => onChoose(new Set(chosen.size === letters.length ? [] : letters.map(({ id }) => id)))}
            />
          </th>
          <th>Received</th>
          <th>Protocol</th>
          <th>Reason</th>
          <th>What came</th>
        </tr>
      </thead>
      <tbody>
        {letters.map(({ id, receivedAt, protocol, code, reason, raw, encoding, size, pipeline, pipelineVersion }) => (
          <tr key={id}>
            <td>
              <input
                type="checkbox"
                aria-label={`Choose ${id}`}
                checked={chosen.has(id)}
                onChange={() => onChoose(toggled(id))}
              />
            </td>
            <td class="mono">{formatTime(Date.parse(receivedAt), 'ms')}</td>
            <td>{protocol}</td>
            <td>
              {reason}
              <p class="dim">
                {code}
                {pipeline !== undefined && ` · pipeline ${pipeline}, version ${pipelineVersion}`}
              </p>
            </td>
            <td>
              <pre>{raw.slice(0, RAW_SHOWN_MAX)}</pre>
              {(size !== undefined || encoding === 'base64' || raw.length > RAW_SHOWN_MAX) && (
                <p class="dim">
                  {encoding === 'base64' && 'base64 '}
                  {raw.length > RAW_SHOWN_MAX && `the first ${formatCount(RAW_SHOWN_MAX)} characters `}
                  {size !== undefined && `of ${formatCount(size)} bytes`}
                </p>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </WideTable>
  )
}
