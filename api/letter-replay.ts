import type { IngestReceipt, IngestRequest, RequestDefaults } from '../actors/messages/ingest.ts'
import type { Coverage, DeadLetter, DeadLettersRequest } from '../actors/messages/search.ts'
import type { TenantId } from '../base/ids.ts'
import { decoderOfOneRecord } from '../ingest/protocols/one-record.ts'
import { AdmittedBytes } from './admitted-bytes.ts'
import type { IngestContext } from './server-options.ts'

/** Letters read at once: with what their records weigh, some megabytes. */
const LETTERS_AT_ONCE = 64

export interface ReplayAnswer {
  /** Letters whose records are durable. */
  readonly replayed: number
  /** Letters that stay. */
  readonly failed: number
  readonly failures: readonly ReplayFailure[]
  readonly nextCursor: string | null
  readonly coverage: Coverage
}

interface ReplayFailure {
  readonly id: string
  readonly code: string
  readonly reason: string
}

/**
 * Sends refused records through the door once more. A record that was read, and refused then, is taken from the line that was made of it; one of
 * our own protocol as it came; one that its decoder refused goes through that decoder again, where the record alone is a request.
 *
 * Exactly once: each record comes under a key of its letter (D3), so that two who replay it store it once, and the row that takes the letter off the
 * list is in the same frame (of the same lane) as the record.
 */
export class LetterReplay {
  readonly #context: IngestContext

  constructor(context: IngestContext) {
    this.#context = context
  }

  /** Throws not_found, shard_unavailable; and overloaded, draining or journal_full: what was replayed before that is stored, and not stored again. */
  async replay(wanted: DeadLettersRequest, signal: AbortSignal): Promise<ReplayAnswer> {
    const { search } = this.#context.backend
    const failures: ReplayFailure[] = []
    let replayed = 0
    let left = wanted.ids?.length ?? wanted.limit
    let named = wanted.ids
    let cursor = wanted.cursor
    let coverage: Coverage | undefined
    for (;;) {
      const limit = Math.min(left, LETTERS_AT_ONCE)
      const page = await search.deadLetters(
        {
          ...wanted,
          whole: true,
          limit,
          ...(named === undefined ? {} : { ids: named.slice(0, limit) }),
          ...(cursor === undefined ? {} : { cursor }),
        },
        signal,
      )
      const outcomes = await Promise.allSettled(
        page.deadLetters.map((letter) => this.#replayOne(wanted.tenant, letter, signal)),
      )
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') throw outcome.reason
        if (outcome.value === undefined) replayed++
        else failures.push(outcome.value)
      }
      coverage = coverage?.complete === false ? coverage : page.coverage
      cursor = page.nextCursor ?? undefined
      named = named?.slice(limit)
      left -= named === undefined ? page.deadLetters.length : limit
      const isDone = named === undefined ? cursor === undefined : named.length === 0
      if (isDone || left <= 0) break
    }
    return { replayed, failed: failures.length, failures, nextCursor: cursor ?? null, coverage }
  }

  /** Undefined when its record is stored, else why not. */
  async #replayOne(tenant: TenantId, letter: DeadLetter, signal: AbortSignal): Promise<ReplayFailure | undefined> {
    const { id } = letter
    const receipt = await this.#store(tenant, letter, signal)
    if (receipt === undefined) return { id, code: 'not_replayable', reason: whyNot(letter) }
    const [refusal] = receipt.errors
    if (receipt.accepted > 0 || receipt.repeated || refusal === undefined) return undefined
    return { id, code: refusal.code, reason: refusal.reason }
  }

  /** Undefined where the letter does not hold its whole record. */
  async #store(tenant: TenantId, letter: DeadLetter, signal: AbortSignal): Promise<IngestReceipt | undefined> {
    const { backend, options, decodedIngest } = this.#context
    const { id, protocol } = letter
    const about = {
      ...defaultsOf(letter),
      tenant,
      protocol,
      replayOf: id,
      // Not a key that a client can send.
      idempotencyKey: `dead letter\n${id}`,
    }
    const admitted = new AdmittedBytes(backend.ingest)
    try {
      const line = lineOf(letter)
      if (line !== undefined) {
        admitted.cover(line.length, line.length)
        const request: IngestRequest = { ...about, format: 'ndjson', body: line, receivedMs: options.clock.nowMs() }
        return await backend.ingest.ingest(request, signal)
      }
      const decode = decoderOfOneRecord(protocol)
      if (decode === undefined || letter.size !== undefined) return undefined
      const bytes = Buffer.from(letter.raw, letter.encoding)
      admitted.cover(bytes.length, bytes.length)
      return await decodedIngest.ingest(about, { bytes, admitted, signal }, decode)
    } finally {
      admitted.releaseAll()
    }
  }
}

/** The record as a line of JSON; undefined where it never was one, or is not whole. */
function lineOf({ line, form, protocol, raw, encoding, size }: DeadLetter): Buffer | undefined {
  if (line !== undefined) return Buffer.from(line)
  if (size !== undefined || (form !== 'json' && protocol !== 'http')) return undefined
  const bytes = Buffer.from(raw, encoding)
  // White space between members, or an error that stays one.
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === 0x0a || bytes[i] === 0x0d) bytes[i] = 0x20
  return bytes
}

function defaultsOf({ defaults }: DeadLetter): RequestDefaults {
  return defaults === undefined ? {} : (JSON.parse(defaults) as RequestDefaults)
}

function whyNot({ size, protocol }: DeadLetter): string {
  if (size !== undefined) return 'only the beginning of the record is kept'
  return `what the request said of a record of ${protocol} that could not be read is not kept`
}
