import { useSignal } from '@preact/signals'
import { useCallback, useEffect, useMemo, useRef } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { LogRecord } from '../../api-types.ts'
import { after } from '../../browser-clock.ts'
import { Icon } from '../../components/icon.tsx'
import { LevelHistogram } from '../../components/level-histogram.tsx'
import { LogList } from '../../components/log-list.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { QueryBox } from '../../components/query-box.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { TimePicker } from '../../components/time-picker.tsx'
import { matcherOf } from '../../query-syntax.ts'
import { setParams } from '../../router.ts'
import { ROWS_MAX } from '../../search-results.ts'
import { remembered } from '../../settings-store.ts'
import { FieldSidebar } from './field-sidebar.tsx'
import { NothingFound } from './first-start.tsx'
import { HelpDialog } from './help-dialog.tsx'
import { PatternList } from './pattern-list.tsx'
import { RecordPanel } from './record-panel.tsx'
import { SearchModel } from './search-model.ts'
import { searchParams, setQuery, setRange, setSpan, toggleColumn } from './search-params.ts'
import { SearchStatus } from './search-status.tsx'
import { TableView } from './table-view.tsx'
import './search-page.css'

const VALUES_FOR_COMPLETION = 50
const DAY_MS = 86_400_000
/** The address follows the chosen record at this distance: browsers refuse many changes of it in a row. */
const ADDRESS_AFTER_MS = 300

const showsFields = remembered('showsFields', true, (value): value is boolean => typeof value === 'boolean')

/** Finds records, and shows what they have in common. */
export function SearchPage() {
  const model = useMemo(() => new SearchModel(), [])
  const params = searchParams.value
  const { query, range, order, tab, record: recordId } = params
  const selected = useSignal(-1)
  const opened = useSignal<LogRecord | undefined>(undefined)
  const isHelpOpen = useSignal(false)
  const input = useRef<HTMLTextAreaElement>(null)
  const { results } = model
  const state = results.state.value
  const asked = model.asked.value
  const matcher = useMemo(() => matcherOf(query), [query])

  const search = useCallback(() => {
    selected.value = -1
    model.run(searchParams.value)
  }, [model, selected])
  useEffect(() => search(), [search, query, range.from, range.to, order])
  const address = useRef<() => void>(() => undefined)
  useEffect(
    () => () => {
      address.current()
      model.stop()
    },
    [model],
  )

  // A link to a record opens it, in the list or not.
  useEffect(() => {
    if (recordId === undefined) {
      opened.value = undefined
      return
    }
    if (opened.value?.id === recordId) return
    const index = results.indexOf(recordId)
    if (index >= 0) {
      selected.value = index
      opened.value = results.row(index)
      return
    }
    const abort = new AbortController()
    call('GET /v1/logs/{id}', { path: { id: recordId }, signal: abort.signal }).then(
      (found) => {
        opened.value = found
      },
      () => undefined,
    )
    return () => abort.abort()
  }, [recordId, results, opened, selected])
  useEffect(() => {
    if (opened.value !== undefined && selected.value < 0) selected.value = results.indexOf(opened.value.id)
  }, [state.count, opened.value, selected, results])

  const open = useCallback(
    (index: number) => {
      const record = results.row(index)
      if (record === undefined) return
      selected.value = index
      opened.value = record
      address.current()
      address.current = after(ADDRESS_AFTER_MS, () => setParams({ rec: record.id }, { replace: true }))
    },
    [results, selected, opened],
  )
  const close = useCallback(() => {
    address.current()
    opened.value = undefined
    setParams({ rec: null }, { replace: true })
  }, [opened])
  const step = useCallback(
    (by: 1 | -1) => {
      const next = Math.min(results.state.value.count - 1, Math.max(0, selected.value + by))
      if (opened.value !== undefined) open(next)
      else selected.value = next
    },
    [results, selected, opened, open],
  )

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      const isTyping = target.matches('input, textarea, select') || target.closest('dialog') !== null
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      const action = actions[event.key]
      if (action === undefined) return
      event.preventDefault()
      action()
    }
    const actions: Readonly<Record<string, () => void>> = {
      '/': () => input.current?.focus(),
      '?': () => {
        isHelpOpen.value = true
      },
      j: () => step(1),
      k: () => step(-1),
      w: () => setParams({ wrap: searchParams.value.isWrapped ? null : '1' }, { replace: true }),
      r: search,
      Escape: close,
      Enter: () => {
        if (selected.value >= 0) open(selected.value)
      },
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [step, open, close, search, isHelpOpen, selected])

  const histogram = model.histogram.state.value.value
  const { value: table, problem: tableProblem, isLoading: tableIsLoading } = model.table.state.value
  const problem = asked?.isTable ? tableProblem : state.problem
  const isEmpty = asked !== undefined && !asked.isTable && state.isWhole && !state.isLoading && state.count === 0
  const more = useCallback(() => void results.more(), [results])
  const shownTab = asked?.isTable ? 'charts' : tab === 'charts' ? 'logs' : tab
  return (
    <div class="search">
      <h1 class="sr-only">Search</h1>
      <div class="search-bar">
        <QueryBox
          query={query}
          inputRef={input}
          fields={model.fields.state.value.value?.fields ?? []}
          problem={problem}
          valuesOf={async (name) => {
            const { from, to } = asked ?? {}
            const limit = VALUES_FOR_COMPLETION
            const within = {
              ...(from === undefined ? {} : { from }),
              ...(to === undefined ? {} : { to }),
              limit,
              timeout: '2s',
            }
            return (await call('GET /v1/fields/{name}/values', { path: { name }, query: within })).values
          }}
          onRun={(next) => (next === query ? search() : setQuery(next))}
        />
        <div class="search-bar-end">
          <TimePicker range={range} onChange={setRange} />
          <button type="button" class="button button-primary" aria-label="Search" onClick={search}>
            <Icon name="refresh" /> <span class="wide">Search</span>
          </button>
          <button
            type="button"
            class="button button-icon"
            aria-label="Help: keys and queries"
            title="Keys and queries (?)"
            onClick={() => {
              isHelpOpen.value = true
            }}
          >
            <Icon name="help" />
          </button>
        </div>
      </div>
      <div class="search-chart">
        {histogram !== undefined && asked !== undefined ? (
          <LevelHistogram histogram={histogram} span={asked} onBrush={setSpan} />
        ) : (
          <div class="histogram-plot" />
        )}
      </div>
      <SearchStatus model={model} showsFields={showsFields} tab={shownTab} />
      <div class="search-body">
        {showsFields.value && <FieldSidebar model={model} />}
        <div class="search-main">
          {problem !== undefined && problem.code !== 'invalid_query' && (
            <ProblemNote problem={problem} onRetry={search} />
          )}
          {problem?.code === 'invalid_query' && (
            <div class="empty">
              <Icon name="warning" size={28} />
              <h2>{problem.title}</h2>
              <p>{problem.message}</p>
            </div>
          )}
          {shownTab === 'patterns' && <PatternList model={model} />}
          {shownTab === 'charts' && table !== undefined && <TableView result={table} query={query} />}
          {shownTab === 'charts' && table === undefined && tableIsLoading && <Spinner label="Counting" />}
          {shownTab === 'logs' && (problem === undefined || state.count > 0) && (
            <>
              {isEmpty && (
                <NothingFound isUnfiltered={asked.filter === '' || asked.filter === '*'} onArrival={search} />
              )}
              {state.count === 0 && state.isLoading && <Spinner label="Searching" />}
              {state.count > 0 && (
                <LogList
                  label="Records found"
                  count={state.count}
                  row={(index) => results.row(index)}
                  columns={params.columns}
                  onRemoveColumn={toggleColumn}
                  isWrapped={params.isWrapped}
                  isJson={params.isJson}
                  hasDates={asked !== undefined && asked.toMs - asked.fromMs > DAY_MS}
                  matcher={matcher}
                  selected={selected.value}
                  onSelect={open}
                  onOpen={open}
                  onNearEnd={more}
                />
              )}
              {state.count >= ROWS_MAX && (
                <p class="search-note">
                  {ROWS_MAX.toLocaleString('en')} records are shown. Narrow the range or the query to see the others, or
                  export them.
                </p>
              )}
            </>
          )}
        </div>
        {opened.value !== undefined && (
          <RecordPanel
            key={opened.value.id}
            record={opened.value}
            asked={asked}
            matcher={matcher}
            onClose={close}
            onStep={step}
          />
        )}
      </div>
      {isHelpOpen.value && (
        <HelpDialog
          onClose={() => {
            isHelpOpen.value = false
          }}
          onTry={(next) => {
            isHelpOpen.value = false
            setQuery(next)
          }}
        />
      )}
    </div>
  )
}
