import type { Job } from '../../api/contract/uploads.ts'
import { Backoff } from '../../base/backoff.ts'
import { EXIT_FAILED, EXIT_OK } from '../exit-status.ts'
import type { Call } from './command.ts'
import { RefusedFailure, UnreachableFailure } from './failures.ts'
import { countText } from './list-printer.ts'
import { printable } from './printable.ts'
import { ProgressBar } from './progress.ts'

const ASK_EVERY_MS = 300
const REJECTS_TOLD_MAX = 10
const RETRY = { firstMs: 250, maxMs: 5000, factor: 2 }

/** Waits until a job has ended, showing how far it is; also while the node is away, for any other goes on with it. */
export async function followJob(
  { clock, terminal, signal, node }: Pick<Call, 'clock' | 'terminal' | 'signal' | 'node'>,
  id: string,
): Promise<number> {
  const bar = new ProgressBar(terminal, clock)
  const backoff = new Backoff(clock, RETRY)
  for (;;) {
    try {
      const job = await node().json<Job>(`/v1/jobs/${encodeURIComponent(id)}`)
      backoff.reset()
      if (job.endedAt !== null) {
        bar.end()
        return tellEnd(terminal, job)
      }
      bar.show({ done: job.bytes, total: job.bytesTotal, records: job.records, note: job.state })
      await clock.sleep(ASK_EVERY_MS, signal)
    } catch (error) {
      if (signal.aborted) {
        bar.end()
        terminal.tell(`the job goes on: weir jobs get ${printable(id)}`)
        throw signal.reason
      }
      const mayPass = error instanceof UnreachableFailure || (error instanceof RefusedFailure && error.isPassing)
      if (!mayPass || backoff.attempts >= 10) throw error
      await clock.sleep(backoff.nextMs(), signal)
    }
  }
}

function tellEnd(
  terminal: Call['terminal'],
  { jobId, state, accepted, rejected, errors, failure, files }: Job,
): number {
  for (const { file, index, reason, code } of errors.slice(0, REJECTS_TOLD_MAX)) {
    const where = `${files[file]?.name ?? file}, record ${index + 1}: ${reason} (${code})`
    terminal.tell(`${terminal.paintError('weir:', 'red')} ${printable(where)}`)
  }
  if (rejected > REJECTS_TOLD_MAX) terminal.tell(`more: weir jobs rejects ${printable(jobId)}`)
  if (failure !== null) {
    terminal.tell(`${terminal.paintError('weir:', 'red')} ${printable(`${failure.reason} (${failure.code})`)}`)
  }
  const refused = rejected === 0 ? '' : `, ${countText(rejected)} rejected`
  terminal.tell(`${state}: ${countText(accepted)} ${accepted === 1 ? 'record' : 'records'} stored${refused}`)
  return state === 'done' && rejected === 0 ? EXIT_OK : EXIT_FAILED
}
