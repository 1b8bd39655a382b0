import { alertFacts, alertLinks, alertTitle, lineText } from './alert-text.ts'
import { clip, plainText } from './bounded-notification.ts'
import type { AlertNotification } from './notification.ts'
import { escapeMarkup } from './template.ts'

const SUBJECT_CHARS_MAX = 200

/** Subject and the two forms of a mail. The subject is one line; all that comes from rules and records is escaped in the HTML. */
export function mailText(notification: AlertNotification): {
  readonly subject: string
  readonly text: string
  readonly html: string
} {
  const title = alertTitle(notification)
  const facts = alertFacts(notification)
  const links = alertLinks(notification)
  const lines = notification.samples.map(lineText)
  const text = [
    title,
    '',
    ...facts.map(([name, value]) => `${name}: ${value}`),
    ...(lines.length === 0
      ? []
      : ['', 'Matching lines:', ...lines.map((line) => `  ${line.replaceAll('\n', '\n  ')}`)]),
    '',
    ...links.map(([name, url]) => `${name}: ${url}`),
    '',
  ].join('\n')
  const html = [
    '<!doctype html><html><body style="font-family:sans-serif">',
    `<h2>${escapeMarkup(title)}</h2><table>`,
    ...facts.map(
      ([name, value]) => `<tr><th align="left">${escapeMarkup(name)}</th><td>${escapeMarkup(value)}</td></tr>`,
    ),
    '</table>',
    ...(lines.length === 0 ? [] : [`<pre>${escapeMarkup(lines.join('\n'))}</pre>`]),
    `<p>${links.map(([name, url]) => `<a href="${escapeMarkup(url)}">${escapeMarkup(name)}</a>`).join(' · ')}</p>`,
    '</body></html>',
  ].join('\n')
  return { subject: clip(plainText(title, SUBJECT_CHARS_MAX), SUBJECT_CHARS_MAX), text, html }
}
