import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { printable } from '../printable.ts'

/** `weir keys revoke` */
export async function run({ words, terminal, node }: Call): Promise<number> {
  for (const id of words) {
    await node().json(`/v1/keys/${encodeURIComponent(id)}`, { method: 'DELETE' })
    terminal.tell(`${printable(id)} is revoked`)
  }
  return EXIT_OK
}
