import type { ReplayResult } from '../../../api/contract/dead-letters.ts'
import { EXIT_FAILED, EXIT_INCOMPLETE, EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { missingText } from '../coverage-text.ts'
import { RefusedFailure, UsageFailure } from '../failures.ts'
import { countText } from '../list-printer.ts'
import type { REPLAY_OPTIONS } from '../operate-commands.ts'
import { printable } from '../printable.ts'

const PAGE = 500
const FAILURES_TOLD_MAX = 10
const BUSY_MS_MAX = 30_000

/** `weir dead-letters replay` */
export async function run(call: Call<typeof REPLAY_OPTIONS>): Promise<number> {
  const { words: ids, options, terminal } = call
  const { from, to, protocol, code, reason, all } = options
  const narrowing = { from, to, protocol, code, reason }
  const isNarrowed = Object.values(narrowing).some((value) => value !== undefined)
  if (ids.length > 0 ? isNarrowed || all : isNarrowed === all) {
    throw new UsageFailure('weir dead-letters replay takes ids, or which letters, or --all')
  }
  let [replayed, failed] = [0, 0]
  let missing: string | undefined
  for await (const page of pagesOf(call, ids.length > 0 ? { ids } : { ...narrowing, limit: PAGE })) {
    for (const { id, reason: why, code: named } of page.failures.slice(0, Math.max(0, FAILURES_TOLD_MAX - failed))) {
      terminal.tell(`${terminal.paintError('weir:', 'red')} ${printable(`${id}: ${why} (${named})`)}`)
    }
    replayed += page.replayed
    failed += page.failed
    missing ??= missingText(page.coverage)
    terminal.status(`${countText(replayed)} replayed, ${countText(failed)} stay`)
  }
  terminal.endStatus()
  terminal.tell(`${countText(replayed)} replayed, ${countText(failed)} stay`)
  if (missing !== undefined) terminal.tell(terminal.paintError(`weir: ${missing}`, 'yellow'))
  return failed > 0 ? EXIT_FAILED : missing === undefined ? EXIT_OK : EXIT_INCOMPLETE
}

/** Until all are replayed; a node that is busy is asked the same again. */
async function* pagesOf(
  { node, clock, signal }: Call<typeof REPLAY_OPTIONS>,
  body: object,
): AsyncGenerator<ReplayResult> {
  let cursor: string | null = null
  for (;;) {
    try {
      const json = cursor === null ? body : { ...body, cursor }
      const page: ReplayResult = await node().json('/v1/dead-letters/replay', { method: 'POST', json })
      yield page
      if (page.nextCursor === null) return
      cursor = page.nextCursor
    } catch (error) {
      if (!(error instanceof RefusedFailure) || !error.isPassing) throw error
      await clock.sleep(Math.min(BUSY_MS_MAX, error.retryAfterMs ?? 1000), signal)
    }
  }
}
