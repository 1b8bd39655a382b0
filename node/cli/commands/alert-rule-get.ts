import type { AlertRule } from '../../../api/contract/alerts.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { printJson } from '../list-printer.ts'

/** `weir alerts rules get`: as a file that `apply` takes. */
export async function run({ words: [id = ''], terminal, node }: Call): Promise<number> {
  const { revision, updatedAt, definition } = await node().json<AlertRule>(`/v1/alerts/rules/${encodeURIComponent(id)}`)
  if (terminal.outIsTty) terminal.tell(terminal.paintError(`revision ${revision} of ${updatedAt}`, 'dim'))
  await printJson(terminal, { id, ...definition })
  return EXIT_OK
}
