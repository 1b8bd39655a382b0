import { createHash } from 'node:crypto'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { shardOf, slotOfKey } from '../base/hash.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { deadLetterTenant, replayedTenant } from '../base/ids.ts'
import { keyTimeMs } from '../base/key-time.ts'
import { FUTURE_MAX_MS, REJECTS_LISTED_MAX } from '../base/limits.ts'
import type { ColumnWriter } from '../ingest/column-writer.ts'
import type { StepList } from '../ingest/pipeline/pipeline-run.ts'
import type { RecordRejection, RejectCode } from '../ingest/reject.ts'
import { REJECT_CATALOGUE } from '../ingest/reject.ts'
import type { Scan, ScanOptions } from '../ingest/scan.ts'
import type { Scanner } from '../ingest/scanner.ts'
import { decodeRecordId } from '../storage/record-id.ts'
import { oldestAcceptedMs } from '../storage/retention.ts'
import { addLetterRow, addReplayedRow, DeadLetterRows, REPLAYED_SERVICE } from './dead-letter-rows.ts'
import type { FrameGatherer } from './frame-gatherer.ts'
import { type Backlog, IngestBrake } from './ingest-brake.ts'
import type { IngestReceipt, IngestRequest, RecordReject } from './messages/ingest.ts'
import type { CheckKey, KeyVerdict } from './messages/shard.ts'
import { type PipelineCounts, PipelinedRequest } from './pipelined-request.ts'
import type { Actor, MessageContext, Question } from './runtime/actor.ts'
import type { SpreadTable } from './spread-table.ts'

/** To the IngestRouter; answered once every accepted record is durable. */
export interface Ingest extends Question<IngestReceipt> {
  readonly kind: 'ingest'
  readonly request: IngestRequest
}

export type IngestRouterMessage = Ingest

/** T2: a hash takes 1 to 2 ms a MiB without hardware for it. */
const HASH_SLICE_BYTES = 4 * 1024 * 1024

export interface IngestRouterOptions {
  /** On the path table of the gatherers. */
  readonly scanner: Scanner
  /** One a lane. */
  readonly gatherers: readonly FrameGatherer[]
  readonly shardCount: number
  readonly laneOf: (shard: ShardId) => number
  /** Asks the owner of a key's home whether the key is known, and with which body (D3). */
  readonly checkKey: (question: CheckKey) => Promise<KeyVerdict>
  /** Over how many slots rows of a service are dealt. */
  readonly spread: Pick<SpreadTable, 'slotsNow' | 'forKeys'>
  /** Moves on with every frame of this thread. */
  readonly turn: () => number
  readonly retentionDays: number
  /** The steps of a tenant's pipelines; undefined where it has none. */
  readonly stepsOf: (tenant: TenantId) => StepList | undefined
  readonly onPipelined: (counts: PipelineCounts) => void
  /** Records of a lower level are refused now; 0: none are. */
  readonly levelFloor: () => number
  /** What slows ingest down. */
  readonly backlog: () => Backlog
  readonly clock: Clock
}

/** What identifies a keyed request in the journal (D3). */
interface RequestKey {
  readonly keyHash: string
  readonly bodyHash: string
  /** The slot of the request's rows of a service, the same whenever the request comes again. */
  readonly slotOf: (service: string) => number
}

/**
 * The door to the journal, one a worker thread: scans bodies chunk by chunk straight into the frame being gathered, and answers a request
 * when all frames that hold its chunks are durable. Refused records go to the dead letters in the same frames.
 */
export class IngestRouter implements Actor<IngestRouterMessage> {
  readonly #options: IngestRouterOptions
  readonly #scanner: Scanner
  readonly #brake: IngestBrake
  /** One request is scanned at a time; here ends the last of those that wait for it. */
  #scanning: Promise<unknown> = Promise.resolve()
  /** Keys of requests in progress on this thread, each with the end of the last such request. */
  readonly #keysInProgress = new Map<string, Promise<unknown>>()
  readonly #deadLetters = new DeadLetterRows()

  constructor(options: IngestRouterOptions) {
    this.#options = options
    this.#scanner = options.scanner
    this.#brake = new IngestBrake(options.backlog, options.clock)
  }

  /** Waiting for the journal, or for what is known of a key, does not hold up the next request. */
  async handle(message: IngestRouterMessage, context: MessageContext): Promise<void> {
    const { request } = message
    const reply = context.defer(message)
    if (request.idempotencyKey !== undefined) {
      reply.settleWith((signal) => this.#takeKeyed(request, signal))
      return
    }
    try {
      const outcome = await this.#inTurn(() => this.#scan(request, undefined, reply.signal))
      reply.settleWith(() => receiptOf(outcome))
    } catch (error) {
      reply.fail(error)
    }
  }

  /** Requests of one key follow one another, so that no frame holds a chunk of it twice: the shards tell repeats apart by frames. */
  async #takeKeyed(request: IngestRequest, signal: AbortSignal): Promise<IngestReceipt> {
    const key = await this.#keyOf(request)
    const before = this.#keysInProgress.get(key.keyHash)
    const taken = (async () => {
      await before?.catch(() => undefined)
      const repeated = await this.#isRepeat(request.tenant, key)
      const outcome = await this.#inTurn(() => this.#scan(request, key, signal))
      return { ...(await receiptOf(outcome)), repeated }
    })()
    this.#keysInProgress.set(key.keyHash, taken)
    try {
      return await taken
    } finally {
      if (this.#keysInProgress.get(key.keyHash) === taken) this.#keysInProgress.delete(key.keyHash)
    }
  }

  #inTurn<R>(scan: () => Promise<R>): Promise<R> {
    const turn = this.#scanning.then(scan)
    this.#scanning = turn.catch(() => undefined)
    return turn
  }

  async #scan(request: IngestRequest, key: RequestKey | undefined, signal: AbortSignal): Promise<Scanned> {
    const { gatherers, clock, retentionDays, levelFloor } = this.#options
    const { format, body, receivedMs, timeField, messageField, serviceDefault, hostDefault, decoded, replayOf } =
      request
    const asOfMs = request.asOfMs ?? receivedMs
    const options: ScanOptions = {
      format,
      receivedMs: replayOf === undefined ? asOfMs : decodeRecordId(replayOf).timeMs,
      oldestMs: oldestAcceptedMs(asOfMs, retentionDays),
      newestMs: asOfMs + FUTURE_MAX_MS,
      // A keyed request is taken whole or not at all: what is shed of it would count as a repeat when it comes again.
      levelFloor: key === undefined && request.takenWhole !== true ? levelFloor() : 0,
      ...(timeField === undefined ? {} : { timeField }),
      ...(messageField === undefined ? {} : { messageField }),
      ...(serviceDefault === undefined ? {} : { serviceDefault }),
      ...(hostDefault === undefined ? {} : { hostDefault }),
    }
    const steps = this.#options.stepsOf(request.tenant)
    if (steps !== undefined) return this.#scanPipelined(request, key, signal, steps, options)
    const scan = this.#scanner.open(body, options)
    const durable = new Set<Promise<void>>()
    const rejects: Rejects = { first: [], all: request.namesAllRejects ? { records: [], codes: [] } : undefined }
    let accepted = 0
    let rejected = 0
    for (let chunk = 0; !scan.isDone; chunk++) {
      if (chunk > 0) await clock.yieldTurn()
      if (signal.aborted) throw new WeirError('cancelled', 'the client went away before its records were taken')
      await this.#brake.rest(signal)
      for (const gatherer of gatherers) await gatherer.room()
      const startedMs = clock.monotonicMs()
      const outcome = this.#scanChunk(scan, request, key, chunk, rejects)
      this.#brake.worked(clock.monotonicMs() - startedMs)
      accepted += outcome.accepted
      rejected += outcome.rejected
      for (const gatherer of gatherers) durable.add(gatherer.chunkDone())
    }
    assert(decoded === undefined || accepted + rejected === decoded.count, 'every record of a decoded body is a line')
    const { first: errors, all } = rejects
    const receipt = { accepted, rejected, errors, repeated: false, ...(all === undefined ? {} : { allRejects: all }) }
    return { durable, receipt }
  }

  /** The same for a tenant with pipelines. */
  async #scanPipelined(
    request: IngestRequest,
    key: RequestKey | undefined,
    signal: AbortSignal,
    steps: StepList,
    options: ScanOptions,
  ): Promise<Scanned> {
    const { gatherers, clock, onPipelined } = this.#options
    const piped = new PipelinedRequest(this.#scanner, request, steps, options, clock)
    const durable = new Set<Promise<void>>()
    while (!piped.isDone) {
      if (signal.aborted) throw new WeirError('cancelled', 'the client went away before its records were taken')
      await piped.next()
      await this.#brake.rest(signal)
      for (const gatherer of gatherers) await gatherer.room()
      const startedMs = clock.monotonicMs()
      this.#storePipelined(piped, request, key)
      this.#brake.worked(clock.monotonicMs() - startedMs)
      for (const gatherer of gatherers) durable.add(gatherer.chunkDone())
      await clock.yieldTurn()
    }
    onPipelined(piped.counts)
    return { durable, receipt: piped.receipt(), onDurable: () => piped.stored() }
  }

  /** Scans a chunk that came out of the pipelines into the frames being gathered, in one go. */
  #storePipelined(piped: PipelinedRequest, request: IngestRequest, key: RequestKey | undefined): void {
    const { receivedMs, replayOf } = request
    const rowsBefore = key === undefined ? undefined : this.#rowCounts()
    for (const lines of piped.lines) {
      const { tenant } = lines
      const route = (bytes: Uint8Array, start: number, end: number): ColumnWriter =>
        this.#section(tenant, this.#shardOf(tenant, bytes, start, end, key), receivedMs).writer
      piped.scanLines(lines, route)
    }
    // A letter that is refused again stays, and its key is free.
    if (replayOf !== undefined && !piped.hasAccepted) return
    const tenant = deadLetterTenant(request.tenant)
    const shard = shardOf(tenant, request.protocol, 0, this.#options.shardCount) as ShardId
    for (const letter of piped.letters)
      addLetterRow(this.#section(tenant, shard, receivedMs).writer, piped.hiddenRequest, letter)
    if (replayOf !== undefined) this.#markReplayed(request, replayOf)
    if (key !== undefined && rowsBefore !== undefined) this.#markChunk(request, key, piped.chunk, rowsBefore)
  }

  /** Scans one chunk into the frames being gathered, in one go: all its rows of a lane are in one frame. */
  #scanChunk(scan: Scan, request: IngestRequest, key: RequestKey | undefined, chunk: number, rejects: Rejects) {
    const { tenant, receivedMs, decoded, replayOf } = request
    this.#deadLetters.startChunk()
    const refusedAgain: Refused[] = []
    const rowsBefore = key === undefined ? undefined : this.#rowCounts()
    const route = (bytes: Uint8Array, start: number, end: number): ColumnWriter =>
      this.#section(tenant, this.#shardOf(tenant, bytes, start, end, key), receivedMs).writer
    const outcome = this.#scanner.scanChunk(scan, route, (rejection) => {
      const { index } = rejection
      const { code, reason } = decoded?.refusalOf(index) ?? rejection
      if (rejects.first.length < REJECTS_LISTED_MAX) rejects.first.push({ index, code, reason })
      rejects.all?.records.push(index)
      rejects.all?.codes.push(code)
      if (!REJECT_CATALOGUE[code].deadLetter) return
      if (replayOf === undefined) this.#bury(request, rejection, code, reason)
      else refusedAgain.push({ rejection: { ...rejection }, code, reason })
    })
    if (replayOf !== undefined) {
      // The letter stays, and its key is free: it may come again once what refuses it has changed.
      if (outcome.accepted === 0) return outcome
      for (const again of refusedAgain) this.#bury(request, again.rejection, again.code, again.reason)
      this.#markReplayed(request, replayOf)
    }
    if (key !== undefined && rowsBefore !== undefined) this.#markChunk(request, key, chunk, rowsBefore)
    return outcome
  }

  #section(tenant: TenantId, shard: ShardId, receivedMs: number) {
    const gatherer = this.#options.gatherers[this.#options.laneOf(shard)]!
    return gatherer.section(tenant, shard, receivedMs)
  }

  #shardOf(tenant: TenantId, bytes: Uint8Array, start: number, end: number, key: RequestKey | undefined): ShardId {
    const service = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
    return shardOf(tenant, service, this.#slotOf(tenant, service, key), this.#options.shardCount) as ShardId
  }

  /** Slots take turns, frame by frame, where no key says which it is. */
  #slotOf(tenant: TenantId, service: string, key: RequestKey | undefined): number {
    const { spread, turn } = this.#options
    return key === undefined ? turn() % spread.slotsNow(tenant, service) : key.slotOf(service)
  }

  /** Keeps a refused record with its reason, in the dead letters of its tenant. */
  #bury(request: IngestRequest, rejection: RecordRejection, code: RejectCode, reason: string): void {
    const tenant = deadLetterTenant(request.tenant)
    const shard = shardOf(tenant, request.protocol, 0, this.#options.shardCount) as ShardId
    const { writer } = this.#section(tenant, shard, request.receivedMs)
    this.#deadLetters.add(writer, request, rejection, code, reason)
  }

  #markReplayed(request: IngestRequest, letter: string): void {
    const tenant = replayedTenant(request.tenant)
    const shard = shardOf(tenant, REPLAYED_SERVICE, 0, this.#options.shardCount) as ShardId
    addReplayedRow(this.#section(tenant, shard, request.receivedMs).writer, letter)
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
    const { keyHash, bodyHash } = key
    const home = this.#homeOf(request.tenant, keyHash)
    const homeSection = this.#section(request.tenant, home, request.receivedMs)
    for (const gatherer of this.#options.gatherers) {
      for (const section of gatherer.sections()) {
        const rowFrom = before.get(section.writer) ?? 0
        const rowTo = section.writer.rowCount
        if (rowTo > rowFrom || section === homeSection) {
          section.keyed.push({ keyHash, bodyHash, chunk, chunks: 0, rowFrom, rowTo })
        }
      }
    }
  }

  #homeOf(tenant: TenantId, keyHash: string): ShardId {
    return shardOf(tenant, keyHash, 0, this.#options.shardCount) as ShardId
  }

  /** Throws shard_unavailable where it is not known which slots the rows belong to. */
  async #keyOf({ tenant, body: lines, decoded, receivedMs, idempotencyKey }: IngestRequest): Promise<RequestKey> {
    // What was sent: a retry may be decoded by a node that does it a little otherwise.
    const body = decoded?.source ?? lines
    const keyHash = hex(createHash('sha256').update(tenant).update('\0').update(idempotencyKey!))
    const bodyHash = createHash('sha256')
    for (let at = 0; at < body.length; at += HASH_SLICE_BYTES) {
      if (at > 0) await this.#options.clock.yieldTurn()
      bodyHash.update(body.subarray(at, at + HASH_SLICE_BYTES))
    }
    const madeMs = keyTimeMs(idempotencyKey!)
    // What looks like a time so far ahead is none; a spread may yet come into force before it.
    if (madeMs === undefined || madeMs > receivedMs + FUTURE_MAX_MS) {
      return { keyHash, bodyHash: hex(bodyHash), slotOf: () => 0 }
    }
    const spread = this.#options.spread.forKeys()
    const slotOf = (service: string) => slotOfKey(keyHash, spread.slotsAt(tenant, service, madeMs))
    return { keyHash, bodyHash: hex(bodyHash), slotOf }
  }

  /** Whether the key has come before with this body. Throws idempotency_conflict when it has come with another one. */
  async #isRepeat(tenant: TenantId, { keyHash, bodyHash }: RequestKey): Promise<boolean> {
    const shard = this.#homeOf(tenant, keyHash)
    const question: CheckKey = { kind: 'checkKey', shard, tenant, keyHash, bodyHash }
    const verdict = await this.#options.checkKey(question)
    if (verdict !== 'conflict') return verdict === 'repeat'
    throw new WeirError('idempotency_conflict', 'this idempotency key came with another body within the last 24 hours')
  }
}

/** What is said about refused records: the first with their reasons, all by number and code where that was asked for. */
interface Rejects {
  readonly first: RecordReject[]
  readonly all: { readonly records: number[]; readonly codes: RejectCode[] } | undefined
}

interface Refused {
  readonly rejection: RecordRejection
  readonly code: RejectCode
  readonly reason: string
}

/** A request whose rows are in the frames being gathered. */
interface Scanned {
  /** Each settles when a frame with rows of the request does. */
  readonly durable: ReadonlySet<Promise<void>>
  readonly receipt: IngestReceipt
  readonly onDurable?: () => void
}

async function receiptOf({ durable, receipt, onDurable }: Scanned): Promise<IngestReceipt> {
  await Promise.all(durable)
  onDurable?.()
  return receipt
}

/** The first 128 bits. */
function hex(hash: ReturnType<typeof createHash>): string {
  return hash.digest('hex').slice(0, 32)
}
