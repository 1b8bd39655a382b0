import { WeirError } from '../base/errors.ts'
import { deadLetterTenant, replayedTenant, type ShardId, type TenantId } from '../base/ids.ts'
import { DEAD_LETTERS_PASSED_MAX } from '../base/limits.ts'
import { tokensOfText } from '../base/tokenizer.ts'
import type { Filter } from '../query/ast.ts'
import { decodeRecordId } from '../storage/record-id.ts'
import { REPLAYED_SERVICE } from './dead-letter-rows.ts'
import { findRows, mergedRows } from './found-rows.ts'
import type { LeafReport, LeafRow } from './messages/leaf.ts'
import type { DeadLetter, DeadLettersAnswer, DeadLettersRequest } from './messages/search.ts'
import { fieldIs } from './query-scope.ts'
import type { Scatter } from './scatter.ts'
import type { Answers } from './scatter-run.ts'
import { decodeSearchCursor, encodeSearchCursor } from './search-cursor.ts'

/** What a letter is shown with; the line that was made of it is for who stores it. */
const SHOWN = [
  'id',
  'timestamp',
  'service',
  'message',
  'code',
  'raw',
  'encoding',
  'size',
  'pipeline',
  'pipelineVersion',
]
/** Letters looked up at once, of those named by id. */
const LOOKUPS_MAX = 16

interface Told {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Lists the dead letters of a tenant, newest first, without those whose records have been stored since. */
export class DeadLetterFinder {
  readonly #scatter: Scatter
  readonly #shardCount: number

  constructor(scatter: Scatter, shardCount: number) {
    this.#scatter = scatter
    this.#shardCount = shardCount
  }

  /** A page may hold fewer letters than its limit where many were replayed; its cursor goes on behind them. Throws invalid_cursor, not_found, shard_unavailable. */
  list(request: DeadLettersRequest, signal: AbortSignal): Promise<DeadLettersAnswer> {
    return this.#scatter.timed('deadLetters', async (startedMs) => {
      const all = new CollectedAnswers()
      const told = { timeoutMs: request.timeoutMs, signal }
      if (request.ids !== undefined) {
        const rows = await this.#named(request.tenant, request.ids, told, all)
        const open = await this.#withoutReplayed(request, rows, told, all)
        return {
          deadLetters: open.map((row) => letterOf(row, request.tenant)),
          nextCursor: null,
          ...this.#scatter.closing(all.answers(), startedMs),
        }
      }
      const cursor = request.cursor === undefined ? undefined : decodeSearchCursor(request.cursor)
      const range = cursor?.range ?? request.range
      const scope = { tenant: deadLetterTenant(request.tenant), filter: filterOf(request), range }
      const shown: LeafRow[] = []
      let after = cursor?.after
      let passed = 0
      let hasMore = true
      while (hasMore && shown.length < request.limit && passed < DEAD_LETTERS_PASSED_MAX) {
        const wanted = request.limit
        const from = after
        const answers = await this.#scatter.ask(scope, told, (own) =>
          findRows(own, 'desc', wanted + 1, from, request.whole ? undefined : SHOWN),
        )
        all.add(answers)
        const rows = mergedRows(answers.ok, 'desc')
        hasMore = rows.length > wanted
        const page = rows.slice(0, wanted)
        passed += page.length
        const open = await this.#withoutReplayed(request, page, told, all)
        const room = request.limit - shown.length
        hasMore ||= open.length > room
        shown.push(...open.slice(0, room))
        after = open.length > room ? open[room - 1]!.key : (page.at(-1)?.key ?? after)
      }
      return {
        deadLetters: shown.map((row) => letterOf(row, request.tenant)),
        nextCursor: hasMore && after !== undefined ? encodeSearchCursor({ range, after }) : null,
        ...this.#scatter.closing(all.answers(), startedMs),
      }
    })
  }

  /** The letters of these ids, in their order. Throws not_found where one is not there, and shard_unavailable where that cannot be told. */
  async #named(tenant: TenantId, ids: readonly string[], told: Told, all: CollectedAnswers): Promise<LeafRow[]> {
    const rows: LeafRow[] = []
    for (let at = 0; at < ids.length; at += LOOKUPS_MAX) {
      const some = ids.slice(at, at + LOOKUPS_MAX).map((id) => this.#one(tenant, id, told, all))
      rows.push(...(await Promise.all(some)))
    }
    return rows
  }

  async #one(tenant: TenantId, id: string, told: Told, all: CollectedAnswers): Promise<LeafRow> {
    const key = decodeRecordId(id)
    const notFound = new WeirError('not_found', `no dead letter has the id ${id}`)
    if (key.shard >= this.#shardCount) throw notFound
    const range = { fromMs: key.timeMs, toMs: key.timeMs + 1 }
    const scope = { tenant: deadLetterTenant(tenant), filter: { kind: 'all' } as const, range }
    const answers = await this.#scatter.ask(scope, { ...told, shards: [key.shard], ownersOnly: true }, (own) => ({
      kind: 'findRecord' as const,
      scope: own,
      key,
    }))
    all.add(answers)
    for (const { row } of answers.ok) if (row !== undefined) return row
    const [gap] = answers.missing
    if (gap !== undefined) throw new WeirError('shard_unavailable', gap.reason, { shard: gap.shard })
    throw notFound
  }

  /** Of letters that are to be stored it must be known that they have not been: else throws shard_unavailable. */
  async #withoutReplayed(
    { tenant, whole }: DeadLettersRequest,
    rows: readonly LeafRow[],
    told: Told,
    all: CollectedAnswers,
  ): Promise<readonly LeafRow[]> {
    if (rows.length === 0) return rows
    const ids = rows.map(({ json }) => idOf(json))
    const times = rows.map(({ key }) => key.timeMs)
    const scope = {
      tenant: replayedTenant(tenant),
      filter: {
        kind: 'and' as const,
        of: [fieldIs('service', REPLAYED_SERVICE), { kind: 'or' as const, of: ids.map((id) => fieldIs('letter', id)) }],
      },
      range: { fromMs: Math.min(...times), toMs: Math.max(...times) + 1 },
    }
    const answers = await this.#scatter.ask(scope, told, (own) =>
      findRows(own, 'desc', ids.length * 2, undefined, ['letter']),
    )
    all.add(answers)
    const [gap] = answers.missing
    if (whole === true && gap !== undefined) throw new WeirError('shard_unavailable', gap.reason, { shard: gap.shard })
    const replayed = new Set(
      answers.ok.flatMap((answer) => answer.rows.map(({ json }) => (JSON.parse(json) as { letter: string }).letter)),
    )
    return replayed.size === 0 ? rows : rows.filter((_, i) => !replayed.has(ids[i]!))
  }
}

/** Answers to several questions of one request: what it says of its coverage rests on all of them. */
class CollectedAnswers {
  readonly #ok: { readonly report: LeafReport }[] = []
  readonly #missing: Answers<unknown>['missing'][number][] = []
  readonly #shards = new Set<ShardId>()

  add({ ok, missing, shards }: Answers<{ readonly report: LeafReport }>): void {
    this.#ok.push(...ok.map(({ report }) => ({ report })))
    this.#missing.push(...missing)
    for (const shard of shards) this.#shards.add(shard)
  }

  answers(): Answers<{ readonly report: LeafReport }> {
    return { ok: this.#ok, missing: this.#missing, shards: [...this.#shards] }
  }
}

function filterOf({ protocol, code, reason }: DeadLettersRequest): Filter {
  const of: Filter[] = []
  if (protocol !== undefined) of.push(fieldIs('service', protocol))
  if (code !== undefined) of.push(fieldIs('code', code))
  const tokens = reason === undefined ? [] : tokensOfText(reason)
  if (tokens.length > 0) of.push({ kind: 'text', field: 'message', match: { kind: 'phrase', tokens } })
  return of.length === 0 ? { kind: 'all' } : { kind: 'and', of }
}

function idOf(json: string): string {
  return (JSON.parse(json) as { id: string }).id
}

function letterOf({ json }: LeafRow, tenant: TenantId): DeadLetter {
  const letter = JSON.parse(json) as Record<string, string>
  const { size, pipeline, pipelineVersion, line, form, defaults } = letter
  return {
    id: letter.id!,
    receivedAt: letter.timestamp!,
    protocol: letter.service!,
    tenant,
    code: letter.code!,
    reason: letter.message!,
    raw: letter.raw ?? '',
    encoding: letter.encoding === 'base64' ? 'base64' : 'utf8',
    ...(size === undefined ? {} : { size: Number(size) }),
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(pipelineVersion === undefined ? {} : { pipelineVersion: Number(pipelineVersion) }),
    ...(line === undefined ? {} : { line }),
    ...(form === 'json' ? { form } : {}),
    ...(defaults === undefined ? {} : { defaults }),
  }
}
