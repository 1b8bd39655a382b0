import type { AlertRule } from './rule.ts'

/**
 * Time in buckets. A window has up to 300 of them, of a second at least (A1); buckets are numbered from 1970 on, and window `end` is made of
 * the buckets end - bucketCount … end - 1. Their width may be no whole number of milliseconds: then they begin at the next whole one.
 */
export interface RuleWindow {
  readonly windowMs: number
  /** Buckets of one window. */
  readonly bucketCount: number
  /** Buckets from the end of one window to that of the next. */
  readonly step: number
  /** Buckets before its end that a decision about a window looks at: those of the window before too, where changes count. */
  readonly span: number
}

const BUCKETS_MAX = 300
const BUCKET_MIN_MS = 1000
/** Buckets are kept for so much longer than windows need them: a decision may wait for a shard that is stuck, and a keeper be replaced. */
const RETAIN_SLACK_MS = 60_000

const windows = new WeakMap<AlertRule['condition'], RuleWindow>()

export function windowOf({ condition }: AlertRule): RuleWindow {
  let window = windows.get(condition)
  if (window === undefined) {
    const { windowMs } = condition
    const bucketCount = Math.min(BUCKETS_MAX, Math.floor(windowMs / BUCKET_MIN_MS))
    const step = condition.type === 'tumbling' ? bucketCount : 1
    window = { windowMs, bucketCount, step, span: condition.change === null ? bucketCount : 2 * bucketCount }
    windows.set(condition, window)
  }
  return window
}

/** The bucket of a time. */
export function bucketAt({ windowMs, bucketCount }: RuleWindow, timeMs: number): number {
  // Exact: the product of both is a safe integer, and quotients of such numbers do not round up to a whole one.
  return Math.floor((timeMs * bucketCount) / windowMs)
}

/** When a bucket begins; also when the window ends that has the buckets before it. */
export function bucketStartMs({ windowMs, bucketCount }: RuleWindow, bucket: number): number {
  return Math.ceil((bucket * windowMs) / bucketCount)
}

/** Buckets that begin earlier than this before the watermark are needed by no window that is still to be decided. */
export function retainMs(rule: AlertRule): number {
  const { windowMs, bucketCount, span } = windowOf(rule)
  return (span / bucketCount) * windowMs + rule.condition.allowedLatenessMs + RETAIN_SLACK_MS
}

/** Records so far ahead of the clock are not counted: their sender's clock is wrong, and buckets must be bounded. */
export function aheadMs(rule: AlertRule): number {
  return rule.condition.windowMs
}
