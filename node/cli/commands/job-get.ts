import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { followJob } from '../job-follower.ts'
import { printJson } from '../list-printer.ts'
import type { JOB_GET_OPTIONS } from '../send-commands.ts'

/** `weir jobs get` */
export async function run(call: Call<typeof JOB_GET_OPTIONS>): Promise<number> {
  const {
    words: [id = ''],
    options,
    terminal,
    node,
  } = call
  if (options.follow) return followJob(call, id)
  await printJson(terminal, await node().json(`/v1/jobs/${encodeURIComponent(id)}`), terminal.outIsTty)
  return EXIT_OK
}
