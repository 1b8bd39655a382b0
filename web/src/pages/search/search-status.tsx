import type { Signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import type { Coverage } from '../../api-types.ts'
import { Icon, type IconName } from '../../components/icon.tsx'
import { formatCount } from '../../numbers.ts'
import { withCondition } from '../../query-syntax.ts'
import { LEVELS, levelName } from '../../record-fields.ts'
import { setParams } from '../../router.ts'
import { formatDuration } from '../../time-range.ts'
import { ExportMenu } from './export-menu.tsx'
import type { SearchModel } from './search-model.ts'
import { type SearchTab, searchParams, setQuery } from './search-params.ts'

interface Props {
  readonly model: SearchModel
  readonly showsFields: Signal<boolean>
  readonly tab: SearchTab
}

/** How much was found, how long it took, what it rests on; and how it is shown. */
export function SearchStatus({ model, showsFields, tab }: Props) {
  const { query, order, isWrapped, isJson } = searchParams.value
  const isTable = model.asked.value?.isTable ?? false
  return (
    <div class="search-status">
      <Found model={model} />
      <div class="search-tools">
        <div class="tabs" role="tablist" aria-label="Views">
          {isTable ? (
            <Tab name="charts" icon="chart" shown={tab}>
              Chart
            </Tab>
          ) : (
            <>
              <Tab name="logs" icon="tail" shown={tab}>
                Logs
              </Tab>
              <Tab name="patterns" icon="pattern" shown={tab}>
                Patterns
              </Tab>
              <button
                type="button"
                class="tab"
                role="tab"
                aria-selected={false}
                title="Count over time, by service"
                onClick={() => setQuery(`${query.trim() || '*'} | stats count() by (service, bucket(1m))`)}
              >
                <Icon name="chart" size={14} /> Chart
              </button>
            </>
          )}
        </div>
        <Toggle
          icon="fields"
          label="Fields"
          isOn={showsFields.value}
          onClick={() => {
            showsFields.value = !showsFields.value
          }}
        />
        {!isTable && (
          <>
            <Toggle
              icon="wrap"
              label="Wrap lines"
              isOn={isWrapped}
              onClick={() => setParams({ wrap: isWrapped ? null : '1' }, { replace: true })}
            />
            <Toggle
              icon="json"
              label="Show records as JSON"
              isOn={isJson}
              onClick={() => setParams({ json: isJson ? null : '1' }, { replace: true })}
            />
            <button
              type="button"
              class="button button-icon"
              aria-label={
                order === 'desc' ? 'Newest first; show the oldest first' : 'Oldest first; show the newest first'
              }
              title={order === 'desc' ? 'Newest first' : 'Oldest first'}
              onClick={() => setParams({ order: order === 'desc' ? 'asc' : null })}
            >
              <Icon name={order === 'desc' ? 'down' : 'up'} />
            </button>
          </>
        )}
        <ExportMenu model={model} />
      </div>
    </div>
  )
}

function Tab({
  name,
  icon,
  shown,
  children,
}: {
  name: SearchTab
  icon: IconName
  shown: SearchTab
  children: ComponentChildren
}) {
  return (
    <button
      type="button"
      class="tab"
      role="tab"
      aria-selected={name === shown}
      onClick={() => setParams({ tab: name === 'logs' ? null : name })}
    >
      <Icon name={icon} size={14} /> {children}
    </button>
  )
}

function Toggle({ icon, label, isOn, onClick }: { icon: IconName; label: string; isOn: boolean; onClick: () => void }) {
  return (
    <button
      type="button"
      class="button button-icon"
      aria-pressed={isOn}
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}

/** What was found, in numbers. */
function Found({ model }: { model: SearchModel }) {
  const { summary, firstRowMs, isComplete, count, isLoading } = model.results.state.value
  const histogram = model.histogram.state.value.value
  const table = model.table.state.value.value
  const isTable = model.asked.value?.isTable ?? false
  const answer = isTable ? table : summary
  const coverage = answer?.coverage
  const isPartial = !isComplete || coverage?.complete === false || histogram?.coverage.complete === false
  const { query } = searchParams.value
  const totals = LEVELS.map((level) => ({
    level,
    count: histogram?.buckets.reduce((sum, { by }) => sum + (by[level] ?? 0), 0) ?? 0,
  })).filter((one) => one.count > 0)
  return (
    <div class="search-found">
      <span class="search-total" role="status">
        {histogram === undefined ? (
          isLoading ? (
            'Searching…'
          ) : (
            `${formatCount(count)} records`
          )
        ) : (
          <>
            <strong class="number">
              {isPartial ? '≥ ' : ''}
              {histogram.total.toLocaleString('en')}
            </strong>{' '}
            records
          </>
        )}
      </span>
      {totals.toReversed().map(({ level, count: ofLevel }) => (
        <button
          type="button"
          key={level}
          class="search-level"
          title={`Only ${level}`}
          onClick={() => setQuery(withCondition(query, `level:${level}`))}
        >
          <span class={`search-level-dot back-${levelName(level)}`} /> {level}{' '}
          <span class="number">{formatCount(ofLevel)}</span>
        </button>
      ))}
      {answer !== undefined && (
        <span
          class="dim search-took"
          title={`${formatCount(answer.stats.rowsScanned)} rows looked at in ${formatCount(answer.stats.blocks)} blocks; ${formatCount(answer.stats.blocksSkipped)} blocks skipped unread`}
        >
          {formatDuration(answer.tookMs)} on the node
          {!isTable && firstRowMs !== undefined ? `, shown after ${formatDuration(firstRowMs)}` : ''}
          {coverage !== undefined ? ` · ${coverage.answered} of ${coverage.shards} shards` : ''}
        </span>
      )}
      {isPartial && <Partial coverage={coverage ?? histogram?.coverage} />}
    </div>
  )
}

const MISSING_SHOWN_MAX = 5

/** Says that an answer is not whole, and why. */
function Partial({ coverage }: { coverage: Coverage | undefined }) {
  const missing = coverage?.missing ?? []
  const reasons = missing.slice(0, MISSING_SHOWN_MAX).map(({ shard, reason }) => `shard ${shard}: ${reason}`)
  if (missing.length > MISSING_SHOWN_MAX) reasons.push(`and ${missing.length - MISSING_SHOWN_MAX} more`)
  return (
    <span class="search-partial" role="status" title={reasons.join('\n')}>
      <Icon name="warning" size={14} /> Partial:{' '}
      {reasons.length === 0 ? 'some shards answered late' : reasons.join(', ')}
    </span>
  )
}
