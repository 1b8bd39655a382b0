import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { keysOfPath } from '../base/columns.ts'
import { hashText } from '../base/hash.ts'
import type { TenantId } from '../base/ids.ts'
import {
  CHUNK_BYTES_MAX,
  CHUNK_ROWS_MAX,
  DEAD_LETTERS_CHUNK_BYTES_MAX,
  PIPELINE_SLICE_MS,
  REJECTS_LISTED_MAX,
} from '../base/limits.ts'
import type { PipelineRecord, RecordDefaults } from '../ingest/pipeline/pipeline-record.ts'
import { type ListedStep, PipelineRun, type StepList } from '../ingest/pipeline/pipeline-run.ts'
import { type ByteRoom, JsonWriter } from '../ingest/protocols/json-writer.ts'
import { REJECT_CATALOGUE, type RecordRejection, type RejectCode } from '../ingest/reject.ts'
import type { Scan, ScanOptions } from '../ingest/scan.ts'
import type { Scanner } from '../ingest/scanner.ts'
import type { Route } from '../ingest/service-routes.ts'
import { type DeadLetter, letterOf } from './dead-letter-rows.ts'
import type { IngestReceipt, IngestRequest, RecordReject } from './messages/ingest.ts'

/** Records of one tenant that come out of the pipelines together, a line each. */
interface TenantLines {
  readonly tenant: TenantId
  readonly writer: JsonWriter
  /** Three numbers a line: of its record in the request, and where that stands in its body. */
  readonly records: number[]
}

/** What became of the records of a request beside those that were kept for the sender's tenant. */
export interface PipelineCounts {
  dropped: number
  failed: number
  routed: number
  kept: number
}

/** Of a chunk of the body; each holds a record at least. */
const PARTS_MAX = 4 * CHUNK_ROWS_MAX
/** Of a dead letter that is cut short, looked at beyond its end. */
const SECRET_BYTES_BEYOND = 4096
/** In one record that is refused; where there are more, nothing of it is kept. */
const SECRETS_MAX = 100
/** Buffers of lines are used again for the next chunk. */
const LINES_BYTES_FIRST = 256 * 1024

/**
 * One request on its way through the pipelines of its tenant, a chunk at a time (X1: before a byte of it is anywhere but in memory). The scanner splits the body into
 * records, which are then valid; steps make lines of them, which are scanned as if they had come so. Numbers of records mean the request as it came.
 *
 * Chunks are those of the body as it came, whatever the steps make of them, so that a retry is cut alike (D3); with a key, steps hold no record beyond its chunk.
 * Only where steps make more of a chunk than a frame takes is it stored in parts.
 */
export class PipelinedRequest {
  readonly counts: PipelineCounts = { dropped: 0, failed: 0, routed: 0, kept: 0 }
  /** Dead letters that are to be stored with this chunk, secrets hidden. */
  letters: DeadLetter[] = []
  /** Lines of this chunk. */
  readonly lines: TenantLines[] = []

  /** The request without secrets in what it says of all its records. */
  readonly hiddenRequest: IngestRequest

  readonly #scanner: Scanner
  readonly #clock: Clock
  readonly #request: IngestRequest
  readonly #list: StepList
  readonly #split: Scan
  readonly #lineOptions: ScanOptions
  /** The first refused records, and all by number and code where that was asked for. */
  readonly #errors: RecordReject[] = []
  readonly #allRefused: { readonly index: number; readonly code: RejectCode }[] | undefined
  #refused = 0
  /** Records of the request, refused ones included. */
  #met = 0
  readonly #run: PipelineRun
  readonly #defaults: RecordDefaults
  readonly #source: Buffer
  /** Start and end of each record of the chunk that was split last, or its rejection. */
  readonly #found: (RecordRejection | readonly [index: number, start: number, end: number])[] = []
  #next = 0
  /** By number of record: where it stands, for its dead letter; of records that are still on their way. */
  readonly #bounds = new Map<number, readonly [number, number]>()
  /** Dead letters as they came. */
  #pending: DeadLetter[] = []
  #letterBytesLeft = DEAD_LETTERS_CHUNK_BYTES_MAX
  /** Number of the chunk that `next` has filled last: equal where the same request comes again. */
  chunk = 0
  #bodyChunk = 0
  #part = 0
  /** The chunk of the body that was split last is not through. */
  #isInChunk = false
  #isOver = false

  constructor(scanner: Scanner, request: IngestRequest, list: StepList, options: ScanOptions, clock: Clock) {
    this.#scanner = scanner
    this.#clock = clock
    this.#request = request
    this.#list = list
    this.#allRefused = request.namesAllRejects ? [] : undefined
    const { body } = request
    this.#source = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    this.#split = scanner.open(body, options)
    const hidden = list.hidesSecrets
      ? { ...request, ...hiddenDefaults(list, request.serviceDefault, request.hostDefault) }
      : request
    this.hiddenRequest = hidden
    this.#lineOptions = {
      ...options,
      format: 'ndjson',
      ...hiddenDefaults(list, options.serviceDefault, options.hostDefault),
    }
    const { receivedMs, timeField, messageField, serviceDefault, hostDefault } = options
    const { idempotencyKey } = request
    this.#defaults = {
      receivedMs,
      seed: hashText(idempotencyKey ?? String(receivedMs)),
      ...(timeField === undefined ? {} : { timeKeys: keysOfPath(timeField) }),
      ...(messageField === undefined ? {} : { messageKeys: keysOfPath(messageField) }),
      ...(serviceDefault === undefined ? {} : { serviceDefault }),
      ...(hostDefault === undefined ? {} : { hostDefault }),
    }
    this.#run = new PipelineRun(list, {
      kept: (record) => this.#keep(record),
      dropped: (record) => {
        this.counts.dropped++
        this.#bounds.delete(record.index)
      },
      failed: (record, by, reason) => this.#fail(record, by, reason),
    })
  }

  /** After a chunk is stored: whether it was the last. */
  get isDone(): boolean {
    return this.#isOver && this.#pending.length === 0
  }

  /** All its chunks are durable. */
  stored(): void {
    this.#run.stored()
  }

  /**
   * Fills `lines` with the next chunk, giving way between slices (T2). The thread's scanner is used in steps of a chunk only.
   */
  async next(): Promise<void> {
    for (const { writer, records } of this.lines) {
      writer.truncate(0)
      records.length = 0
    }
    let startedMs = this.#clock.monotonicMs()
    const isPauseDue = (): boolean => this.#clock.monotonicMs() - startedMs > PIPELINE_SLICE_MS
    const pause = async (): Promise<void> => {
      await this.#clock.yieldTurn()
      startedMs = this.#clock.monotonicMs()
    }
    const isFull = (): boolean => this.#isFull()
    this.chunk = this.#bodyChunk * PARTS_MAX + this.#part++
    if (!this.#isInChunk && !this.#split.isDone) {
      this.#splitChunk()
      this.#isInChunk = true
      if (isPauseDue()) await pause()
    }
    while (!this.#isOver && !isFull()) {
      if (this.#next < this.#found.length) {
        if (!this.#begin(this.#found[this.#next++]!, isPauseDue)) {
          do await pause()
          while (!this.#run.advance(isPauseDue))
        }
        if (isPauseDue()) await pause()
        continue
      }
      // What steps hold may go on into the next chunk, but where a retry is to find in each chunk what it held the first time.
      if (this.#split.isDone || this.#request.idempotencyKey !== undefined) {
        if (!this.#run.end(isPauseDue, isFull)) {
          if (isPauseDue()) await pause()
          continue
        }
      }
      this.#isInChunk = false
      this.#bodyChunk++
      this.#part = 0
      this.#isOver = this.#split.isDone
      break
    }
    this.letters = []
    for (const letter of this.#pending) {
      this.letters.push(this.#hidden(letter))
      if (isPauseDue()) await pause()
    }
    this.#pending = []
    this.#letterBytesLeft = DEAD_LETTERS_CHUNK_BYTES_MAX
  }

  /** Sends one record of the body on its way through the steps; false when a pause is due before it is through. */
  #begin(found: RecordRejection | readonly [index: number, start: number, end: number], isPauseDue: () => boolean) {
    this.#met++
    if ('code' in found) {
      this.#reject(found)
      return true
    }
    const [index, start, end] = found
    const record = this.#run.take()
    record.load(this.#source, start, end, index, this.#defaults)
    this.#bounds.set(index, [start, end])
    this.#run.pass(record)
    return this.#run.advance(isPauseDue)
  }

  /** Scans the lines of one tenant, all of them, to their writers. Lines that are refused count as records refused; their letters come with the next chunk. */
  scanLines({ writer, records }: TenantLines, route: Route): void {
    if (writer.length === 0) return
    const scan = this.#scanner.open(writer.bytes(), this.#lineOptions)
    while (!scan.isDone) {
      this.#scanner.scanChunk(scan, route, ({ index: line, code, reason }) => {
        const [index, start, end] = records.slice(line * 3, line * 3 + 3) as [number, number, number]
        this.#refuse({ index, start, end }, code, reason)
      })
    }
  }

  /** Whether a record was stored, or left out because a pipeline says so. */
  get hasAccepted(): boolean {
    return this.#met > this.#refused
  }

  /** What is said of the request, once it is done. Indexes are those of its records as they came. */
  receipt(): IngestReceipt {
    const { decoded } = this.#request
    assert(decoded === undefined || this.#met === decoded.count, 'every record of a decoded body is a line')
    const all = this.#allRefused?.sort((a, b) => a.index - b.index)
    return {
      accepted: this.#met - this.#refused,
      ...(this.counts.dropped > 0 ? { dropped: this.counts.dropped } : {}),
      rejected: this.#refused,
      // What the pipelines refuse and what the scanner refuses after them comes in two rows.
      errors: this.#errors.sort((a, b) => a.index - b.index),
      repeated: false,
      ...(all === undefined
        ? {}
        : { allRejects: { records: all.map(({ index }) => index), codes: all.map(({ code }) => code) } }),
    }
  }

  #splitChunk(): void {
    this.#found.length = 0
    this.#next = 0
    this.#scanner.splitChunk(
      this.#split,
      (index, start, end) => this.#found.push([index, start, end]),
      (rejection) => this.#found.push({ ...rejection }),
    )
  }

  /** What has come out is as much as a frame takes of one chunk. */
  #isFull(): boolean {
    const letterBytes = DEAD_LETTERS_CHUNK_BYTES_MAX - this.#letterBytesLeft
    if (letterBytes > DEAD_LETTERS_CHUNK_BYTES_MAX / 2) return true
    let bytes = letterBytes
    let rows = 0
    for (const { writer, records } of this.lines) {
      bytes += writer.length
      rows += records.length / 3
    }
    return bytes >= 2 * CHUNK_BYTES_MAX || rows > CHUNK_ROWS_MAX
  }

  #keep(record: PipelineRecord): void {
    const tenant = (record.tenant ?? this.#request.tenant) as TenantId
    this.counts[tenant === this.#request.tenant ? 'kept' : 'routed']++
    let lines = this.lines.find((one) => one.tenant === tenant)
    if (lines === undefined) {
      lines = { tenant, writer: new JsonWriter(room, LINES_BYTES_FIRST), records: [] }
      this.lines.push(lines)
    }
    record.writeTo(lines.writer)
    lines.writer.newline()
    const [start, end] = this.#bounds.get(record.index)!
    this.#bounds.delete(record.index)
    lines.records.push(record.index, start, end)
  }

  #fail(record: PipelineRecord, { pipeline, compiled }: ListedStep, reason: string): void {
    const { index } = record
    const [start, end] = this.#bounds.get(index)!
    this.#bounds.delete(index)
    this.counts.failed++
    const said = `pipeline ${pipeline.id} version ${pipeline.version}, step ${compiled.number} (${compiled.type}): ${reason}`
    const cause = { pipeline: pipeline.id, version: pipeline.version, step: compiled.number }
    this.#refuse({ index, start, end }, 'pipeline_failed', said, cause)
  }

  #reject(rejection: RecordRejection): void {
    const { code, reason } = this.#request.decoded?.refusalOf(rejection.index) ?? rejection
    this.#refuse(rejection, code, reason)
  }

  #refuse(
    at: { readonly index: number; readonly start: number; readonly end: number },
    code: RejectCode,
    reason: string,
    cause?: DeadLetter['cause'],
  ): void {
    const { index } = at
    this.#refused++
    if (this.#errors.length < REJECTS_LISTED_MAX) this.#errors.push({ index, code, reason })
    this.#allRefused?.push({ index, code })
    if (!REJECT_CATALOGUE[code].deadLetter) return
    const letter = letterOf(this.#request, at, code, reason, this.#letterBytesLeft)
    this.#letterBytesLeft -= letter.raw.length + (letter.line?.length ?? 0)
    this.#pending.push(cause === undefined ? letter : { ...letter, cause })
  }

  /** X1: nothing of a dead letter that a pipeline of the tenant would hide is stored. */
  #hidden(letter: DeadLetter): DeadLetter {
    const list = this.#list
    if (!list.hidesSecrets) return letter
    const { raw, whole, made } = letter
    // A secret may stand across the end of what is kept.
    let hidden = list.hideInBytes(whole.subarray(0, raw.length + SECRET_BYTES_BEYOND)).subarray(0, raw.length)
    const hiddenMade = made === undefined ? undefined : list.hideInBytes(made)
    if (this.#request.hasNamesApart === true)
      hidden = hiddenMade === undefined ? Buffer.alloc(raw.length, '*') : withoutSecrets(hidden, made!, hiddenMade)
    const line = letter.line === undefined ? undefined : hiddenMade
    return { ...letter, reason: list.hideInText(letter.reason), raw: hidden, line }
  }
}

/** `raw` without what is secret in the JSON that was made of it: the bytes in which `hidden` differs from `made`. */
function withoutSecrets(raw: Uint8Array, made: Uint8Array, hidden: Uint8Array): Uint8Array {
  const secrets = new Set<string>()
  for (let p = 0; p < made.length; p++) {
    const start = p
    while (p < made.length && made[p] !== hidden[p]) p++
    if (p === start) continue
    const text = Buffer.from(made.subarray(start, p)).toString()
    const decoded = unquoted(text)
    for (const form of [text, decoded, decoded.replaceAll('"', '""')]) secrets.add(form)
    if (secrets.size > SECRETS_MAX) return Buffer.alloc(raw.length, '*')
  }
  if (secrets.size === 0) return raw
  const bytes = Buffer.from(raw)
  for (const secret of secrets) {
    const { length } = Buffer.from(secret)
    for (let at = bytes.indexOf(secret); length > 0 && at >= 0; at = bytes.indexOf(secret, at + length))
      bytes.fill('*', at, at + length)
    // It may stand across the end of what is kept.
    for (let kept = Math.min(length - 1, bytes.length, SECRET_BYTES_BEYOND); kept > 0; kept--) {
      if (!bytes.subarray(bytes.length - kept).equals(Buffer.from(secret).subarray(0, kept))) continue
      bytes.fill('*', bytes.length - kept)
      break
    }
  }
  return bytes
}

function unquoted(json: string): string {
  try {
    return String(JSON.parse(`"${json}"`))
  } catch {
    return json
  }
}

function hiddenDefaults(list: StepList, service: string | undefined, host: string | undefined) {
  return {
    ...(service === undefined ? {} : { serviceDefault: list.hideInText(service) }),
    ...(host === undefined ? {} : { hostDefault: list.hideInText(host) }),
  }
}

const room: ByteRoom = {
  acquire: (bytes) => Buffer.allocUnsafeSlow(bytes),
  release: () => undefined,
}
