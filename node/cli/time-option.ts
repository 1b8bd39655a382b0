import { durationMs } from '../../query/duration.ts'
import { UsageFailure } from './failures.ts'

/** The parameter `from` for --since: `1h` is an hour ago, anything else a time that the node reads. */
export function sinceParameter(since: string | undefined): string | undefined {
  if (since === undefined) return undefined
  const ms = durationMs(since)
  return ms === undefined ? since : `now-${Math.round(ms)}ms`
}

/** Milliseconds of an option such as `5m`. Throws UsageFailure. */
export function durationOption(name: string, text: string): number {
  const ms = durationMs(text)
  if (ms === undefined) throw new UsageFailure(`--${name} is a time such as 500ms, 30s, 5m or 1h, not ${text}`)
  return ms
}
