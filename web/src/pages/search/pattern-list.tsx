import { useEffect } from 'preact/hooks'
import { LogText } from '../../components/log-text.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { formatCount } from '../../numbers.ts'
import { LEVELS, levelName } from '../../record-fields.ts'
import { formatTime } from '../../time-range.ts'
import { FilterActs } from './field-sidebar.tsx'
import type { SearchModel } from './search-model.ts'

const PATTERN_CHARS = 500

/** Message templates of the records found, most frequent first. */
export function PatternList({ model }: { model: SearchModel }) {
  const asked = model.asked.value
  useEffect(() => model.findPatterns(), [model, asked])
  const { value, problem, isLoading } = model.patterns.state.value
  if (problem !== undefined) return <ProblemNote problem={problem} />
  if (value === undefined) return isLoading ? <Spinner label="Finding patterns" /> : null
  const highest = Math.max(1, ...value.patterns.map(({ count }) => count))
  return (
    <div class="pattern-list">
      {value.patterns.length === 0 && <p class="empty">No record matches.</p>}
      <ul>
        {value.patterns.map(({ pattern, count, levels, firstAt, lastAt }) => {
          const condition = conditionOfPattern(pattern)
          return (
            <li key={pattern} class="pattern">
              <span class="pattern-count number">{formatCount(count)}</span>
              <span class="pattern-bar" title={LEVELS.map((level) => `${level} ${levels[level] ?? 0}`).join(', ')}>
                {LEVELS.map((level) => (
                  <span
                    key={level}
                    class={`back-${levelName(level)}`}
                    style={{ width: `${((levels[level] ?? 0) / highest) * 100}%` }}
                  />
                ))}
              </span>
              <span class="pattern-text mono">
                {pattern
                  .slice(0, PATTERN_CHARS)
                  .split('<*>')
                  .map((part, i) => (
                    <span key={i}>
                      {i > 0 && <span class="pattern-gap">‹…›</span>}
                      <LogText text={part} />
                    </span>
                  ))}
              </span>
              <span class="pattern-times dim number">
                {formatTime(Date.parse(firstAt), 'second').slice(5)} –{' '}
                {formatTime(Date.parse(lastAt), 'second').slice(11)}
              </span>
              {condition !== undefined && (
                <FilterActs condition={condition} label={`records like ${pattern.slice(0, 60)}`} />
              )}
            </li>
          )
        })}
      </ul>
    </div>
  )
}

/** A condition that the messages of a template meet; undefined where it says nothing or is too long. */
function conditionOfPattern(pattern: string): string | undefined {
  if (pattern.replaceAll('<*>', '').trim() === '') return undefined
  const parts = pattern.split('<*>').map((part) => part.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  const source = parts.join('.*').replaceAll('\n', '\\n')
  return source.length > 1500 ? undefined : `message:/${source}/s`
}
