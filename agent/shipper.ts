import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import type { Logger, LogLevel } from '../base/logger.ts'
import { makeDurableDirectory } from '../base/sync-directory.ts'
import type { AgentConfig, FileSettings, LineSettings } from './agent-config.ts'
import { type AgentCounts, newCounts } from './agent-metrics.ts'
import { Batcher } from './batcher.ts'
import { containerOf } from './container-path.ts'
import { CursorStore } from './cursor-store.ts'
import { lockDirectory } from './directory-lock.ts'
import { type FileGroup, FileInput } from './file-input.ts'
import { FleetMember, type RemoteConfig } from './fleet-member.ts'
import { GroupedLines, type MultilineRule } from './grouped-lines.ts'
import { JournaldInput } from './journald-input.ts'
import { LineSplitter, type LineTaker, SingleLines } from './line-splitter.ts'
import type { LineWrapper } from './line-wrapper.ts'
import { MetricsPage } from './metrics-page.ts'
import { NodeTarget } from './node-target.ts'
import type { FilePlace } from './place.ts'
import { type LineMask, RecordWriter } from './record-writer.ts'
import { RejectsFile } from './rejects-file.ts'
import { Sender } from './sender.ts'
import { Spool } from './spool.ts'
import { StdinInput } from './stdin-input.ts'

export interface ShipperParts {
  readonly config: AgentConfig
  readonly clock: Clock
  readonly logger: Logger
  /** Nodes may set it. */
  readonly setLogLevel: (level: LogLevel) => void
  readonly version: string
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
  { config, clock, logger, setLogLevel, version, stdin, once }: ShipperParts,
  stop: AbortSignal,
): Promise<void> {
  const masks = await masksOf(config)
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
  const { urls, key, enrolKey, ca, timeoutMs, concurrency } = config.nodes
  const connections = { clock, timeoutMs, connectionsMax: concurrency + 1, ...(ca === undefined ? {} : { ca }) }
  const targets = await Promise.all(urls.map((url) => NodeTarget.of({ url, ...connections })))
  const sending = new AbortController()
  const member =
    enrolKey === undefined
      ? undefined
      : new FleetMember({
          directory: config.dataDir,
          targets,
          clock,
          logger,
          counts,
          spool,
          enrolKey,
          ...config.fleet,
          host: config.host,
          version,
          apply: (remote) => {
            batcher.set(batchLimits(config, remote))
            setLogLevel(config.isLocal.logLevel ? config.logLevel : (remote.logLevel ?? config.logLevel))
          },
        })
  const sender = new Sender({
    targets,
    spool,
    rejects: new RejectsFile(config.dataDir),
    clock,
    logger,
    counts,
    concurrency,
    authorization: () => (key === undefined ? member?.authorization : `Bearer ${key}`),
    onUnauthorized: () => {
      member?.register(sending.signal).catch((error: unknown) => {
        if (!sending.signal.aborted) onFailure(error)
      })
    },
  })
  const page =
    config.metrics === undefined ? undefined : await MetricsPage.open({ ...config.metrics, counts, spool, logger })
  const reading = new AbortController()
  const stopReading = () => reading.abort()
  stop.addEventListener('abort', stopReading, { once: true })
  if (stop.aborted) stopReading()
  logger.info('shipping', { inputs: config.inputs.map(({ name }) => name), nodes: urls.map(({ origin }) => origin) })
  // What the inputs wait for are timers and watches that keep no process alive.
  const alive = new AbortController()
  clock.sleep(ALIVE_MS, alive.signal).catch(() => undefined)
  const ready = member?.ready(sending.signal) ?? Promise.resolve()
  const sent = Promise.all([ready.then(() => sender.run(sending.signal)), member?.run(sending.signal)]).catch(
    (error) => {
      if (!sending.signal.aborted) onFailure(error)
    },
  )
  const inputs = inputsOf({ masks, config, clock, logger, stdin, once, batcher, cursors, counts })
  try {
    const read = Promise.all(inputs.map((input) => input.run(reading.signal)))
    await Promise.race([read, failed.promise])
    // What was read is made durable, and gets a chance to be delivered.
    const patience = new AbortController()
    const timer = once ? undefined : clock.after(END_GRACE_MS, () => patience.abort())
    const unhurried = once ? stop : patience.signal
    try {
      await Promise.race([batcher.seal(unhurried), failed.promise, aborted(unhurried)])
      await Promise.race([spool.emptied(unhurried), failed.promise])
    } catch (error) {
      // The rest waits in the spool, or is read again at the next start.
      if (!unhurried.aborted) throw error
    } finally {
      timer?.cancel()
    }
  } catch (error) {
    if (!stop.aborted || error !== stop.reason) throw error
  } finally {
    reading.abort()
    sending.abort()
    await sent
    await spool.close()
    for (const target of targets) target.close()
    await page?.close()
    await unlock()
    alive.abort()
    const { linesRead, recordsDelivered, recordsRejected } = counts
    logger.info('ended', { linesRead, recordsDelivered, recordsRejected, batchesLeft: spool.length })
  }
}

/** By name of the input. The engine is loaded only where something is to be hidden. Throws invalid_config. */
async function masksOf({ inputs }: AgentConfig): Promise<ReadonlyMap<string, LineMask>> {
  const masks = new Map<string, LineMask>()
  for (const { name, mask } of inputs) {
    if (mask === undefined) continue
    const { lineMask } = await import('./line-mask.ts')
    masks.set(name, lineMask(mask))
  }
  return masks
}

/** Rejects when `signal` aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => undefined) // whoever waits for it hears of it
  if (signal.aborted) reject(signal.reason)
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return promise
}

/** What is in force: the configuration's own settings, those set from afar where it has none. */
function batchLimits(
  { batch, isLocal }: AgentConfig,
  { isPaused = false, batchBytesMax, batchLingerMs }: RemoteConfig,
) {
  return {
    isPaused,
    bytesMax: isLocal.bytesMax ? batch.bytesMax : (batchBytesMax ?? batch.bytesMax),
    lingerMs: isLocal.lingerMs ? batch.lingerMs : (batchLingerMs ?? batch.lingerMs),
  }
}

interface InputParts extends Omit<ShipperParts, 'setLogLevel' | 'version'> {
  readonly batcher: Batcher
  readonly cursors: CursorStore
  readonly counts: AgentCounts
  /** By name of the input. */
  readonly masks: ReadonlyMap<string, LineMask>
}

interface Input {
  run(signal: AbortSignal): Promise<void>
}

function inputsOf(parts: InputParts): readonly Input[] {
  const { config, clock, logger, once, batcher, cursors, counts, stdin, masks } = parts
  const inputs: Input[] = []
  const files = config.inputs.filter((input): input is FileSettings => input.type === 'file')
  if (files.length > 0) {
    const groups = files.map((settings) => fileGroup(settings, batcher, clock, masks.get(settings.name)))
    inputs.push(new FileInput({ groups, batcher, cursors, clock, logger, counts, once, ...config.files }))
  }
  for (const settings of config.inputs) {
    if (settings.type === 'file') continue
    const writer = writerOf(settings, batcher, {}, masks.get(settings.name))
    if (settings.type === 'journald') {
      inputs.push(new JournaldInput({ ...settings, once, writer, batcher, cursors, clock, logger, counts }))
      continue
    }
    const { lineBytesMax, multiline } = settings
    const taker = takerOf({ writer, clock, wrapper: 'none', multiline, lineBytesMax })
    const splitter = new LineSplitter({ taker, writer, clock, batcher, counts, lineBytesMax })
    const { flushMs } = config.files
    inputs.push(new StdinInput({ stream: stdin, batcher, splitter, taker, clock, flushMs }))
  }
  return inputs
}

function fileGroup(settings: FileSettings, batcher: Batcher, clock: Clock, mask: LineMask | undefined): FileGroup {
  const { name, paths, exclude, readFrom, lineBytesMax, wrapper, multiline } = settings
  return {
    name,
    paths,
    exclude,
    readFrom,
    lineBytesMax,
    reader(path, place) {
      const container = wrapper === 'container' ? containerOf(path) : undefined
      const own = { ...settings, service: settings.service ?? container?.service }
      const writer = writerOf(own, batcher, { file: path, ...container?.fields }, mask)
      return { writer, taker: takerOf({ writer, clock, wrapper, multiline, lineBytesMax, place }) }
    },
  }
}

interface TakerParts {
  readonly writer: RecordWriter
  readonly clock: Clock
  readonly wrapper: LineWrapper
  readonly multiline: MultilineRule | undefined
  readonly lineBytesMax: number
  readonly place?: FilePlace | undefined
}

function takerOf({ writer, clock, wrapper, multiline, lineBytesMax, place }: TakerParts): LineTaker {
  if (wrapper === 'none' && multiline === undefined) return new SingleLines(writer)
  return new GroupedLines({
    writer,
    clock,
    wrapper,
    bytesMax: lineBytesMax,
    ...(multiline === undefined ? {} : { multiline }),
    ...(place === undefined ? {} : { place }),
  })
}

function writerOf(
  { service, host, fields, format, offsets }: LineSettings,
  batcher: Batcher,
  own: Readonly<Record<string, unknown>>,
  mask: LineMask | undefined,
): RecordWriter {
  const labels = { service, host, fields: { ...own, ...fields } }
  return new RecordWriter({ batcher, labels, format, offsets, ...(mask === undefined ? {} : { mask }) })
}
