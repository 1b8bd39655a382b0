import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { makeDurableDirectory } from '../base/sync-directory.ts'
import type { AgentConfig, FileSettings, LineSettings, StdinSettings } from './agent-config.ts'
import { type AgentCounts, newCounts } from './agent-metrics.ts'
import { Batcher } from './batcher.ts'
import { CursorStore } from './cursor-store.ts'
import { lockDirectory } from './directory-lock.ts'
import { type FileGroup, FileInput } from './file-input.ts'
import { LineSplitter, SingleLines } from './line-splitter.ts'
import { NodeTarget } from './node-target.ts'
import { RecordWriter } from './record-writer.ts'
import { RejectsFile } from './rejects-file.ts'
import { Sender } from './sender.ts'
import { Spool } from './spool.ts'
import { StdinInput } from './stdin-input.ts'

export interface ShipperParts {
  readonly config: AgentConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly stdin: Readable
  /** End when everything that is there now is delivered. */
  readonly once: boolean
}

/** Batches get this long to be delivered when the shipper is told to end; the rest waits on the disk for its next start. */
const END_GRACE_MS = 5000
/** The longest that a timer takes, 24 days; others have been set by then. */
const ALIVE_MS = 2 ** 31 - 1

/**
 * The shipper: inputs → batches → spool → nodes. Built in order and closed in reverse. Resolves when `stop` aborts and everything that was read is
 * durable, or with `once` when all is delivered. Rejects with invalid_config, storage_unavailable, corrupt_data or what nobody expected.
 */
export async function runShipper(
  { config, clock, logger, stdin, once }: ShipperParts,
  stop: AbortSignal,
): Promise<void> {
  makeDurableDirectory(config.dataDir)
  const unlock = await lockDirectory(config.dataDir)
  const counts = newCounts()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined) // whoever waits for it hears of it
  const onFailure = failed.reject
  const cursors = CursorStore.load(config.dataDir, () => Buffer.from(clock.randomBytes(8)).toString('hex'))
  const spool = await Spool.open(
    { directory: `${config.dataDir}/spool`, bytesMax: config.spoolBytesMax, clock, logger, cursors },
    onFailure,
  )
  const batcher = new Batcher({ clock, spool, cursors, ...config.batch, onFailure })
  const { urls, key, ca, timeoutMs, concurrency } = config.nodes
  const targets = urls.map(
    (url) =>
      new NodeTarget({ url, clock, timeoutMs, connectionsMax: concurrency, ...(ca === undefined ? {} : { ca }) }),
  )
  const sender = new Sender({
    targets,
    spool,
    rejects: new RejectsFile(config.dataDir),
    clock,
    logger,
    counts,
    concurrency,
    authorization: () => (key === undefined ? undefined : `Bearer ${key}`),
    onUnauthorized: () => undefined,
  })
  // What the inputs wait for are timers and watches that keep no process alive.
  const alive = new AbortController()
  clock.sleep(ALIVE_MS, alive.signal).catch(() => undefined)
  const reading = new AbortController()
  const sending = new AbortController()
  const stopReading = () => reading.abort()
  stop.addEventListener('abort', stopReading, { once: true })
  if (stop.aborted) stopReading()
  logger.info('shipping', { inputs: config.inputs.map(({ name }) => name), nodes: urls.map(({ origin }) => origin) })
  const sent = sender.run(sending.signal).catch(onFailure)
  const inputs = inputsOf({ config, clock, logger, stdin, once, batcher, cursors, counts })
  try {
    const read = Promise.all(inputs.map((input) => input.run(reading.signal)))
    await Promise.race([read, failed.promise])
    // What was read is made durable, and gets a chance to be delivered.
    await Promise.race([sealed(batcher, clock), failed.promise])
    const isDelivered = spool.emptied(once ? stop : AbortSignal.any([]))
    if (once) await Promise.race([isDelivered, failed.promise])
    else await Promise.race([isDelivered, failed.promise, clock.sleep(END_GRACE_MS)])
  } catch (error) {
    if (!stop.aborted || error !== stop.reason) throw error
  } finally {
    reading.abort()
    sending.abort()
    await sent
    await spool.close()
    for (const target of targets) target.close()
    await unlock()
    alive.abort()
    const { linesRead, recordsDelivered, recordsRejected } = counts
    logger.info('ended', { linesRead, recordsDelivered, recordsRejected, batchesLeft: spool.length })
  }
}

/** Makes durable what was gathered; where the spool is full and stays so, what is left is read again at the next start. */
async function sealed(batcher: Batcher, clock: Clock): Promise<void> {
  const patience = new AbortController()
  const timer = clock.after(END_GRACE_MS, () => patience.abort())
  try {
    await batcher.seal(patience.signal)
  } catch (error) {
    if (!patience.signal.aborted) throw error
  } finally {
    timer.cancel()
  }
}

interface InputParts extends ShipperParts {
  readonly batcher: Batcher
  readonly cursors: CursorStore
  readonly counts: AgentCounts
}

interface Input {
  run(signal: AbortSignal): Promise<void>
}

function inputsOf(parts: InputParts): readonly Input[] {
  const { config, clock, logger, once, batcher, cursors, counts, stdin } = parts
  const inputs: Input[] = []
  const files = config.inputs.filter((input): input is FileSettings => input.type === 'file')
  if (files.length > 0) {
    const groups = files.map((settings) => fileGroup(settings, batcher))
    inputs.push(new FileInput({ groups, batcher, cursors, clock, logger, counts, once, ...config.files }))
  }
  for (const settings of config.inputs.filter((input): input is StdinSettings => input.type === 'stdin')) {
    const writer = writerOf(settings, batcher, {})
    const taker = new SingleLines(writer)
    const { lineBytesMax } = settings
    const splitter = new LineSplitter({ taker, writer, clock, batcher, counts, lineBytesMax })
    inputs.push(new StdinInput({ stream: stdin, batcher, splitter, taker, counts }))
  }
  return inputs
}

function fileGroup(settings: FileSettings, batcher: Batcher): FileGroup {
  const { name, paths, exclude, readFrom, lineBytesMax } = settings
  return {
    name,
    paths,
    exclude,
    readFrom,
    lineBytesMax,
    reader(path) {
      const writer = writerOf(settings, batcher, { file: path })
      return { writer, taker: new SingleLines(writer) }
    },
  }
}

function writerOf(
  { service, host, fields, format, offsets }: LineSettings,
  batcher: Batcher,
  own: Readonly<Record<string, unknown>>,
): RecordWriter {
  return new RecordWriter({ batcher, labels: { service, host, fields: { ...own, ...fields } }, format, offsets })
}
