import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { printable } from '../printable.ts'

/** `weir cluster drain` */
export async function run({ words: [id = ''], terminal, node }: Call): Promise<number> {
  await node().json(`/v1/cluster/nodes/${encodeURIComponent(id)}/drain`, { method: 'POST' })
  terminal.tell(`${printable(id)} drains; weir cluster status shows how far it is`)
  return EXIT_OK
}
