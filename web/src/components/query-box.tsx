import { useSignal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { type ApiProblem, call } from '../api-client.ts'
import { after } from '../browser-clock.ts'
import { problemOf } from '../loaded.ts'
import { type Completion, completionPlace, completionsAt } from '../query-completion.ts'
import { queryTokens } from '../query-syntax.ts'
import { remembered } from '../settings-store.ts'
import { Icon } from './icon.tsx'
import './query-box.css'

interface Field {
  readonly name: string
  readonly type: string
  readonly count: number
}

interface Props {
  /** What is in force; what is typed becomes that with Enter. */
  readonly query: string
  readonly onRun: (query: string) => void
  readonly fields: readonly Field[]
  /** Most frequent values of a field that begin the completion of values. */
  readonly valuesOf: (field: string) => Promise<readonly { readonly value: string; readonly count: number }[]>
  /** What the node said of the query in force. */
  readonly problem?: ApiProblem | undefined
  readonly inputRef?: RefObject<HTMLTextAreaElement | null>
  readonly placeholder?: string
}

const HISTORY_MAX = 50
const CHECK_AFTER_MS = 350

const history = remembered<readonly string[]>(
  'queries',
  [],
  (value): value is readonly string[] => Array.isArray(value) && value.every((query) => typeof query === 'string'),
)

/** Where a query is written: coloured, completed, and with its error underlined. Enter runs it, Shift+Enter begins a line. */
export function QueryBox({ query, onRun, fields, valuesOf, problem, inputRef, placeholder }: Props) {
  const own = useRef<HTMLTextAreaElement>(null)
  const input = inputRef ?? own
  const text = useSignal(query)
  const checked = useSignal<{ readonly of: string; readonly problem: ApiProblem | undefined }>({ of: query, problem })
  const offers = useSignal<readonly Completion[]>([])
  const isHistory = useSignal(false)
  const chosen = useSignal(-1)
  const listId = useId()
  const hintId = useId()
  /** Values of fields that were asked for since the query is in force. */
  const values = useRef(new Map<string, ReturnType<Props['valuesOf']>>())

  useEffect(() => {
    text.value = query
    values.current.clear()
  }, [query, text])
  useEffect(() => {
    checked.value = { of: query, problem }
  }, [query, problem, checked])
  useEffect(() => {
    if (text.value === query) return
    const abort = new AbortController()
    const cancel = after(CHECK_AFTER_MS, () => void check(text.value, abort.signal))
    return () => {
      cancel()
      abort.abort()
    }
  }, [text.value])

  /** Asks whether a text parses, by a search of no time. */
  async function check(draft: string, signal: AbortSignal): Promise<void> {
    const range = { from: 'now', to: 'now+1ms', limit: 1, total: 'none' as const }
    try {
      await call('GET /v1/logs/search', { query: { query: draft, ...range }, signal })
      if (!signal.aborted) checked.value = { of: draft, problem: undefined }
    } catch (error) {
      const found = problemOf(error)
      if (!signal.aborted && found.code === 'invalid_query') checked.value = { of: draft, problem: found }
    }
  }

  const shown = checked.value.of === text.value ? checked.value.problem : undefined
  const fault = shown?.code === 'invalid_query' ? shown : undefined

  async function offer(): Promise<void> {
    const caret = input.current?.selectionStart ?? 0
    const draft = text.value
    const place = completionPlace(draft, caret)
    isHistory.value = false
    if (place === undefined) return close()
    const known = place.kind === 'value' ? await knownValues(place.field!) : []
    if (text.value !== draft || document.activeElement !== input.current) return
    const found = completionsAt(place, { fields, values: known }).filter(({ insert }) => insert.trim() !== place.prefix)
    offers.value = found
    chosen.value = -1
  }

  async function knownValues(field: string) {
    const asked = values.current.get(field) ?? valuesOf(field).catch(() => [])
    values.current.set(field, asked)
    return await asked
  }

  function close(): void {
    offers.value = []
    chosen.value = -1
    isHistory.value = false
  }

  function take(completion: Completion): void {
    const element = input.current!
    if (isHistory.value) {
      text.value = completion.insert
      close()
      run(completion.insert)
      return
    }
    const place = completionPlace(text.value, element.selectionStart)
    if (place === undefined) return
    const rest = text.value.slice(place.to)
    const insert =
      completion.insert.endsWith(' ') && rest.startsWith(' ') ? completion.insert.trimEnd() : completion.insert
    text.value = text.value.slice(0, place.from) + insert + rest
    close()
    const caret = place.from + insert.length
    element.value = text.value
    element.focus()
    element.setSelectionRange(caret, caret)
    if (insert.endsWith(':')) void offer()
  }

  function run(draft: string): void {
    const next = draft.trim()
    if (next !== '') history.value = [next, ...history.value.filter((one) => one !== next)].slice(0, HISTORY_MAX)
    close()
    onRun(next)
  }

  function showHistory(): void {
    offers.value = history.value.map((one) => ({ label: one, insert: one }))
    isHistory.value = true
    chosen.value = -1
  }

  function onKeyDown(event: KeyboardEvent): void {
    const count = offers.value.length
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      if (chosen.value >= 0) take(offers.value[chosen.value]!)
      else run(text.value)
    } else if (event.key === 'Tab' && !event.shiftKey && chosen.value >= 0) {
      event.preventDefault()
      take(offers.value[chosen.value]!)
    } else if (event.key === 'Escape') {
      if (count > 0) {
        event.stopPropagation()
        close()
      } else input.current?.blur()
    } else if (event.key === 'ArrowDown' && count > 0) {
      event.preventDefault()
      chosen.value = (chosen.value + 1) % count
    } else if (event.key === 'ArrowUp' && count > 0) {
      event.preventDefault()
      chosen.value = (chosen.value + count) % (count + 1) === count ? count - 1 : (chosen.value + count) % count
    } else if (event.key === 'ArrowDown' && text.value === '') {
      event.preventDefault()
      showHistory()
    } else if (event.key === ' ' && event.ctrlKey) {
      event.preventDefault()
      void offer()
    }
  }

  return (
    <div class="query-box">
      <div class={`query-edit${fault === undefined ? '' : ' has-fault'}`}>
        <pre class="query-paint" aria-hidden="true">
          <Painted text={text.value} fault={fault} />
        </pre>
        <textarea
          class="query-input"
          ref={input}
          rows={1}
          value={text.value}
          placeholder={placeholder ?? 'Search: level:ERROR "gateway timeout" | stats count() by service'}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          enterkeyhint="search"
          maxLength={16_000}
          aria-label="Query"
          aria-autocomplete="list"
          aria-controls={listId}
          aria-activedescendant={chosen.value >= 0 ? `${listId}-${chosen.value}` : undefined}
          aria-invalid={fault !== undefined}
          aria-describedby={fault === undefined ? undefined : hintId}
          onInput={(event) => {
            text.value = event.currentTarget.value
            void offer()
          }}
          onClick={() => {
            if (text.value === '' && history.value.length > 0) showHistory()
          }}
          onBlur={close}
          onKeyDown={onKeyDown}
        />
        {text.value !== '' && (
          <button type="button" class="query-clear" aria-label="Clear the query" onClick={() => run('')}>
            <Icon name="close" size={14} />
          </button>
        )}
      </div>
      {fault !== undefined && (
        <p class="query-hint" id={hintId} role="status">
          <Icon name="warning" size={14} /> {fault.message}
        </p>
      )}
      <ul class="query-offers" id={listId} role="listbox" aria-label="Completions" hidden={offers.value.length === 0}>
        {isHistory.value && (
          <li class="query-offers-title" role="presentation">
            Recent queries
          </li>
        )}
        {offers.value.map((completion, i) => (
          <li
            key={completion.label}
            id={`${listId}-${i}`}
            role="option"
            aria-selected={i === chosen.value}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(completion)}
          >
            <span class="query-offer">{completion.label}</span>
            {completion.detail !== undefined && <span class="dim">{completion.detail}</span>}
          </li>
        ))}
      </ul>
    </div>
  )
}

/** The text again, coloured, below the transparent one that is edited. */
function Painted({ text, fault }: { text: string; fault: ApiProblem | undefined }) {
  const marks = queryTokens(text).map(({ kind, from, to }) => ({ from, to, kind: `syntax-${kind}` }))
  const start = fault?.position ?? -1
  const end = start < 0 ? -1 : start + Math.max(1, fault?.length ?? 1)
  const cuts = new Set([0, text.length])
  for (const { from, to } of marks) cuts.add(from).add(to)
  if (start >= 0) cuts.add(Math.min(start, text.length)).add(Math.min(end, text.length))
  const places = [...cuts].sort((a, b) => a - b)
  return (
    <>
      {places.slice(0, -1).map((from, i) => {
        const mark = marks.find((one) => one.from <= from && from < one.to)
        const isFault = from >= start && from < end
        return (
          <span key={from} class={`${mark?.kind ?? ''}${isFault ? ' syntax-fault' : ''}`}>
            {text.slice(from, places[i + 1])}
          </span>
        )
      })}
      {start >= text.length && start >= 0 && <span class="syntax-fault"> </span>}
      {'\u200b'}
    </>
  )
}
