import { clip, plainText } from './bounded-notification.ts'
import type { AlertNotification, MatchingLine } from './notification.ts'

const STATES = { fired: 'FIRING', resolved: 'RESOLVED', test: 'TEST' } as const
const GROUP_CHARS_MAX = 200

/** One line: `[P0] FIRING: Checkout errors (region=eu-1)`. */
export function alertTitle({ rule, kind, group }: AlertNotification): string {
  const groups = groupText(group)
  return `[${rule.severity}] ${STATES[kind]}: ${rule.name}${groups === '' ? '' : ` (${clip(groups, GROUP_CHARS_MAX)})`}`
}

/** What is to be known beside title, lines and links, as pairs of a name and a text on one line. */
export function alertFacts(notification: AlertNotification): (readonly [string, string])[] {
  const { rule, group, condition, window, missingShards, kind, firedMs, resolvedMs } = notification
  const facts: (readonly [string, string])[] = [
    ['Condition', condition],
    ['Value', valueText(notification.value)],
    ['Window', `${timeText(window.fromMs)} to ${timeText(window.toMs)}`],
  ]
  if (Object.keys(group).length > 0) facts.unshift(['Group', groupText(group)])
  if (kind === 'resolved') facts.push(['Fired', timeText(firedMs)])
  if (resolvedMs !== undefined) facts.push(['Resolved', timeText(resolvedMs)])
  const labels = groupText(rule.labels)
  if (labels !== '') facts.push(['Labels', labels])
  if (rule.query !== '') facts.push(['Query', plainText(rule.query, 300)])
  if (missingShards !== undefined && missingShards.length > 0) {
    facts.push(['Incomplete', `without shards ${missingShards.slice(0, 32).join(', ')}`])
  }
  return facts
}

/** Pages to go to: a name and an absolute URL. */
export function alertLinks({ links }: AlertNotification): (readonly [string, string])[] {
  const all: (readonly [string, string | undefined])[] = [
    ['Search', links.search],
    ['Rule', links.rule],
    ['Runbook', links.runbook],
  ]
  return all.filter((link): link is readonly [string, string] => link[1] !== undefined && /^https?:\/\//i.test(link[1]))
}

/** A matching line as text: `2026-03-01T10:04:59.123Z ERROR checkout web-1 card refused`. */
export function lineText({ timestamp, level, service, host, message }: MatchingLine): string {
  return [timestamp, level, service, host, message].filter((part) => part !== '').join(' ')
}

export function groupText(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
}

/** At most six significant digits; integers whole. */
function valueText(value: number | null): string {
  if (value === null) return 'none'
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)))
}

/** `2026-03-01 10:05:00 UTC` */
function timeText(ms: number): string {
  return `${isoTime(ms).slice(0, 19).replace('T', ' ')} UTC`
}

/** RFC 3339 with milliseconds. Times come from rules and records, which may name any. */
export function isoTime(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : new Date(0).toISOString()
}
