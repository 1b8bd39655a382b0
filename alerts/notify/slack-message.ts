import { alertFacts, alertLinks, alertTitle, lineText } from './alert-text.ts'
import { clip } from './bounded-notification.ts'
import type { AlertNotification } from './notification.ts'

/** Of a header block: https://docs.slack.dev/reference/block-kit/blocks/header-block */
const HEADER_CHARS_MAX = 150
/** Together they stay far below what Slack takes as one message. */
const LINE_CHARS_MAX = 1000

/**
 * Body for an incoming webhook of Slack (https://docs.slack.dev/messaging/formatting-message-text). Everything from records and rules stands in plain text or in text elements of
 * `rich_text`, where Slack looks for no mark-up, no mention and no link; in `text`, which it shows in notices, the three characters that could begin one are escaped.
 */
export function slackBody(notification: AlertNotification): Record<string, unknown> {
  const title = alertTitle(notification)
  const facts = alertFacts(notification).flatMap(([name, value]) => [
    { type: 'text', text: `${name}: `, style: { bold: true } },
    { type: 'text', text: `${value}\n` },
  ])
  const lines = notification.samples.map((line) => clip(lineText(line), LINE_CHARS_MAX))
  const links = alertLinks(notification).flatMap(([text, url], i) => [
    ...(i === 0 ? [] : [{ type: 'text', text: '  ' }]),
    { type: 'link', url, text },
  ])
  const elements = [
    { type: 'rich_text_section', elements: facts },
    ...(lines.length === 0
      ? []
      : [{ type: 'rich_text_preformatted', elements: [{ type: 'text', text: lines.join('\n') }] }]),
    ...(links.length === 0 ? [] : [{ type: 'rich_text_section', elements: links }]),
  ]
  return {
    text: escapeSlack(title),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: clip(title, HEADER_CHARS_MAX), emoji: false } },
      { type: 'rich_text', elements },
    ],
    unfurl_links: false,
    unfurl_media: false,
  }
}

function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
