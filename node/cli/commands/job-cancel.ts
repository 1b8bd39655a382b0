import type { Job } from '../../../api/contract/uploads.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { countText } from '../list-printer.ts'

/** `weir jobs cancel` */
export async function run({ words: [id = ''], terminal, node }: Call): Promise<number> {
  const { state, accepted } = await node().json<Job>(`/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE' })
  terminal.tell(`${state}; ${countText(accepted)} records stay`)
  return EXIT_OK
}
