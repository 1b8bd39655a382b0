import { alertFacts, alertLinks, alertTitle, groupText, lineText } from './alert-text.ts'
import { clip, plainText } from './bounded-notification.ts'
import type { AlertNotification } from './notification.ts'

/** Limits of https://docs.opsgenie.com/docs/alert-api */
const MESSAGE_CHARS_MAX = 130
const DESCRIPTION_CHARS_MAX = 15_000
const TAG_CHARS_MAX = 50
const TAGS_MAX = 20
const DETAIL_CHARS_MAX = 1000
const PRIORITIES: Readonly<Record<string, string>> = { P0: 'P1', P1: 'P2', P2: 'P3', P3: 'P4', P4: 'P5' }

/** A call of Opsgenie's Alert API: the alert is made and closed under the firing id as its alias, so a second call changes nothing. */
export function opsgenieMessage(notification: AlertNotification): {
  readonly path: string
  readonly body: Record<string, unknown>
} {
  const { firingId, kind, rule, group, samples } = notification
  if (kind === 'resolved') {
    return {
      path: `/v2/alerts/${encodeURIComponent(firingId)}/close?identifierType=alias`,
      body: { source: 'Weir', note: clip(alertTitle(notification), DESCRIPTION_CHARS_MAX) },
    }
  }
  const facts = alertFacts(notification)
  const links = alertLinks(notification)
  const description = [
    ...[...facts, ...links].map(([name, value]) => `${name}: ${value}`),
    ...(samples.length === 0 ? [] : ['', ...samples.map(lineText)]),
  ].join('\n')
  const details = [...facts, ...links].map(([name, value]) => [name, clip(value, DETAIL_CHARS_MAX)])
  return {
    path: '/v2/alerts',
    body: {
      message: clip(alertTitle(notification), MESSAGE_CHARS_MAX),
      alias: firingId,
      description: clip(description, DESCRIPTION_CHARS_MAX),
      tags: Object.entries(rule.labels)
        .slice(0, TAGS_MAX)
        .map(([name, value]) => plainText(`${name}:${value}`, TAG_CHARS_MAX)),
      details: Object.fromEntries(details),
      entity: clip(Object.keys(group).length === 0 ? rule.name : groupText(group), 512),
      source: 'Weir',
      priority: kind === 'test' ? 'P5' : (PRIORITIES[rule.severity.toUpperCase()] ?? 'P3'),
    },
  }
}
