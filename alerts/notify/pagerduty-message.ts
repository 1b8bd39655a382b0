import { alertFacts, alertLinks, alertTitle, groupText, isoTime, lineText } from './alert-text.ts'
import { clip } from './bounded-notification.ts'
import type { PagerdutyChannel } from './channel.ts'
import type { AlertNotification } from './notification.ts'

const SUMMARY_CHARS_MAX = 1024
const SEVERITIES: Readonly<Record<string, string>> = {
  P0: 'critical',
  P1: 'error',
  P2: 'warning',
  P3: 'info',
  CRITICAL: 'critical',
  ERROR: 'error',
  WARNING: 'warning',
  WARN: 'warning',
  INFO: 'info',
}

/**
 * An event for PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/send-alert-event). The firing id is its `dedup_key`: sent twice it is one incident, and the
 * resolve ends that one. A test opens none that stays: it is of severity info.
 */
export function pagerdutyMessage(channel: PagerdutyChannel, notification: AlertNotification): Record<string, unknown> {
  const { firingId, kind, rule, group, samples, firedMs, value } = notification
  const event = { routing_key: channel.routingKey, dedup_key: firingId }
  if (kind === 'resolved') return { ...event, event_action: 'resolve' }
  const facts = Object.fromEntries(alertFacts(notification))
  return {
    ...event,
    event_action: 'trigger',
    client: 'Weir',
    client_url: notification.links.rule,
    links: alertLinks(notification).map(([text, href]) => ({ href, text })),
    payload: {
      summary: clip(alertTitle(notification), SUMMARY_CHARS_MAX),
      source: clip(samples[0]?.host || samples[0]?.service || notification.tenant, SUMMARY_CHARS_MAX),
      severity: kind === 'test' ? 'info' : (SEVERITIES[rule.severity.toUpperCase()] ?? 'warning'),
      timestamp: isoTime(firedMs),
      ...(samples[0]?.service ? { component: samples[0].service } : {}),
      ...(Object.keys(group).length === 0 ? {} : { group: groupText(group) }),
      class: rule.name,
      custom_details: { ...facts, value, lines: samples.map(lineText) },
    },
  }
}
