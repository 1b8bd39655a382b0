import { logSegments } from '../log-text.ts'
import './log-text.css'

interface Props {
  readonly text: string
  readonly matcher?: RegExp | null
  /** UTF-16 units that are shown at most; what is left out is counted. */
  readonly charsMax?: number
}

const CHARS_MAX = 2000

/** Text of a log as text: colours of terminals are shown, whatever else it holds is named and does nothing. */
export function LogText({ text, matcher = null, charsMax = CHARS_MAX }: Props) {
  const segments = logSegments(text, matcher, charsMax)
  const more = text.length - charsMax
  const only = segments.length === 1 ? segments[0] : undefined
  if (only?.classes === '' && more <= 0) return <span class="log-text">{only.text}</span>
  return (
    <span class="log-text">
      {segments.map(({ text: part, classes }, i) =>
        classes === '' ? (
          part
        ) : classes.endsWith('match') ? (
          <mark key={i} class={classes}>
            {part}
          </mark>
        ) : (
          <span key={i} class={classes}>
            {part}
          </span>
        ),
      )}
      {more > 0 && <span class="log-more">… {more.toLocaleString('en')} more characters</span>}
    </span>
  )
}
