import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { printable } from '../printable.ts'

/** `weir pipelines delete` */
export async function run({ words: [id = ''], terminal, node }: Call): Promise<number> {
  await node().json(`/v1/pipelines/${encodeURIComponent(id)}`, { method: 'DELETE' })
  terminal.tell(`${printable(id)} is deleted`)
  return EXIT_OK
}
