import { assert } from '../../base/assert.ts'
import {
  ALERT_CHANNELS_PER_RULE_MAX,
  ALERT_LINE_BYTES_MAX,
  ALERT_LINES_MAX,
  ALERT_NOTICE_QUERY_CHARS_MAX,
  ALERT_NOTICE_VALUE_CHARS_MAX,
  ALERT_NOTICE_VALUES_MAX,
} from '../../base/notify-limits.ts'
import type { AlertNotification, MatchingLine } from './notification.ts'

const FIRING_ID = /^[\w-]{1,64}$/
const ELLIPSIS = '…'

/**
 * The notification as it is kept and sent: every text clipped to its limit, control characters replaced by spaces, but for line breaks and tabs within messages;
 * each channel named once. Asserts the form of the firing id, which becomes part of keys and header fields.
 */
export function boundedNotification(notification: AlertNotification): AlertNotification {
  const { rule, links } = notification
  assert(FIRING_ID.test(notification.firingId), 'a firing id has letters, digits, _ and -')
  const runbook = httpUrl(rule.runbook)
  return {
    ...notification,
    rule: {
      id: plainText(rule.id),
      name: plainText(rule.name),
      severity: plainText(rule.severity),
      labels: boundedValues(rule.labels),
      ...(runbook === undefined ? {} : { runbook }),
      query: clip(rule.query, ALERT_NOTICE_QUERY_CHARS_MAX),
    },
    group: boundedValues(notification.group),
    condition: plainText(notification.condition),
    samples: notification.samples.slice(0, ALERT_LINES_MAX).map(boundedLine),
    links: {
      search: links.search,
      rule: links.rule,
      ...(runbook === undefined ? {} : { runbook }),
    },
    channels: [...new Set(notification.channels)].slice(0, ALERT_CHANNELS_PER_RULE_MAX),
  }
}

/** The text on one line, at most `charsMax` UTF-16 units, the last of them an ellipsis where some are left out. */
export function plainText(text: string, charsMax = ALERT_NOTICE_VALUE_CHARS_MAX): string {
  // The input is clipped first: a value may be long.
  const plain = text.slice(0, charsMax).replace(/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ')
  return text.length <= charsMax ? plain : plain.slice(0, charsMax - 1).replace(/[\ud800-\udbff]$/, '') + ELLIPSIS
}

/** At most `charsMax` UTF-16 units, no half of a pair at the end. */
export function clip(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text.toWellFormed()
  return text.slice(0, charsMax - 1).replace(/[\ud800-\udbff]$/, '') + ELLIPSIS
}

function boundedLine(line: MatchingLine): MatchingLine {
  return {
    timestamp: plainText(line.timestamp),
    level: plainText(line.level),
    service: plainText(line.service),
    host: plainText(line.host),
    message: clipBytes(line.message, ALERT_LINE_BYTES_MAX).replace(/[^\P{Cc}\n\t]/gu, ' '),
  }
}

function boundedValues(values: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(values).slice(0, ALERT_NOTICE_VALUES_MAX)
  return Object.fromEntries(kept.map(([name, value]) => [plainText(name), plainText(value)]))
}

function clipBytes(text: string, bytesMax: number): string {
  const clipped = text.slice(0, bytesMax).toWellFormed()
  if (clipped.length === text.length && Buffer.byteLength(clipped) <= bytesMax) return clipped
  const bytes = Buffer.from(clipped).subarray(0, bytesMax - Buffer.byteLength(ELLIPSIS))
  return new TextDecoder().decode(bytes, { stream: true }) + ELLIPSIS
}

/** What people are to click on is a page, not a script. */
function httpUrl(url: string | undefined): string | undefined {
  return url !== undefined && /^https?:\/\//i.test(url) ? clip(url.replace(/[\s\p{Cc}"<>]/gu, ''), 2000) : undefined
}
