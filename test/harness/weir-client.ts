import assert from 'node:assert/strict'
import { type HttpAnswer, HttpClient } from './http-client.ts'

const WAIT_MAX_MS = 20_000
const POLL_MS = 10

/** A record as a search gives it back. */
// biome-ignore lint/suspicious/noExplicitAny: records have any shape
export type Found = Readonly<Record<string, any>>

export type SearchParameters = Readonly<Record<string, string | number>>

/** What the tests of a whole node ask of it, for one tenant or key. */
export class WeirClient {
  readonly http: HttpClient

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.http = new HttpClient(url, headers)
  }

  /** Posts records and expects all of them to be accepted. */
  async ingest(records: readonly unknown[]): Promise<void> {
    const answer = await this.ingestText(records.map((record) => JSON.stringify(record)).join('\n'))
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual(answer.json(), { accepted: records.length, rejected: 0, errors: [] })
  }

  /** Posts NDJSON as it is. */
  ingestText(
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
    parameters: SearchParameters = {},
  ): Promise<HttpAnswer> {
    return this.http.send(pathOf('/v1/logs/ingest', parameters), {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', ...headers },
      body,
    })
  }

  /** GET with parameters; any status. */
  get(path: string, parameters: SearchParameters = {}, headers: Readonly<Record<string, string>> = {}) {
    return this.http.get(pathOf(path, parameters), headers)
  }

  /** GET that must be answered with 200. */
  // biome-ignore lint/suspicious/noExplicitAny: answers have any shape
  async json(path: string, parameters: SearchParameters = {}): Promise<any> {
    const answer = await this.get(path, parameters)
    assert.equal(answer.status, 200, `${pathOf(path, parameters)} answered ${answer.status}: ${answer.text}`)
    return answer.json()
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers have any shape
  search(parameters: SearchParameters): Promise<any> {
    return this.json('/v1/logs/search', parameters)
  }

  /** Waits until a search counts so many records, completely; gives them, oldest first. A receipt says durable, and a moment later it is found. */
  async found(total: number, parameters: SearchParameters = {}): Promise<Found[]> {
    const wanted = { query: '*', from: 0, to: 'now+2d', order: 'asc', limit: 1000, total: 'exact', ...parameters }
    // biome-ignore lint/suspicious/noExplicitAny: answers have any shape
    let last: any
    await waitUntil(
      async () => {
        last = await this.search(wanted)
        return last.total === total && last.coverage.complete
      },
      () =>
        `${total} records of ${JSON.stringify(parameters)} are found, not ${last?.total}: ${JSON.stringify(last?.coverage)}`,
    )
    return last.logs
  }

  /** The field `uid` of every record, page by page; each page must be complete. */
  async uids(parameters: SearchParameters = {}): Promise<string[]> {
    const wanted = { query: '*', from: 0, to: 'now+2d', limit: 10_000, fields: 'uid', ...parameters }
    const uids: string[] = []
    let cursor: string | null = null
    do {
      const page: { logs: { uid: string }[]; nextCursor: string | null; coverage: { complete: boolean } } =
        await this.search(cursor === null ? wanted : { ...wanted, cursor })
      assert.equal(page.coverage.complete, true, JSON.stringify(page.coverage))
      for (const { uid } of page.logs) uids.push(uid)
      cursor = page.nextCursor
    } while (cursor !== null)
    return uids
  }

  close(): void {
    this.http.close()
  }
}

/** Polls until `isTrue`; throws after a while with what `what` says. */
export async function waitUntil(
  isTrue: () => boolean | Promise<boolean>,
  what: () => string,
  maxMs = WAIT_MAX_MS,
): Promise<void> {
  const endMs = performance.now() + maxMs
  while (!(await isTrue())) {
    assert.ok(performance.now() < endMs, `waited in vain until ${what()}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function pathOf(path: string, parameters: SearchParameters): string {
  const query = new URLSearchParams(
    Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]),
  )
  return query.size === 0 ? path : `${path}?${query}`
}
