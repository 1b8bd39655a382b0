import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { FieldValuesResult } from '../../api-types.ts'
import { Icon } from '../../components/icon.tsx'
import { LogText } from '../../components/log-text.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Loader } from '../../loaded.ts'
import { formatCount } from '../../numbers.ts'
import { conditionOf, withCondition } from '../../query-syntax.ts'
import type { Asked, SearchModel } from './search-model.ts'
import { searchParams, setQuery, toggleColumn } from './search-params.ts'

const VALUES_MAX = 10
const FIELDS_SHOWN_MAX = 300
/** Nearly every record has a value of its own. */
const HIDDEN = new Set(['id', 'timestamp', 'ingestedAt'])

/** Which fields the records have, how often, and with which values. */
export function FieldSidebar({ model }: { model: SearchModel }) {
  const find = useSignal('')
  const { value, problem, isLoading } = model.fields.state.value
  const open = useSignal<string | undefined>(undefined)
  const asked = model.asked.value
  const fields = (value?.fields ?? [])
    .filter(({ name }) => !HIDDEN.has(name) && name.toLowerCase().includes(find.value.toLowerCase()))
    .toSorted((a, b) => rank(a.name) - rank(b.name) || b.count - a.count || a.name.localeCompare(b.name))
  return (
    <aside class="search-fields" aria-label="Fields">
      <div class="search-fields-head">
        <input
          class="input"
          type="search"
          placeholder="Find a field"
          aria-label="Find a field"
          value={find.value}
          onInput={(event) => {
            find.value = event.currentTarget.value
          }}
        />
      </div>
      {problem !== undefined && problem.code !== 'invalid_query' && <ProblemNote problem={problem} />}
      <ul class="search-field-list">
        {fields.slice(0, FIELDS_SHOWN_MAX).map(({ name, type, count, cardinality }) => (
          <li key={name}>
            <div class="search-field">
              <button
                type="button"
                class="search-field-name"
                aria-expanded={open.value === name}
                title={`${name}: ${type}, in ${count.toLocaleString('en')} records, about ${cardinality.toLocaleString('en')} values`}
                onClick={() => {
                  open.value = open.value === name ? undefined : name
                }}
              >
                <span class="search-field-type" aria-hidden="true">
                  {TYPE_MARKS[type] ?? 't'}
                </span>
                <span class="search-field-text">{name}</span>
                <span class="dim number">{formatCount(count)}</span>
              </button>
              <ColumnToggle name={name} />
            </div>
            {open.value === name && asked !== undefined && <FieldValues name={name} asked={asked} count={count} />}
          </li>
        ))}
      </ul>
      {value !== undefined && !isLoading && fields.length === 0 && <p class="search-note">No such field</p>}
      {value?.coverage.complete === false && <p class="search-note">The counts are of a part of the records.</p>}
    </aside>
  )
}

const TYPE_MARKS: Readonly<Record<string, string>> = { number: '#', integer: '#', float: '#', boolean: '?', mixed: '*' }

function rank(name: string): number {
  const index = ['level', 'service', 'host', 'traceId', 'message'].indexOf(name)
  return index < 0 ? 9 : index
}

function ColumnToggle({ name }: { name: string }) {
  if (name === 'level' || name === 'message') return null
  const isShown = searchParams.value.columns.includes(name)
  return (
    <button
      type="button"
      class="search-field-act"
      aria-pressed={isShown}
      aria-label={isShown ? `Hide the column ${name}` : `Show ${name} as a column`}
      title={isShown ? 'Hide the column' : 'Show as a column'}
      onClick={() => toggleColumn(name)}
    >
      <Icon name={isShown ? 'minus' : 'plus'} size={13} />
    </button>
  )
}

/** The most frequent values of a field among the records found. */
export function FieldValues({ name, asked, count }: { name: string; asked: Asked; count?: number }) {
  const loader = useMemo(() => new Loader<FieldValuesResult>(), [])
  const { filter: query, from, to } = asked
  useEffect(() => {
    void loader.load((signal) =>
      call('GET /v1/fields/{name}/values', { path: { name }, query: { query, from, to, limit: VALUES_MAX }, signal }),
    )
    return () => loader.stop()
  }, [loader, name, query, from, to])
  const { value, problem } = loader.state.value
  if (problem !== undefined) return <ProblemNote problem={problem} />
  if (value === undefined) return <p class="search-note">Counting…</p>
  const total = Math.max(1, value.values.reduce((sum, one) => sum + one.count, 0) + value.other, count ?? 0)
  return (
    <ul class="search-values" aria-label={`Top values of ${name}`}>
      {value.values.map((one) => {
        const condition = conditionOf(name, one.value)
        const share = (one.count / total) * 100
        return (
          <li key={one.value} class="search-value">
            <span class="search-value-bar" style={{ width: `${share}%` }} />
            <span class="search-value-text" title={one.value.slice(0, 500)}>
              {one.value === '' ? <em class="dim">empty</em> : <LogText text={one.value} charsMax={120} />}
            </span>
            <span class="dim number" title={`${one.count.toLocaleString('en')} records`}>
              {share < 0.1 ? '<0.1' : share.toFixed(share < 10 ? 1 : 0)}%
            </span>
            {condition !== undefined && (
              <FilterActs condition={condition} label={`${name} ${one.value.slice(0, 60)}`} />
            )}
          </li>
        )
      })}
      {value.other > 0 && <li class="search-note">and other values in {formatCount(value.other)} records</li>}
    </ul>
  )
}

/** Adds a condition to the query, or its opposite. */
export function FilterActs({ condition, label }: { condition: string; label: string }) {
  const { query } = searchParams.value
  return (
    <span class="search-acts">
      <button
        type="button"
        class="search-field-act"
        aria-label={`Only ${label}`}
        title="Only these"
        onClick={() => setQuery(withCondition(query, condition))}
      >
        <Icon name="plus" size={13} />
      </button>
      <button
        type="button"
        class="search-field-act"
        aria-label={`Without ${label}`}
        title="Without these"
        onClick={() => setQuery(withCondition(query, `-${condition}`))}
      >
        <Icon name="minus" size={13} />
      </button>
    </span>
  )
}
