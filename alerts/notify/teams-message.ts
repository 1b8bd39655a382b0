import { alertFacts, alertLinks, alertTitle, lineText } from './alert-text.ts'
import { clip } from './bounded-notification.ts'
import type { AlertNotification } from './notification.ts'

/** A card may have 28 KB in all. */
const LINE_CHARS_MAX = 1000
const COLOURS = { fired: 'Attention', resolved: 'Good', test: 'Accent' } as const

/**
 * Body for a workflow of Microsoft Teams that posts to a channel when a webhook request is received: an adaptive card (https://adaptivecards.io/explorer/). All text is in text runs, which
 * know no Markdown, so that log lines can neither link nor mention.
 */
export function teamsBody(notification: AlertNotification): Record<string, unknown> {
  const title = alertTitle(notification)
  const body = [
    paragraph([{ text: title, weight: 'Bolder', size: 'Large', color: COLOURS[notification.kind] }]),
    ...alertFacts(notification).map(([name, value]) =>
      paragraph([{ text: `${name}: `, weight: 'Bolder' }, { text: value }]),
    ),
    ...notification.samples.map((line) =>
      paragraph([{ text: clip(lineText(line), LINE_CHARS_MAX), fontType: 'Monospace' }]),
    ),
  ]
  const card = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    msteams: { width: 'Full' },
    fallbackText: title,
    body,
    actions: alertLinks(notification).map(([name, url]) => ({ type: 'Action.OpenUrl', title: name, url })),
  }
  return {
    type: 'message',
    attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: card }],
  }
}

function paragraph(runs: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  return { type: 'RichTextBlock', inlines: runs.map((run) => ({ type: 'TextRun', ...run })) }
}
