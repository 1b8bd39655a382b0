import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useMemo } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { ContextResult, LogRecord } from '../../api-types.ts'
import { CopyButton } from '../../components/copy-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { LogList } from '../../components/log-list.tsx'
import { LogText } from '../../components/log-text.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Loader } from '../../loaded.ts'
import { conditionOf } from '../../query-syntax.ts'
import { fieldsOf, levelName, textOf } from '../../record-fields.ts'
import { addressWith } from '../../router.ts'
import { formatTime } from '../../time-range.ts'
import { FieldValues, FilterActs } from './field-sidebar.tsx'
import type { Asked } from './search-model.ts'
import { searchParams, toggleColumn } from './search-params.ts'

const MESSAGE_CHARS_FIRST = 8000
const VALUE_CHARS = 600
const JSON_CHARS = 60_000
const CONTEXT_ROWS = 25
const WHOLE_CHARS_MAX = 300_000

interface Props {
  readonly record: LogRecord
  readonly asked: Asked | undefined
  readonly matcher: RegExp | null
  readonly onClose: () => void
  readonly onStep: (by: 1 | -1) => void
}

/** One record with all that it holds, beside the list. */
export function RecordPanel({ record, asked, matcher, onClose, onStep }: Props) {
  const tab = useSignal<'fields' | 'json' | 'context'>('fields')
  const level = levelName(record.level)
  const pick = (name: 'fields' | 'json' | 'context', icon: ComponentChildren, label: string) => (
    <button
      type="button"
      class="tab"
      role="tab"
      aria-selected={tab.value === name}
      onClick={() => {
        tab.value = name
      }}
    >
      {icon} {label}
    </button>
  )
  return (
    <section class="record" aria-label="Record">
      <header class="record-head">
        <span class={`level level-${level}`}>{record.level}</span>
        <time class="mono" dateTime={record.timestamp} title={record.timestamp}>
          {formatTime(Date.parse(record.timestamp), 'ms')}
        </time>
        <span class="record-service">{record.service.slice(0, 100)}</span>
        <span class="record-tools">
          <button
            type="button"
            class="button button-quiet button-icon"
            aria-label="Previous record"
            title="Previous (k)"
            onClick={() => onStep(-1)}
          >
            <Icon name="up" />
          </button>
          <button
            type="button"
            class="button button-quiet button-icon"
            aria-label="Next record"
            title="Next (j)"
            onClick={() => onStep(1)}
          >
            <Icon name="down" />
          </button>
          <button
            type="button"
            class="button button-quiet button-icon"
            aria-label="Close the record"
            title="Close (Escape)"
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        </span>
      </header>
      <Message text={record.message ?? ''} matcher={matcher} />
      <div class="record-acts">
        {typeof record.traceId === 'string' && record.traceId !== '' && (
          <Link class="button" to={`/traces/${encodeURIComponent(record.traceId)}`}>
            <Icon name="trace" /> Trace
          </Link>
        )}
        <CopyButton label="Copy link" icon="link" text={() => location.origin + addressWith({ rec: record.id })} />
        <CopyButton label="Copy JSON" text={() => JSON.stringify(record, null, 2)} />
      </div>
      <div class="tabs" role="tablist" aria-label="Parts of the record">
        {pick('fields', <Icon name="fields" size={14} />, 'Fields')}
        {pick('json', <Icon name="json" size={14} />, 'JSON')}
        {pick('context', <Icon name="context" size={14} />, 'Surrounding lines')}
      </div>
      {tab.value === 'fields' && <Fields record={record} asked={asked} />}
      {tab.value === 'json' && (
        <pre class="record-json" tabIndex={0} aria-label="The record as JSON">
          <LogText text={JSON.stringify(record, null, 2)} charsMax={JSON_CHARS} />
        </pre>
      )}
      {tab.value === 'context' && <Context record={record} />}
    </section>
  )
}

function Message({ text, matcher }: { text: string; matcher: RegExp | null }) {
  const isWhole = useSignal(false)
  const charsMax = isWhole.value ? WHOLE_CHARS_MAX : MESSAGE_CHARS_FIRST
  if (text === '') return <p class="record-message dim">no message</p>
  return (
    <div class="record-message" tabIndex={0} role="group" aria-label="Message">
      <LogText text={text} matcher={matcher} charsMax={charsMax} />
      {text.length > charsMax && (
        <button
          type="button"
          class="button"
          onClick={() => {
            isWhole.value = true
          }}
        >
          Show all
        </button>
      )}
    </div>
  )
}

function Fields({ record, asked }: { record: LogRecord; asked: Asked | undefined }) {
  const top = useSignal<string | undefined>(undefined)
  const fields = useMemo(() => fieldsOf(record), [record])
  return (
    <div class="record-fields" tabIndex={0} role="group" aria-label="Fields of the record">
      <dl>
        {fields.map(({ name, value }) => {
          const text = textOf(value)
          const condition = name === 'timestamp' || name === 'id' ? undefined : conditionOf(name, value)
          const isShown = searchParams.value.columns.includes(name)
          return (
            <div key={name} class="record-field">
              <dt title={name}>{name}</dt>
              <dd>
                <span class={`record-value is-${value === null ? 'null' : typeof value}`}>
                  {text === '' ? <em class="dim">empty</em> : <LogText text={text} charsMax={VALUE_CHARS} />}
                </span>
                <span class="record-field-acts">
                  {condition !== undefined && (
                    <FilterActs condition={condition} label={`${name} ${text.slice(0, 60)}`} />
                  )}
                  <button
                    type="button"
                    class="search-field-act"
                    aria-pressed={isShown}
                    aria-label={isShown ? `Hide the column ${name}` : `Show ${name} as a column`}
                    title={isShown ? 'Hide the column' : 'Show as a column'}
                    onClick={() => toggleColumn(name)}
                  >
                    <Icon name="columns" size={13} />
                  </button>
                  <button
                    type="button"
                    class="search-field-act"
                    aria-expanded={top.value === name}
                    aria-label={`Top values of ${name}`}
                    title="Top values"
                    onClick={() => {
                      top.value = top.value === name ? undefined : name
                    }}
                  >
                    <Icon name="chart" size={13} />
                  </button>
                  <CopyButton isSmall label={`Copy ${name}`} text={() => text} />
                </span>
                {top.value === name && asked !== undefined && <FieldValues name={name} asked={asked} />}
              </dd>
            </div>
          )
        })}
      </dl>
    </div>
  )
}

/** The lines before and after, of the same service and host. */
function Context({ record }: { record: LogRecord }) {
  const loader = useMemo(() => new Loader<ContextResult>(), [])
  useEffect(() => {
    void loader.load((signal) =>
      call('GET /v1/logs/{id}/context', {
        path: { id: record.id },
        query: { before: CONTEXT_ROWS, after: CONTEXT_ROWS },
        signal,
      }),
    )
    return () => loader.stop()
  }, [loader, record.id])
  const { value, problem } = loader.state.value
  if (problem !== undefined) return <ProblemNote problem={problem} />
  if (value === undefined) return <Spinner label="Reading" />
  const rows = [...value.before, value.record, ...value.after]
  return (
    <>
      <p class="search-note">
        {record.service.slice(0, 60)}
        {typeof record.host === 'string' ? ` on ${record.host.slice(0, 60)}` : ''}, oldest first
      </p>
      <LogList
        label="Surrounding lines"
        count={rows.length}
        row={(index) => rows[index]}
        columns={[]}
        isWrapped
        selected={value.before.length}
        onSelect={() => undefined}
      />
    </>
  )
}
