import type { Pipeline } from '../../../api/contract/pipelines.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { printJson } from '../list-printer.ts'

/** `weir pipelines get`: the definition alone, so that it can be changed and applied again. */
export async function run({ words: [id = ''], terminal, node }: Call): Promise<number> {
  const { version, updatedAt, definition } = await node().json<Pipeline>(`/v1/pipelines/${encodeURIComponent(id)}`)
  if (terminal.outIsTty) terminal.tell(terminal.paintError(`version ${version} of ${updatedAt}`, 'dim'))
  await printJson(terminal, definition)
  return EXIT_OK
}
