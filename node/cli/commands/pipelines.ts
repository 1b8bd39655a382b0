import type { Pipeline } from '../../../api/contract/pipelines.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { ABSENT, printList, timeText } from '../list-printer.ts'
import type { Column } from '../table.ts'

const namesOf = (value: unknown, nameOf: (item: unknown) => unknown) =>
  Array.isArray(value) && value.length > 0 ? value.map((item) => String(nameOf(item))).join(' ') : ABSENT

const COLUMNS: readonly Column<Pipeline>[] = [
  { title: 'ID', text: ({ id }) => id, isKept: true },
  { title: 'VERSION', text: ({ version }) => String(version), align: 'right' },
  { title: 'UPDATED', text: ({ updatedAt }) => timeText(updatedAt) },
  { title: 'SERVICES', text: ({ definition }) => namesOf(definition.services, (name) => name) },
  { title: 'STEPS', text: ({ definition }) => namesOf(definition.steps, (step) => (step as { type?: unknown }).type) },
]

/** `weir pipelines list` */
export async function run({ options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const { pipelines } = await node().json<{ readonly pipelines: readonly Pipeline[] }>('/v1/pipelines')
  await printList(terminal, options, COLUMNS, pipelines)
  return EXIT_OK
}
