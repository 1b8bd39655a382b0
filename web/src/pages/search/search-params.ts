import { computed } from '@preact/signals'
import { place, setParams } from '../../router.ts'
import { RANGE_DEFAULT, type TimeRange } from '../../time-range.ts'

export const TABS = ['logs', 'patterns', 'charts'] as const
export type SearchTab = (typeof TABS)[number]

/** What the search page shows, as its address says it. */
export interface SearchParams {
  readonly query: string
  readonly range: TimeRange
  readonly order: 'asc' | 'desc'
  readonly columns: readonly string[]
  readonly tab: SearchTab
  /** Id of the record that is open. */
  readonly record: string | undefined
  readonly isWrapped: boolean
  readonly isJson: boolean
  /** How a table is drawn; chosen by its columns when absent. */
  readonly chart: string | undefined
}

const COLUMNS_DEFAULT = ['service']
const COLUMNS_MAX = 20
const NO_COLUMNS = '-'

export const searchParams = computed<SearchParams>(() => {
  const { params } = place.value
  const columns = params.get('cols')
  const tab = params.get('tab') as SearchTab
  return {
    query: params.get('q') ?? '',
    range: { from: params.get('from') ?? RANGE_DEFAULT.from, to: params.get('to') ?? RANGE_DEFAULT.to },
    order: params.get('order') === 'asc' ? 'asc' : 'desc',
    columns:
      columns === null
        ? COLUMNS_DEFAULT
        : columns === NO_COLUMNS
          ? []
          : columns.split(',').filter(Boolean).slice(0, COLUMNS_MAX),
    tab: TABS.includes(tab) ? tab : 'logs',
    record: params.get('rec') ?? undefined,
    isWrapped: params.get('wrap') === '1',
    isJson: params.get('json') === '1',
    chart: params.get('chart') ?? undefined,
  }
})

export function setQuery(query: string): void {
  setParams({ q: query, rec: null, chart: null })
}

export function setRange({ from, to }: TimeRange): void {
  const isDefault = from === RANGE_DEFAULT.from && to === RANGE_DEFAULT.to
  setParams({ from: isDefault ? null : from, to: isDefault ? null : to, rec: null })
}

export function setSpan(fromMs: number, toMs: number): void {
  setRange({ from: new Date(Math.floor(fromMs)).toISOString(), to: new Date(Math.ceil(toMs)).toISOString() })
}

export function toggleColumn(name: string): void {
  const { columns } = searchParams.value
  const next = columns.includes(name) ? columns.filter((column) => column !== name) : [...columns, name]
  setParams({ cols: next.length === 0 ? NO_COLUMNS : next.join(',') }, { replace: true })
}
