import assert from 'node:assert/strict'
import type { HttpAnswer } from './http-client.ts'
import { type WeirClient, waitUntil } from './weir-client.ts'

/** An event as the API gives it. */
// biome-ignore lint/suspicious/noExplicitAny: answers have any shape
export type ShownEvent = any

const JSON_HEADERS = { 'content-type': 'application/json' }
const EVENTS_WAIT_MS = 40_000

export async function sendAlert(client: WeirClient, method: string, path: string, body: object): Promise<HttpAnswer> {
  const answer = await client.http.send(`/v1/alerts/${path}`, {
    method,
    headers: JSON_HEADERS,
    body: JSON.stringify(body),
  })
  assert.ok(answer.status === 200 || answer.status === 201, `${path}: ${answer.status} ${answer.text}`)
  return answer
}

export async function putRule(client: WeirClient, id: string, definition: object): Promise<void> {
  await sendAlert(client, 'PUT', `rules/${id}`, { name: id, severity: 'P1', channels: [], ...definition })
}

/** Newest first. */
export async function eventsOf(client: WeirClient, rule: string): Promise<ShownEvent[]> {
  return (await client.json('/v1/alerts/events', { rule })).events
}

/** Waits until the events of a rule are as wished; gives them, newest first. */
export async function eventsWhen(
  client: WeirClient,
  rule: string,
  isAsWished: (events: ShownEvent[]) => boolean,
): Promise<ShownEvent[]> {
  let events: ShownEvent[] = []
  await waitUntil(
    async () => {
      events = await eventsOf(client, rule)
      return isAsWished(events)
    },
    () => `the events of ${rule} are as wished, not ${JSON.stringify(events)}`,
    EVENTS_WAIT_MS,
  )
  return events
}

export function errorRecords(count: number, more: object = {}): object[] {
  return Array.from({ length: count }, (_, i) => ({
    level: 'ERROR',
    service: 'checkout',
    message: `payment ${i} refused`,
    ...more,
  }))
}
