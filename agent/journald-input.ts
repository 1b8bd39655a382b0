import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { VALUE_BYTES_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { AgentCounts } from './agent-metrics.ts'
import type { Batcher, Source } from './batcher.ts'
import type { CursorStore } from './cursor-store.ts'
import type { Place } from './place.ts'
import type { RecordWriter } from './record-writer.ts'

export interface JournaldOptions {
  readonly name: string
  readonly units: readonly string[]
  /** Of journal files, where it is not the system's journal. */
  readonly directory: string | undefined
  readonly readFrom: 'beginning' | 'end'
  readonly once: boolean
  readonly writer: RecordWriter
  readonly batcher: Batcher
  readonly cursors: CursorStore
  readonly clock: Clock
  readonly logger: Logger
  readonly counts: AgentCounts
}

/** An entry as `journalctl -o json` shows it: texts, arrays of bytes for what is not UTF-8, arrays of these for fields that come several times. */
type Entry = Readonly<Record<string, unknown>>

const RESTART = { firstMs: 500, maxMs: 30_000, factor: 2 }
/** Entries that are longer, such as core dumps, are left out. */
const ENTRY_BYTES_MAX = 8 * 1024 * 1024
const STDERR_CHARS_MAX = 1000
const SLACK = '\n\0\0\0\0\0\0\0'
/** Fields with a meaning of ours. */
const KNOWN: Readonly<Record<string, string>> = {
  MESSAGE: 'message',
  PRIORITY: 'level',
  _HOSTNAME: 'host',
  __REALTIME_TIMESTAMP: 'timestamp',
}
const UNWANTED = new Set(['__CURSOR', '__MONOTONIC_TIMESTAMP', '__SEQNUM', '__SEQNUM_ID'])

/** Reads systemd's journal through `journalctl`, from the last entry that is in a batch. */
export class JournaldInput implements Source {
  readonly id: string
  readonly #options: JournaldOptions
  #cursor: string | undefined

  constructor(options: JournaldOptions) {
    this.#options = options
    this.id = `journal:${options.name}`
    const place = options.cursors.places.get(this.id)
    this.#cursor = place?.kind === 'journal' ? place.cursor : undefined
  }

  place(): Place {
    return { kind: 'journal', cursor: this.#cursor ?? '' }
  }

  /** Reads until `signal` aborts, or with `once` to the end. A journalctl that ends is started again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, once, name } = this.#options
    const backoff = new Backoff(clock, RESTART)
    while (!signal.aborted) {
      const before = this.#cursor
      const why = await this.#readOnce(signal)
      if (signal.aborted || (once && why === undefined)) return
      if (this.#cursor !== before) backoff.reset()
      logger.warn('journalctl has ended; starting it again', { input: name, reason: why ?? 'it ended' })
      await clock.sleep(backoff.nextMs(), signal).catch(() => undefined)
    }
  }

  /** Gives why journalctl failed, undefined where it ended well. */
  async #readOnce(signal: AbortSignal): Promise<string | undefined> {
    const child = spawn('journalctl', this.#arguments(), { stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-STDERR_CHARS_MAX)
    })
    const ended = new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('close', (code) => resolve(code === 0 ? undefined : `status ${code}: ${stderr.trim()}`))
    })
    const onAbort = () => child.kill()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await this.#readEntries(child, signal)
    } catch (error) {
      child.kill()
      if (!signal.aborted) throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return ended
  }

  async #readEntries(child: ChildProcessByStdio<null, Readable, Readable>, signal: AbortSignal): Promise<void> {
    const { batcher, counts, writer, clock } = this.#options
    let rest: Buffer = Buffer.alloc(0)
    let isSkipping = false
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      const bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let start = 0
      for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
        if (!isSkipping) {
          await batcher.room(signal)
          writer.readAt(clock.nowMs())
          this.#write(bytes.subarray(start, end))
          counts.linesRead++
        }
        isSkipping = false
        start = end + 1
      }
      counts.bytesRead += chunk.length
      rest = bytes.subarray(start)
      if (rest.length > ENTRY_BYTES_MAX) {
        isSkipping = true
        rest = Buffer.alloc(0)
      }
    }
  }

  #write(line: Buffer): void {
    const { writer, batcher, logger, name } = this.#options
    let entry: Entry
    try {
      entry = JSON.parse(line.toString()) as Entry
    } catch {
      logger.warn('journalctl showed an entry that is not JSON', { input: name })
      return
    }
    const bytes = Buffer.from(JSON.stringify(recordOf(entry)) + SLACK)
    writer.write(bytes, 0, bytes.length - SLACK.length, 0)
    if (typeof entry.__CURSOR === 'string') this.#cursor = entry.__CURSOR
    batcher.touch(this)
  }

  #arguments(): string[] {
    const { units, directory, readFrom, once } = this.#options
    return [
      '--output=json',
      '--all',
      '--no-pager',
      '--quiet',
      ...(once ? [] : ['--follow']),
      ...(this.#cursor !== undefined && this.#cursor !== ''
        ? [`--after-cursor=${this.#cursor}`, '--lines=all']
        : [readFrom === 'end' && !once ? '--lines=0' : '--lines=all']),
      ...(directory === undefined ? [] : [`--directory=${directory}`]),
      ...units.map((unit) => `--unit=${unit}`),
    ]
  }
}

/** The record of an entry: fields under their own names but for the known ones; the service is the unit without `.service`, else the syslog identifier. */
function recordOf(entry: Entry): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (const [name, raw] of Object.entries(entry)) {
    if (UNWANTED.has(name)) continue
    const value = textOf(raw)
    if (value !== undefined) record[KNOWN[name] ?? name] = value
  }
  const unit = record._SYSTEMD_UNIT
  const isService = typeof unit === 'string' && unit.endsWith('.service')
  const service = isService ? unit.slice(0, -'.service'.length) : (record.SYSLOG_IDENTIFIER ?? record._COMM ?? unit)
  if (service !== undefined) record.service = service
  return record
}

function textOf(raw: unknown): string | undefined {
  if (Array.isArray(raw)) {
    // Bytes, or several values of which the last counts.
    return raw.every((byte) => typeof byte === 'number') ? cut(Buffer.from(raw).toString()) : textOf(raw.at(-1))
  }
  return typeof raw === 'string' ? cut(raw) : undefined
}

function cut(text: string): string {
  return text.length * 3 <= VALUE_BYTES_MAX ? text : text.slice(0, Math.floor(VALUE_BYTES_MAX / 3))
}
