import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { Prng } from '../../base/prng.ts'
import { DemoSender } from './demo-sender.ts'
import { ShopTraffic } from './shop-traffic.ts'

/** What a newcomer finds at once: the last hour of the shop. */
const BACKFILL_MS = 3_600_000
const LIVE_PERIOD_MS = 500
/** Shop time made in one go: about 300 records, 2 ms of this thread. */
const STEP_MS = 1000
const BODY_RECORDS_MIN = 4000

/**
 * Keeps posting the logs of a small shop to the node at `url` until it is stopped: first the last hour (or what is missing of it after a
 * restart), then what happens. With authentication on, `key` must have the roles `ingest` and `read`.
 */
export function startDemo(url: string, clock: Clock, logger: Logger, key?: string): { stop(): void } {
  const stopping = new AbortController()
  const log = logger.child('demo')
  const seed = Buffer.from(clock.randomBytes(8)).toString('hex')
  const sender = new DemoSender({ url, clock, logger: log, name: `demo-${seed}`, signal: stopping.signal, key })
  void run(new Prng(seed), clock, sender, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted) log.error('the demo has ended', { error })
  })
  return { stop: () => stopping.abort() }
}

async function run(random: Prng, clock: Clock, sender: DemoSender, signal: AbortSignal): Promise<void> {
  const beginMs = clock.nowMs() - BACKFILL_MS
  let madeUntilMs = Math.max(beginMs, (await sender.newestMs(beginMs)) ?? beginMs)
  const traffic = new ShopTraffic(random, madeUntilMs)
  let records: string[] = []
  let sending: Promise<void> = Promise.resolve()
  for (;;) {
    signal.throwIfAborted()
    const nowMs = clock.nowMs()
    // A machine that slept, or a clock that was set, leaves a gap; an hour of it is filled.
    madeUntilMs = Math.max(madeUntilMs, nowMs - BACKFILL_MS)
    const isBehind = nowMs - madeUntilMs > LIVE_PERIOD_MS
    if (isBehind) {
      madeUntilMs = Math.min(nowMs, madeUntilMs + STEP_MS)
      records.push(...traffic.until(madeUntilMs))
    }
    const isLive = nowMs - madeUntilMs <= LIVE_PERIOD_MS
    if (records.length > 0 && (isLive || records.length >= BODY_RECORDS_MIN)) {
      await sending // one body is made while the one before it is taken
      sending = sender.send(records)
      sending.catch(() => undefined) // awaited above or below, and heard there
      records = []
    }
    if (isLive) {
      await sending
      await clock.sleep(LIVE_PERIOD_MS, signal)
    } else {
      await clock.yieldTurn()
    }
  }
}
