import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { printable } from '../printable.ts'

/** `weir alerts silences delete` */
export async function run({ words, terminal, node }: Call): Promise<number> {
  for (const id of words) {
    await node().json(`/v1/alerts/silences/${encodeURIComponent(id)}`, { method: 'DELETE' })
    terminal.tell(`${printable(id)} has ended`)
  }
  return EXIT_OK
}
