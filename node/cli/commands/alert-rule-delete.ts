import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { printable } from '../printable.ts'

/** `weir alerts rules delete` */
export async function run({ words, terminal, node }: Call): Promise<number> {
  for (const id of words) {
    await node().json(`/v1/alerts/rules/${encodeURIComponent(id)}`, { method: 'DELETE' })
    terminal.tell(`${printable(id)} is deleted`)
  }
  return EXIT_OK
}
