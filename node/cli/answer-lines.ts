import type { IncomingMessage } from 'node:http'
import type { Coverage } from '../../api/contract/common.ts'
import { UnreachableFailure } from './failures.ts'
import type { NodeClient } from './node-client.ts'

const SUMMARY_BEGIN = '{"summary":true'

/** The last line of a search answered as NDJSON. */
export interface SearchSummary {
  readonly columns?: readonly string[]
  readonly total?: number | null
  readonly totalRelation?: 'eq' | 'gte'
  readonly nextCursor?: string | null
  readonly tookMs: number
  readonly coverage: Coverage
}

export interface SearchPage {
  /** A record or a row each, as JSON. */
  readonly lines: readonly string[]
  readonly summary: SearchSummary
}

/** A page of a search, asked for with `Accept: application/x-ndjson`. Throws UnreachableFailure where its end is missing. */
export async function searchPage(client: NodeClient, answer: IncomingMessage): Promise<SearchPage> {
  const lines = (await client.text(answer)).split('\n')
  if (lines.at(-1) === '') lines.pop()
  const last = lines.pop()
  if (last === undefined || !last.startsWith(SUMMARY_BEGIN)) {
    throw new UnreachableFailure(`what answers at ${client.url.origin} is no node of Weir, or it broke off`)
  }
  return { lines, summary: JSON.parse(last) as SearchSummary }
}
