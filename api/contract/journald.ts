import type { Endpoint } from './endpoint.ts'

const text = (description: string) => ({ description, content: { 'text/plain': null } })

export const journaldUpload: Endpoint = {
  id: 'journaldUpload',
  group: 'Ingest by other protocols',
  method: 'POST',
  path: '/journald/upload',
  summary: 'Store entries that systemd-journal-upload sends',
  role: 'ingest',
  body: { description: 'Entries in journal export format.', content: { 'application/vnd.fdo.journal': null } },
  responses: {
    200: text('The entries are durable, but for those that were refused: the sender would send all again.'),
    400: text('The body is not in this format; nothing was stored.'),
    413: text('The body, or what it inflates to, is larger than the limit.'),
    503: text('Too much is in flight, or the node drains or cannot write; send it again after Retry-After.'),
  },
}
