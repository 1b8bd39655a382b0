import { WeirError } from '../base/errors.ts'

/** Milliseconds of each unit that durations are written in. */
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

const DURATION = /^(?:\d{1,15}(?:\.\d{1,15})?(?:ns|us|µs|ms|s|m|h|d|w))+$/
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)/g
/** Longer ones are mistakes: a hundred years. */
const DURATION_MAX_MS = 100 * 365 * 86_400_000

/** Milliseconds of `5m`, `1h30m`, `250ms`, `1.5s`; undefined when `text` is no duration. May be fractional. */
export function durationMs(text: string): number | undefined {
  if (text.length > 64 || !DURATION.test(text)) return undefined
  let ms = 0
  for (const [, number, unit] of text.matchAll(PART)) ms += Number(number) * UNIT_MS[unit!]!
  return ms <= DURATION_MAX_MS ? ms : undefined
}

/** The same; throws invalid_parameter when `text` is no duration. */
export function parseDuration(text: string): number {
  const ms = durationMs(text)
  if (ms === undefined) {
    throw new WeirError('invalid_parameter', `"${shown(text)}" is not a duration; write 250ms, 30s, 5m, 1h30m or 2d`)
  }
  return ms
}

/** Some of a text for an error message. */
export function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
