import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { VALUE_STRING } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import { shardOf } from '../base/hash.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { deadLetterTenant } from '../base/ids.ts'
import { DEAD_LETTER_RAW_BYTES_MAX, FUTURE_MAX_MS, REJECTS_LISTED_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { ColumnWriter } from '../ingest/column-writer.ts'
import type { PathTable } from '../ingest/path-table.ts'
import type { RecordRejection } from '../ingest/reject.ts'
import { REJECT_CATALOGUE } from '../ingest/reject.ts'
import type { Scan } from '../ingest/scan.ts'
import { Scanner } from '../ingest/scanner.ts'
import { oldestAcceptedMs } from '../storage/retention.ts'
import type { FrameGatherer } from './frame-gatherer.ts'
import type { IngestReceipt, IngestRequest, RecordReject } from './messages/ingest.ts'
import type { CheckKey, ShardHostMessage } from './messages/shard.ts'
import type { Actor, MessageContext, Question } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

/** To the IngestRouter; answered once every accepted record is durable. */
export interface Ingest extends Question<IngestReceipt> {
  readonly kind: 'ingest'
  readonly request: IngestRequest
}

export type IngestRouterMessage = Ingest

const KEY_CHECK_DEADLINE_MS = 10_000

export interface IngestRouterOptions {
  readonly paths: PathTable
  /** One a lane. */
  readonly gatherers: readonly FrameGatherer[]
  readonly shardCount: number
  readonly laneOf: (shard: ShardId) => number
  /** Host of the worker that owns the shard. */
  readonly hostOf: (shard: ShardId) => ActorRef<ShardHostMessage>
  readonly retentionDays: number
  /** Records of a lower level are refused now; 0: none are. */
  readonly levelFloor: () => number
  readonly clock: Clock
  readonly logger: Logger
  readonly onScanned?: (scanned: {
    readonly accepted: number
    readonly rejected: number
    readonly bytes: number
  }) => void
}

/** What identifies a keyed request in the journal (D3). */
interface RequestKey {
  readonly keyHash: string
  readonly bodyHash: string
}

/**
 * The door to the journal, one a worker thread: scans bodies chunk by chunk straight into the frame being gathered, and answers a request
 * when all frames that hold its chunks are durable. Refused records go to the dead letters in the same frames.
 */
export class IngestRouter implements Actor<IngestRouterMessage> {
  readonly #options: IngestRouterOptions
  readonly #scanner: Scanner

  constructor(options: IngestRouterOptions) {
    this.#options = options
    this.#scanner = new Scanner(options.paths)
  }

  /** One request is scanned at a time; waiting for the journal does not hold up the next. */
  async handle(message: IngestRouterMessage, context: MessageContext): Promise<void> {
    const { request } = message
    const reply = context.defer(message)
    try {
      const key = request.idempotencyKey === undefined ? undefined : await this.#checkKey(request)
      const outcome = await this.#scan(request, key, reply.signal)
      reply.settleWith(async () => {
        await Promise.all(outcome.durable)
        return outcome.receipt
      })
    } catch (error) {
      reply.fail(error)
    }
  }

  async #scan(request: IngestRequest, key: RequestKey | undefined, signal: AbortSignal) {
    const { gatherers, clock, retentionDays, levelFloor, onScanned } = this.#options
    const { format, body, receivedMs, timeField, messageField, serviceDefault, hostDefault } = request
    const scan = this.#scanner.open(body, {
      format,
      receivedMs,
      oldestMs: oldestAcceptedMs(receivedMs, retentionDays),
      newestMs: receivedMs + FUTURE_MAX_MS,
      levelFloor: levelFloor(),
      ...(timeField === undefined ? {} : { timeField }),
      ...(messageField === undefined ? {} : { messageField }),
      ...(serviceDefault === undefined ? {} : { serviceDefault }),
      ...(hostDefault === undefined ? {} : { hostDefault }),
    })
    const durable = new Set<Promise<void>>()
    const errors: RecordReject[] = []
    let accepted = 0
    let rejected = 0
    for (let chunk = 0; !scan.isDone; chunk++) {
      if (chunk > 0) await clock.yieldTurn()
      if (signal.aborted) throw new WeirError('cancelled', 'the client went away before its records were taken')
      for (const gatherer of gatherers) await gatherer.room()
      const outcome = this.#scanChunk(scan, request, key, chunk, errors)
      accepted += outcome.accepted
      rejected += outcome.rejected
      for (const gatherer of gatherers) durable.add(gatherer.chunkDone())
    }
    onScanned?.({ accepted, rejected, bytes: body.length })
    const receipt: IngestReceipt = { accepted, rejected, errors, repeated: false }
    return { durable: [...durable], receipt }
  }

  /** Scans one chunk into the frames being gathered, in one go: all its rows of a lane are in one frame. */
  #scanChunk(scan: Scan, request: IngestRequest, key: RequestKey | undefined, chunk: number, errors: RecordReject[]) {
    const { tenant, receivedMs } = request
    const rowsBefore = key === undefined ? undefined : this.#rowCounts()
    const route = (bytes: Uint8Array, start: number, end: number): ColumnWriter =>
      this.#section(tenant, this.#shardOf(tenant, bytes, start, end), receivedMs).writer
    const outcome = this.#scanner.scanChunk(scan, route, (rejection) => {
      if (errors.length < REJECTS_LISTED_MAX) {
        errors.push({ index: rejection.index, code: rejection.code, reason: rejection.reason })
      }
      if (REJECT_CATALOGUE[rejection.code].deadLetter) this.#bury(request, rejection)
    })
    if (key !== undefined && rowsBefore !== undefined) this.#markChunk(request, key, chunk, rowsBefore)
    return outcome
  }

  #section(tenant: TenantId, shard: ShardId, receivedMs: number) {
    const gatherer = this.#options.gatherers[this.#options.laneOf(shard)]!
    return gatherer.section(tenant, shard, receivedMs)
  }

  #shardOf(tenant: TenantId, bytes: Uint8Array, start: number, end: number): ShardId {
    const service = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
    return shardOf(tenant, service, 0, this.#options.shardCount) as ShardId
  }

  /** Keeps a refused record with its reason (X1: up to 64 KiB of it), in the dead letters of its tenant. */
  #bury(request: IngestRequest, rejection: RecordRejection): void {
    const tenant = deadLetterTenant(request.tenant)
    const shard = shardOf(tenant, request.protocol, 0, this.#options.shardCount) as ShardId
    const { writer } = this.#section(tenant, shard, request.receivedMs)
    const raw = request.body.subarray(
      rejection.start,
      Math.min(rejection.end, rejection.start + DEAD_LETTER_RAW_BYTES_MAX),
    )
    const isText = isUtf8(raw)
    writer.beginRow(request.receivedMs, 0)
    writer.addString('level', VALUE_STRING, 'ERROR')
    writer.addString('service', VALUE_STRING, request.protocol)
    writer.addString('message', VALUE_STRING, rejection.reason)
    writer.addString('code', VALUE_STRING, rejection.code)
    writer.addString('raw', VALUE_STRING, Buffer.from(raw).toString(isText ? 'utf8' : 'base64'))
    writer.addString('encoding', VALUE_STRING, isText ? 'utf8' : 'base64')
    writer.commitRow()
  }

  #rowCounts(): Map<ColumnWriter, number> {
    const counts = new Map<ColumnWriter, number>()
    for (const gatherer of this.#options.gatherers) {
      for (const { writer } of gatherer.sections()) counts.set(writer, writer.rowCount)
    }
    return counts
  }

  /** D3: every section that the chunk put rows into lists it, and so does the home shard of the key, rows or not. */
  #markChunk(request: IngestRequest, key: RequestKey, chunk: number, before: Map<ColumnWriter, number>): void {
    const home = this.#homeOf(request.tenant, key.keyHash)
    const homeSection = this.#section(request.tenant, home, request.receivedMs)
    for (const gatherer of this.#options.gatherers) {
      for (const section of gatherer.sections()) {
        const rowFrom = before.get(section.writer) ?? 0
        const rowTo = section.writer.rowCount
        if (rowTo > rowFrom || section === homeSection) {
          section.keyed.push({ ...key, chunk, chunks: 0, rowFrom, rowTo })
        }
      }
    }
  }

  #homeOf(tenant: TenantId, keyHash: string): ShardId {
    return shardOf(tenant, keyHash, 0, this.#options.shardCount) as ShardId
  }

  /** Throws idempotency_conflict when the key is known with another body. */
  async #checkKey(request: IngestRequest): Promise<RequestKey> {
    const { tenant, body, idempotencyKey } = request
    const keyHash = hex(createHash('sha256').update(tenant).update('\0').update(idempotencyKey!))
    const bodyHash = hex(createHash('sha256').update(body))
    const home = this.#homeOf(tenant, keyHash)
    const question: CheckKey = { kind: 'checkKey', shard: home, tenant, keyHash, bodyHash }
    const { conflict } = await this.#options.hostOf(home).ask(question, { deadlineMs: KEY_CHECK_DEADLINE_MS })
    if (conflict) {
      throw new WeirError(
        'idempotency_conflict',
        'this idempotency key came with another body within the last 24 hours',
      )
    }
    return { keyHash, bodyHash }
  }
}

/** The first 128 bits. */
function hex(hash: ReturnType<typeof createHash>): string {
  return hash.digest('hex').slice(0, 32)
}
