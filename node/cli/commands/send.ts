import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { EXIT_FAILED, EXIT_OK } from '../../exit-status.ts'
import { BatchSender, type Receipt } from '../batch-sender.ts'
import type { Call } from '../command.ts'
import { CommandFailure } from '../failures.ts'
import { freshKey, namedKey } from '../idempotency-key.ts'
import { type Batch, LineBatches, type OversizedLine } from '../line-batches.ts'
import { printable } from '../printable.ts'
import { ProgressBar, secondsText } from '../progress.ts'
import type { SEND_OPTIONS } from '../send-commands.ts'
import { durationOption } from '../time-option.ts'

const REJECTS_TOLD_MAX = 10

interface Source {
  /** For messages. */
  readonly name: string
  readonly isFile: boolean
  /** On the disk. */
  readonly bytes: number | undefined
  open(): { readonly stream: AsyncIterable<Buffer>; readonly positionOf: (read: number) => number }
}

/** `weir send` */
export async function run(call: Call<typeof SEND_OPTIONS>): Promise<number> {
  const { words, options, clock, terminal, signal, node } = call
  const sources = await Promise.all((words.length === 0 ? ['-'] : words).map((word) => sourceOf(word, call)))
  const sender = new BatchSender({
    client: node(),
    clock,
    signal,
    retryForMs: durationOption('retry-for', options['retry-for']),
    parameters: {
      service: options.service,
      host: options.host,
      time_field: options['time-field'],
      message_field: options['message-field'],
    },
    onRetry: (reason) => terminal.tell(terminal.paintError(`weir: ${printable(reason)}; trying again`, 'yellow')),
  })
  const sent = new Sent(call, totalOf(sources))
  try {
    for (const source of sources) await sendSource(source, call, sender, sent)
  } catch (error) {
    sent.tell('stopped: ')
    throw error
  }
  sent.tell('')
  return sent.rejected > 0 ? EXIT_FAILED : EXIT_OK
}

async function sendSource(
  source: Source,
  { options, clock, signal }: Call<typeof SEND_OPTIONS>,
  sender: BatchSender,
  sent: Sent,
): Promise<void> {
  const { stream, positionOf } = source.open()
  const { id } = options
  // Batches of a name are the same whenever it is sent: they are cut by the bytes alone.
  const isEager = !source.isFile && id === undefined
  const onOversized = ({ line, bytes }: OversizedLine) =>
    sent.reject(source, line, `the line has ${bytes} bytes, more than a record may have`)
  const batches = new LineBatches(isEager, onOversized, signal)
  const feeding = batches.feed(stream, positionOf)
  let format: 'ndjson' | 'lines' | undefined = options.format === 'auto' ? undefined : options.format
  for (let number = 0; ; number++) {
    const batch = await batches.next()
    if (batch === undefined) break
    format ??= /^\s*\{/.test(batch.body.toString('latin1', 0, 64)) ? 'ndjson' : 'lines'
    const key = id === undefined ? freshKey(clock) : namedKey(id, source.name, number)
    sent.add(source, batch, await sender.send(batch.body, format, key))
  }
  await feeding
  sent.end(source)
}

/** What was stored and what was not, of all sources. */
class Sent {
  readonly #call: Call<typeof SEND_OPTIONS>
  readonly #total: number | undefined
  readonly #bar: ProgressBar
  readonly #startedMs: number
  #doneBytes = 0
  #accepted = 0
  rejected = 0

  constructor(call: Call<typeof SEND_OPTIONS>, total: number | undefined) {
    this.#call = call
    this.#total = total
    this.#bar = new ProgressBar(call.terminal, call.clock)
    this.#startedMs = call.clock.monotonicMs()
  }

  add(source: Source, { lineNumbers, sourceBytes }: Batch, { accepted, rejected, errors }: Receipt): void {
    this.#accepted += accepted
    for (const { index, code, reason } of errors) this.reject(source, lineNumbers[index], `${reason} (${code})`)
    this.rejected += rejected - errors.length
    if (this.#call.options.quiet) return
    this.#bar.show({ done: this.#doneBytes + sourceBytes, total: this.#total, records: this.#accepted })
  }

  end({ bytes = 0 }: Source): void {
    this.#doneBytes += bytes
  }

  reject({ name }: Source, line: number | undefined, reason: string): void {
    this.rejected++
    const { terminal } = this.#call
    if (this.rejected > REJECTS_TOLD_MAX) return
    terminal.tell(`${terminal.paintError('weir:', 'red')} ${printable(`${name}:${line ?? '?'}: ${reason}`)}`)
  }

  tell(before: string): void {
    this.#bar.end()
    const { terminal, clock, options } = this.#call
    if (options.quiet) return
    const tookMs = clock.monotonicMs() - this.#startedMs
    const rejected = this.rejected === 0 ? '' : `, ${this.rejected.toLocaleString('en')} rejected`
    const records = `${this.#accepted.toLocaleString('en')} ${this.#accepted === 1 ? 'record' : 'records'}`
    terminal.tell(terminal.paintError(`${before}${records} stored${rejected}, ${secondsText(tookMs)}`, 'dim'))
  }
}

async function sourceOf(word: string, { stdin, terminal }: Call<typeof SEND_OPTIONS>): Promise<Source> {
  if (word === '-') {
    return {
      name: 'standard input',
      isFile: false,
      bytes: undefined,
      open() {
        const stream = stdin()
        if (stream.isTTY) terminal.tell(terminal.paintError('reading lines from the terminal; Ctrl-D ends', 'dim'))
        return { stream, positionOf: (read) => read }
      },
    }
  }
  let size: number
  try {
    const status = await stat(word)
    if (status.isDirectory()) throw new CommandFailure(`${word} is a directory`)
    size = status.size
  } catch (error) {
    throw error instanceof CommandFailure ? error : new CommandFailure(`${word} cannot be read: ${messageOf(error)}`)
  }
  return {
    name: word,
    isFile: true,
    bytes: size,
    open() {
      const file = createReadStream(word, { highWaterMark: 256 * 1024 })
      return { stream: contentOf(file, word), positionOf: () => file.bytesRead }
    },
  }
}

async function* contentOf(file: Readable, name: string): AsyncGenerator<Buffer> {
  const inflate = name.endsWith('.gz') ? createGunzip() : name.endsWith('.zst') ? createZstdDecompress() : undefined
  // A failure of either ends the other, and comes out of the loop.
  const stream = inflate === undefined ? file : pipeline(file, inflate, () => undefined)
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (cause) {
    throw new CommandFailure(`${name} cannot be read: ${messageOf(cause)}`, undefined, { cause })
  }
}

function totalOf(sources: readonly Source[]): number | undefined {
  const sizes = sources.map(({ bytes }) => bytes)
  return sizes.some((bytes) => bytes === undefined)
    ? undefined
    : sizes.reduce<number>((sum, bytes = 0) => sum + bytes, 0)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
