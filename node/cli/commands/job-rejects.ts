import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { printList } from '../list-printer.ts'
import type { Column } from '../table.ts'

interface Reject {
  readonly file: number
  readonly index: number
  readonly code: string
  readonly reason: string
}
const PAGE = 1000

const COLUMNS: readonly Column<Reject>[] = [
  { title: 'FILE', text: ({ file }) => String(file), align: 'right' },
  { title: 'RECORD', text: ({ index }) => String(index), align: 'right' },
  { title: 'CODE', text: ({ code }) => code },
  { title: 'REASON', text: ({ reason }) => reason },
]

/** `weir jobs rejects` */
export async function run({ words: [id = ''], options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const all: Reject[] = []
  let cursor: string | null | undefined
  do {
    const parameters = { limit: PAGE, ...(cursor == null ? {} : { cursor }) }
    const page = await node().json<{ readonly rejects: readonly Reject[]; readonly nextCursor: string | null }>(
      `/v1/jobs/${encodeURIComponent(id)}/rejects`,
      { parameters },
    )
    // At most as many as a job lists, some thousands.
    all.push(...page.rejects)
    cursor = page.nextCursor
  } while (cursor !== null)
  await printList(terminal, options, COLUMNS, all)
  return EXIT_OK
}
