import type { KeyInfo } from '../../../api/contract/keys.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { printList, timeText } from '../list-printer.ts'
import type { Column } from '../table.ts'

const COLUMNS: readonly Column<KeyInfo>[] = [
  { title: 'ID', text: ({ id }) => id, isKept: true },
  { title: 'NAME', text: ({ name }) => name },
  { title: 'TENANT', text: ({ tenant }) => tenant },
  { title: 'ROLES', text: ({ roles }) => roles.join(' ') },
  { title: 'CREATED', text: ({ createdAt }) => timeText(createdAt) },
]

/** `weir keys list` */
export async function run({ options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const { keys } = await node().json<{ readonly keys: readonly KeyInfo[] }>('/v1/keys')
  await printList(terminal, options, COLUMNS, keys)
  return EXIT_OK
}
